"""A damaged file of a run is refused by name, that of a cache is made anew."""

import errno
import json
import logging
import os
import shutil
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from reference.damage import FEW, MANY, damages, place

from micrec_pyg.cli.train import train_job
from micrec_pyg.runs.evaluate import evaluate_job

READ_AGAIN = [
    "config.yaml",
    "metrics.json",
    "per_user.parquet",
    "history.jsonl",
    "artefact/model.safetensors",
    "artefact/digests.json",
    "artefact/users-d0.parquet",
    "artefact/split/card.json",
    "artefact/split/d1.parquet",
]


@pytest.fixture
def run(ready) -> Path:
    return ready


@pytest.mark.parametrize("places", [FEW, pytest.param(MANY, marks=pytest.mark.fuzz)])
def test_no_damaged_file_of_a_run_is_believed(
    micrec, small, run, tmp_path, capsys, places, tried
) -> None:
    other = train_job([*small, "seed=1"])
    for name in READ_AGAIN:
        good = (run / name).read_bytes()
        cases = damages(good, (other / name).read_bytes(), places=places)
        tried("damaged files of a finished run", len(cases))
        for case, content in cases.items():
            if content == good:  # the other run's may be the same
                continue
            place(run / name, content)
            commands = [["evaluate", run]]
            if case == "empty":
                commands.append(["train", *small])
            for command in commands:
                assert micrec(*command) == 2, (name, case)
                (said,) = capsys.readouterr().err.strip().splitlines()[-1:]
                assert said.startswith(f"micrec: {run / name} "), (name, case)
                assert said.endswith(f"or delete {run} and train again"), (name, case)
        place(run / name, None)
        (run / name).rmdir()
        assert micrec("evaluate", run) == 2
        assert f"{run / name} is missing; restore" in capsys.readouterr().err
        place(run / name, good)
    assert "test" not in json.loads((run / "metrics.json").read_text())
    assert micrec("evaluate", run) == 0


def test_reports_believe_no_damaged_file(micrec, run, tmp_path, capsys) -> None:
    assert micrec("evaluate", run) == 0
    report = ["report", tmp_path / "outputs", "--out", tmp_path / "report.md"]
    for name in ("config.yaml", "metrics.json"):
        good = (run / name).read_bytes()
        place(run / name, good.replace(b"0", b"1"))
        assert micrec(*report) == 2
        assert f"{run / name} is not what was written" in capsys.readouterr().err
        place(run / name, good)
    assert micrec(*report) == 0


def test_a_test_evaluation_is_sealed_too(run, micrec, capsys) -> None:
    evaluate_job(run)
    evaluate_job(run, again=True)
    text = (run / "metrics.json").read_text()
    assert json.loads(text)["test_evaluations"] == 2
    (run / "metrics.json").write_text(text.replace('"recall', '"Recall', 1))
    assert micrec("evaluate", run) == 2
    assert f"{run / 'metrics.json'} is not what" in capsys.readouterr().err


def test_a_run_without_a_manifest_is_read(run, micrec, caplog) -> None:
    (run / "manifest.json").unlink()
    with caplog.at_level(logging.INFO):
        evaluate_job(run)
        evaluate_job(run, again=True)
    lines = [line for line in caplog.messages if "is not checked" in line]
    assert lines == [f"{run} has no manifest.json: it is not checked"]


def test_a_damaged_conversion_changes_no_bit(small, tmp_path, caplog) -> None:
    root = tmp_path / "data"
    options = [*small, f"data.root={root}"]
    first = train_job(options)
    (table,) = root.rglob("d0/interactions.tsv")
    content = bytearray(table.read_bytes())
    # another item's number, where the table is as valid as before
    digit = content.rindex(b"\t") - 1
    content[digit] ^= 1
    table.write_bytes(content)
    second = train_job([*options, f"output_dir={tmp_path}/second"])
    assert f"{table} is not what was written" in caplog.text
    model = "artefact/model.safetensors"
    assert (first / model).read_bytes() == (second / model).read_bytes()


def test_what_a_kill_left_is_removed_by_the_next_run(small, runs, run) -> None:
    shutil.rmtree(run / "artefact")
    (run / "metrics.json").unlink()
    for place_of in (run, run / "artefact"):
        (place_of / f".a.{os.uname().nodename}-999999999-0.part").mkdir(parents=True)
    assert train_job(small) == run
    assert not list(run.rglob("*.part"))


@pytest.mark.parametrize(
    ("place_of", "said"),
    [
        ("file/outputs", "a file stands where a folder belongs; move it away"),
        ("x" * 300, "the name is too long; choose a shorter one"),
    ],
)
def test_a_disk_that_refuses_is_one_sentence(
    micrec, small, tmp_path, capsys, place_of, said
) -> None:
    (tmp_path / "file").touch()
    assert micrec("train", *small, f"output_dir={tmp_path}/{place_of}") == 1
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert line.startswith(f"micrec: {tmp_path}")
    assert line.endswith(said)


def test_a_full_disk_is_one_sentence(micrec, small, monkeypatch, capsys) -> None:
    def full(source, target) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(source))

    monkeypatch.setattr(os, "replace", full)
    assert micrec("train", *small) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert line.endswith("the disk is full; make room, or choose another folder")
    assert ".part" not in line


def test_a_full_disk_names_the_folder_of_the_sweep(
    micrec, small, tmp_path, monkeypatch, capsys
) -> None:
    def full(*_) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(OmegaConf, "save", full)  # what Hydra writes its settings with
    assert micrec("train", "-m", *small, "seed=0,1") == 1
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert line.startswith(f"micrec: {tmp_path}")
    assert "/sweeps/" in line
    assert line.endswith("the disk is full; make room, or choose another folder")
