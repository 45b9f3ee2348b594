"""A command in several processes at once, as ``torchrun`` starts it."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from micrec_pyg.schema import InputError


def refuse_several(what: str) -> None:
    """Refuse to run something in several processes.

    Args:
        what: The command, for the message.

    Raises:
        InputError: ``torchrun`` has started several.
    """
    if "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError(
            f"{what} runs in one process; torchrun starts several of these alone: "
            "micrec train KEY=VALUE ..., and micrec evaluate RUN ..."
        )


@contextmanager
def together() -> Iterator[bool]:
    """Join the other processes; yield whether this one tells what comes of it."""
    # it loads torch, which the help need not wait for
    from micrec_pyg.process_group import is_first, joined

    with joined():
        if not is_first():
            logging.getLogger("micrec_pyg").setLevel(logging.ERROR)
        yield is_first()
