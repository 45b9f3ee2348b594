"""Printed text, compared word by word and number by number."""

import re

import pytest

NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


def same_text(found: str, expected: str, *, within: float) -> bool:
    """Return whether two texts differ at most in their decimal numbers, and little.

    Args:
        found: What a program printed.
        expected: What a page shows; its white space does not count.
        within: Largest difference of two numbers. Learned numbers differ a little
            between kinds of CPU.
    """
    numbers = [float(text) for text in NUMBER.findall(expected)]
    return _words(found) == _words(expected) and [
        float(text) for text in NUMBER.findall(found)
    ] == pytest.approx(numbers, abs=within)


def _words(text: str) -> list[str]:
    # rules of a table are as long as its cells, which hold the numbers
    return re.sub(r"-{2,}", "--", NUMBER.sub("#", text)).replace("|", " ").split()
