"""The presets of published numbers, on a made copy of the files' layout."""

import random

import pytest

from micrec_pyg.cli.preset import Preset
from micrec_pyg.cli.reproduce import main
from micrec_pyg.runs.build import build, conf_dir
from micrec_pyg.yaml_files import read_yaml

PRESETS = ["gowalla", "yelp2018"]


@pytest.fixture
def files(tmp_path):
    """Return a folder with train.txt and test.txt, as NGCF publishes them."""
    folder, rng = tmp_path / "made", random.Random(0)
    folder.mkdir()
    rows = [[str(user), *map(str, rng.sample(range(40), 12))] for user in range(30)]
    for name, part in {"train": slice(0, 10), "test": slice(10, 13)}.items():
        lines = [" ".join([row[0], *row[1:][part]]) for row in rows]
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_trains_to_its_last_epoch_and_tests_it(
    name, files, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("MICREC_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    command = ["--preset", name, "--jobs", "1", f"data.path={files}"]
    small = ["data.val_share=0.1", "fit.max_epochs=2", "fit.eval_every=2"]
    assert main([*command, *small, "fit.batch_size=64", "device=cpu"]) == 0
    printed = capsys.readouterr().out
    # what was published is the title of the preset's own settings alone
    assert f"# Preset {name} with data.val_share=0.1\n" in printed
    assert "| LightGCN |" in printed
    (run,) = (tmp_path / "outputs").rglob("history.jsonl")
    first, last = run.read_text().splitlines()
    assert '"val": null' in first
    assert '"val": null' not in last


def test_the_schedule_is_the_one_that_reached_gowalla():
    path = conf_dir() / "fit" / "published.yaml"
    options = build(read_yaml(path), "fit")
    assert options.eval_every == options.patience == options.max_epochs == 913
    rates = [options.lr * options.schedule(epoch) for epoch in (0, 432, 433, 912)]
    assert rates == [0.004, 0.004, 0.001, 0.001]
    assert options.lr_changes
    for name in PRESETS:
        assert "fit=published" in Preset.read(name).overrides
