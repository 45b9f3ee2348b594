"""Names of pictures and of LaTeX's labels, made of the names of other people's data."""

import re


class Names:
    """Turns texts into names; two texts never get the same one."""

    def __init__(self, kept: str) -> None:
        """Begin without any name.

        Args:
            kept: Characters that stay, as between the brackets of a regular
                expression; all others become a dash.
        """
        self._others = re.compile(f"[^{kept}]+")
        self._text_of: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        """Return the name of a text; where it is taken, with a number behind it."""
        name = found = self._others.sub("-", text)
        number = 1
        while self._text_of.setdefault(found, text) != text:
            number += 1
            found = f"{name}-{number}"
        return found
