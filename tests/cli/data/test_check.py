"""``micrec data check`` on the command line."""

import json
import os
from pathlib import Path

import pytest
from reference.malformed import SUFFIXES, damaged, write
from reference.wrong_by_hand import by_hand

OVERRIDES = ("data.rating_min=1",)
GOOD = {"interactions.tsv": b"user\titem\trating\na\tx\t5\nb\ty\t4\n"}


def test_a_good_catalogue_is_code_0(micrec, tmp_path: Path, capsys) -> None:
    write(tmp_path, GOOD)
    assert micrec("data", "check", tmp_path) == 0
    shown = capsys.readouterr().out
    assert shown == f"{tmp_path}: errors: 0, warnings: 0; it can be read\n"


def test_every_problem_is_shown_with_its_place(micrec, tmp_path: Path, capsys) -> None:
    lines = b"user\titem\trating\na\tx\tfive\n\ty\t4\nb\ty\t\nb\tnan\t1\n"
    write(tmp_path, {"interactions.tsv": lines})
    assert micrec("data", "check", tmp_path, *OVERRIDES) == 2
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == str(tmp_path / "d/interactions.tsv")
    found = [line.split(",")[0].split()[-2:] for line in shown[1:-1]]
    places = [["line", "3"], ["line", "5"], ["line", "2"], ["line", "4"]]
    assert found == places
    assert "column 'rating': got 'five', a number is needed" in shown[3]
    assert shown[-1].endswith("errors: 4, warnings: 0; it cannot be read")


def test_a_name_that_is_not_utf8_is_shown(micrec, tmp_path: Path, capsys) -> None:
    write(tmp_path, GOOD)
    (tmp_path / "d" / os.fsdecode(b"caf\xe9.txt")).write_text("")
    assert micrec("data", "check", tmp_path) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[:2] == [
        f"{tmp_path}/d/caf\ufffd.txt",
        "  warning  it is not read: its name is not UTF-8; rename it",
    ]


def test_what_is_over_the_limit_is_counted(micrec, tmp_path: Path, capsys) -> None:
    lines = ["user\titem", *["\tx"] * 30, ""]
    write(tmp_path, {"interactions.tsv": "\n".join(lines).encode()})
    assert micrec("data", "check", tmp_path, "--limit", 3) == 2
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 6
    assert shown[4] == "  ... and 27 more"


def test_columns_are_named_by_an_option(micrec, tmp_path: Path, capsys) -> None:
    write(tmp_path, {"interactions.csv": b"uid,sku\na,x\nb,y\n"})
    assert micrec("data", "check", tmp_path) == 2
    assert "column user is missing; found: uid, sku" in capsys.readouterr().out
    mapping = "data.columns={user: uid, item: sku}"
    assert micrec("data", "check", tmp_path, mapping) == 0


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        (["nowhere"], "no such folder; give data.path="),
        (["data=synthetic"], "own-catalogue format"),
        (["a", "b"], "give one folder"),
        (["data.rating_min=3"], "give one folder"),
        (["a", "data.ratng_min=3"], "rating_min"),
        (["a", "--limit", "0"], "give 1 or more"),
        (["a", "data.columns={usr: x}"], "needed: a column name"),
    ],
)
def test_impossible_calls_are_code_2(
    micrec, argv, fault, tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert micrec("data", "check", *argv) == 2
    assert fault in "".join(capsys.readouterr())


def test_a_folder_may_have_any_name(micrec, tmp_path: Path) -> None:
    for name in ("it's a=b, {c} $d", r"we\ird", "we\\'ird\\"):
        folder = tmp_path / name
        folder.mkdir()
        write(folder, GOOD)
        assert micrec("data", "check", folder) == 0


def test_options_stand_in_any_order(micrec, tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    given = [f"data.path={tmp_path}", *OVERRIDES]
    assert micrec("data", "check", *given) == 0
    assert micrec("data", "check", *reversed(given)) == 0
    assert micrec("data", "check", *given, "data=tables") == 0


@pytest.mark.fuzz
def test_wrong_data_leaves_no_output(
    micrec, tmp_path: Path, capsys, monkeypatch
) -> None:
    """Neither half of a card nor half of a run."""
    monkeypatch.chdir(tmp_path)
    wrong = [each.files for each in by_hand() if not each.options][::45]
    wrong += [next(damaged(1, suffix, "interactions", 5)) for suffix in SUFFIXES]
    outputs = [
        f"--{kind}=out.{end}" for kind, end in (("json", "json"), ("plot", "png"))
    ]
    refused = 0
    for number, files in enumerate(wrong):
        folder = write(tmp_path / str(number), files)
        code = micrec("data", "check", folder, *OVERRIDES)
        if code == 0:
            continue
        refused += 1
        assert code == 2
        argv = ("data", "stats", folder, *OVERRIDES, *outputs, "--card=out.md")
        assert micrec(*argv) == 2
        argv = ("train", "data=tables", f"data.path={folder}", *OVERRIDES)
        assert micrec(*argv, "output_dir=out", "cache_dir=knn") == 2
        message = capsys.readouterr().err.splitlines()[-1]
        assert message.startswith("micrec: ")
    assert refused >= len(wrong) - len(SUFFIXES)
    assert {path.name for path in tmp_path.iterdir()} == {*map(str, range(len(wrong)))}


def test_what_passes_the_check_trains_and_leaves_a_card(
    micrec, small, runs, tmp_path: Path
) -> None:
    assert micrec("train", *small, "fit.max_epochs=1") == 0
    card = (runs()[0] / "data_card.md").read_text()
    digests = json.loads((runs()[0] / "artefact/digests.json").read_text())
    assert all(f"\n## {name}\n" in card for name in digests)


def test_control_characters_of_a_file_do_not_reach_the_terminal(
    micrec, tmp_path: Path, capsys
) -> None:
    evil = "\x1b]0;title\x07\x1b[2J"
    (tmp_path / "d").mkdir()
    (tmp_path / "d/interactions.csv").write_text(f"user,item{evil}\na,x\n")
    (tmp_path / "d/items.csv").write_text(f"item,title\n{evil},x\n")
    assert micrec("data", "check", str(tmp_path)) == 2
    shown = "".join(capsys.readouterr())
    assert r"item\x1b]0;title\x07\x1b[2J" in shown
    assert not {"\x1b", "\x07"} & set(shown)
    assert micrec("data", "stats", str(tmp_path)) == 2
    shown = "".join(capsys.readouterr())
    assert r"\x1b" in shown
    assert not {"\x1b", "\x07"} & set(shown)
