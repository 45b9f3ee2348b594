"""Several Ctrl-C in a row end a command as one does."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from micrec_pyg.cli import interruptions
from micrec_pyg.cli.interruptions import one_interruption

SCRIPT = """
import atexit, sys, time
from micrec_pyg.cli import main as command

def wait(name):
    print(name, flush=True)
    time.sleep(float(sys.argv[2]))

def work(name, argv):
    try:
        wait("work")
    finally:
        wait("cleanup")
    return 0

atexit.register(wait, "exit")
command._run = work  # in place of a command, which would load torch
sys.argv[1:1] = ["train"]
sys.exit(command.main())
"""
"""Its argument is how long each step takes, in seconds."""


def interrupted(steps: list[str], seconds: float, root: Path) -> tuple[int, str]:
    """Return the exit code and stderr of a command after Ctrl-C in some steps."""
    command = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root / "src")},
    )
    assert command.stdout is not None
    for line in command.stdout:
        if line.strip() in steps:
            command.send_signal(signal.SIGINT)
    _, err = command.communicate(timeout=20)
    return command.returncode, err


def test_several_are_one_until_the_process_has_ended(root: Path) -> None:
    code, err = interrupted(["work", "cleanup", "exit"], 0.3, root)
    assert code == 130
    assert err.startswith("\nmicrec: interrupted; ")
    assert err.count("\n") == 2


def test_one_as_a_finished_command_ends_changes_nothing(root: Path) -> None:
    assert interrupted(["exit"], 0.1, root) == (0, "")


@pytest.fixture
def _before():
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_before")
def test_one_that_was_lost_can_be_repeated(monkeypatch) -> None:
    """A library may swallow it; then a later one interrupts again."""
    with one_interruption():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        monkeypatch.setattr(interruptions, "PATIENCE_S", 0.0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("_before")
def test_who_ignores_it_goes_on_ignoring_it() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with one_interruption():
        signal.raise_signal(signal.SIGINT)


def test_a_thread_leaves_signals_alone() -> None:
    before = signal.getsignal(signal.SIGINT)

    def run() -> None:
        with one_interruption():
            assert signal.getsignal(signal.SIGINT) is before

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
