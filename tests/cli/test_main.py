import os
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


def test_unknown_command_lists_the_valid_ones(micrec, capsys) -> None:
    assert micrec("trian") == 2
    shown = capsys.readouterr().err
    assert "'trian'" in shown
    assert "train, evaluate" in shown


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


def test_other_errors_are_not_hidden(micrec, monkeypatch) -> None:
    from micrec_pyg.cli import evaluate

    def fail(argv: list[str]) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(evaluate, "main", fail)
    with pytest.raises(ZeroDivisionError):
        micrec("evaluate", "run")
