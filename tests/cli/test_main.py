import contextlib
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from micrec_pyg.cli import main as command
from micrec_pyg.schema import InputError


def test_help_names_every_command(micrec, capsys) -> None:
    assert micrec("--help") == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in command.COMMANDS)


def test_help_loads_no_heavy_library(root: Path) -> None:
    code = (
        "import sys; from micrec_pyg.cli.main import main; sys.argv = ['micrec', '-h'];"
        "main(); assert not {'torch', 'hydra', 'polars'} & set(sys.modules)"
    )
    path = {**os.environ, "PYTHONPATH": str(root / "src")}
    subprocess.run([sys.executable, "-c", code], check=True, env=path)


DATA_COMMANDS = ("check", "audit", "stats", "fetch", "export")


@pytest.mark.parametrize(
    "words", [*command.COMMANDS, *(f"data {name}" for name in DATA_COMMANDS)]
)
def test_every_help_fits_a_terminal(micrec, capsys, monkeypatch, words: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with contextlib.suppress(SystemExit):
        micrec(*words.split(), "--help")
    shown = capsys.readouterr().out
    assert shown.startswith("usage: micrec")
    assert [line for line in shown.splitlines() if len(line) > 80] == []
    assert "``" not in shown  # marks of a docstring


def test_unknown_command_lists_the_valid_ones(micrec, capsys) -> None:
    assert micrec("trian") == 2
    shown = capsys.readouterr().err
    assert "'trian'" in shown
    assert "train, sweep, tune, evaluate" in shown


def test_no_command_is_refused_with_the_help(micrec, capsys) -> None:
    assert micrec() == 2
    assert "usage" in capsys.readouterr().out


def test_input_error_is_one_line_and_code_2(micrec, capsys, monkeypatch) -> None:
    from micrec_pyg.cli import evaluate

    def refuse(argv: list[str]) -> int:
        raise InputError("first\nsecond")

    monkeypatch.setattr(evaluate, "main", refuse)
    assert micrec("evaluate") == 2
    assert capsys.readouterr().err == "micrec: first second\n"


def test_interruption_says_how_to_continue(micrec, capsys, monkeypatch) -> None:
    from micrec_pyg.cli import evaluate

    def interrupt(argv: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate, "main", interrupt)
    assert micrec("evaluate", "run") == 130
    assert "the same command continues" in capsys.readouterr().err


def raising(error: BaseException):
    """Return a command that fails."""

    def fail(argv: list[str]) -> int:
        raise error

    return fail


def test_other_errors_are_one_sentence_and_a_file(
    micrec, monkeypatch, capsys, tmp_path
) -> None:
    from micrec_pyg.cli import evaluate

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(evaluate, "main", raising(ZeroDivisionError("by\nzero")))
    assert micrec("evaluate", "run") == 1
    (file,) = tmp_path.glob("micrec-error-*.txt")
    assert file.read_text().rstrip().endswith("ZeroDivisionError: by\nzero")
    said = capsys.readouterr().err
    assert said.startswith("micrec: unexpected error: ZeroDivisionError: by; ")
    assert file.name in said
    assert said.count("\n") == 1


def test_debug_shows_the_traceback(micrec, monkeypatch, capsys, tmp_path) -> None:
    from micrec_pyg.cli import evaluate

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MICREC_DEBUG", "1")
    monkeypatch.setattr(evaluate, "main", raising(KeyError("x")))
    assert micrec("evaluate", "run") == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FloatingPointError("epoch 3: loss bpr"), "epoch 3: loss bpr"),
        (MemoryError(), "the memory is used up"),
        (RuntimeError("x: can't allocate memory: 9 bytes"), "the memory is used up"),
        (OSError(28, "", "out/run"), "out/run: the disk is full"),
        (OSError(37, "", "out/run"), "out/run: this file system cannot lock files"),
    ],
)
def test_failures_that_have_a_sentence(
    micrec, monkeypatch, capsys, error, said
) -> None:
    from micrec_pyg.cli import evaluate

    monkeypatch.setattr(evaluate, "main", raising(error))
    assert micrec("evaluate", "run") == 1
    assert capsys.readouterr().err.startswith(f"micrec: {said}")


OFFLINE = """
import sys
from micrec_pyg.cli.main import main
sys.argv = ["micrec", "train", "--help"]
code = main()
from huggingface_hub import constants
assert constants.HF_HUB_OFFLINE
sys.exit(code)
"""


@pytest.mark.fuzz
def test_a_closed_pipe_is_one_sentence_and_nothing_is_downloaded(
    root: Path, tmp_path: Path
) -> None:
    # a process of its own: the library reads its variable when it is imported
    # it takes either of two, and the tests set both
    offline = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    path = {k: v for k, v in os.environ.items() if k not in offline}
    path["PYTHONPATH"] = str(root / "src")
    python = shlex.join([sys.executable, "-c", OFFLINE])
    command = f"{python} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], env=path, cwd=tmp_path, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
    assert (done.returncode, done.stderr) in [
        (0, ""),  # what was written had left before the pipe was closed
        (1, "micrec: what read the output has closed it\n"),
    ]
