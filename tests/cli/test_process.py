import io
import logging
import os
import platform
import sys

import pytest

from micrec_pyg.cli.process import (
    keep_freed_memory,
    log_to_stderr,
    prepare,
    printable,
    show,
    whole_streams,
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


def test_an_unbuffered_stdout_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = bytearray()

    class Narrow(io.RawIOBase):
        """Takes a few bytes at a time, as a disk that is nearly full does."""

        def writable(self) -> bool:
            return True

        def write(self, data) -> int:
            taken.extend(bytes(data[:7]))
            return min(7, len(data))

    raw = Narrow()
    stream = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
    for name in ("stdout", "__stdout__"):
        monkeypatch.setattr(sys, name, stream)
    whole_streams()
    show("Käse und Brot\n" * 9)
    sys.stdout.flush()
    assert taken.decode() == "Käse und Brot\n" * 9
    once = sys.stdout
    whole_streams()
    assert sys.stdout is once
    stream.detach()  # or both would close what they share


def test_a_process_without_stdout_and_stderr_can_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    whole_streams()
    show("lost")
    given = sys.stdout, sys.stderr
    assert given[1].write("lost too") == 8
    monkeypatch.undo()
    for stream in given:
        stream.close()
