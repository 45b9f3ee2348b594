"""Packages that the user names: what is wrong with one is told as the user's own."""

import re
import sys
from pathlib import Path

import pytest

from micrec_pyg.runs.build import build
from micrec_pyg.runs.plugins import PLUGINS
from micrec_pyg.schema import InputError

FILES = {
    "raises": "raise ValueError('x')\n",
    "needs": "import no_such_package\n",
    "misspelt": "def f(:\n",
    "good": "X = 3\nclass Net: ...\n",
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with a package ``my_pack`` of these files, and they as well."""
    (tmp_path / "my_pack").mkdir()
    for name, text in FILES.items():
        (tmp_path / f"my_{name}.py").write_text(text)
        (tmp_path / "my_pack" / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv(PLUGINS, "")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my_nothing", "--plugin my_nothing: no such package on the Python path; inst"),
        (
            "my_raises",
            "plug-in my_raises failed at import: ValueError: x, in FILE line",
        ),
        ("my_needs", "--plugin my_needs: my_needs needs the package 'no_such_package'"),
        (
            "my_misspelt",
            "my_misspelt failed at import: SyntaxError: invalid syntax, in",
        ),
    ],
)
def test_one_that_cannot_be_imported_is_told_before_any_work(
    micrec, capsys, tmp_path: Path, name: str, said: str
) -> None:
    assert micrec("--plugin", name, "report", tmp_path / "no_runs") == 2
    err = capsys.readouterr().err.replace(str(tmp_path / f"{name}.py"), "FILE")
    assert said in err
    assert err.count("\n") == 1


def test_help_does_not_wait_for_one(micrec, capsys) -> None:
    assert micrec("--plugin", "my_raises", "train", "--help") == 0
    assert capsys.readouterr().out.startswith("usage: micrec train")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("raises.Net", "plug-in my_pack.raises failed at import: ValueError: x, in "),
        ("needs.Net", "my_pack.needs needs the package 'no_such_package'"),
        ("nothing.Net", "not there: there is no module my_pack.nothing"),
        ("good.X", "not there: my_pack.good has no class or function X"),
        ("good.Other", "not there: my_pack.good has Net"),
    ],
)
def test_what_settings_name_in_one_is_told_without_the_advice_to_name_it(
    monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setenv(PLUGINS, "my_pack")
    with pytest.raises(InputError, match=re.escape(said)) as told:
        build({"_target_": f"my_pack.{name}"})
    assert "--plugin PACKAGE" not in str(told.value)


def test_nothing_runs_that_is_not_named(micrec, tmp_path: Path, capsys) -> None:
    (tmp_path / "my_pack" / "marks.py").write_text("open('ran', 'w')\n")
    with pytest.raises(InputError, match="settings may call nothing else"):
        build({"_target_": "my_pack.marks.Net"})
    assert micrec("--plugin", "my_good", "report", tmp_path / "no_runs") == 2
    assert "no_runs" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()
