import logging
import os
import platform

import pytest

from micrec_pyg.cli.process import (
    keep_freed_memory,
    log_to_stderr,
    prepare,
    printable,
    show,
)


def test_glibc_accepts_the_settings() -> None:
    expected = platform.libc_ver()[0] == "glibc"
    assert keep_freed_memory() is expected


def test_a_user_decides_over_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    prepare()
    assert os.environ["HF_HUB_OFFLINE"] == "0"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain ü 茶 😀\n\tx", "plain ü 茶 😀\n\tx"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("\x9b2J\rover", r"\x9b2J\rover"),
        ("\u202eevil\u2066", r"\u202eevil\u2066"),
        ("\udcff", r"\udcff"),
    ],
)
def test_control_characters_are_escaped(
    raw: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printable(raw) == shown
    log_to_stderr()
    logging.getLogger("micrec_pyg.x").warning("%s", raw)
    show(raw)
    assert capsys.readouterr() == (shown, f"{shown}\n")
