"""Modalities from files to results: weights, hidden shares, coverage."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

NAMES = ("food", "tools")


@pytest.fixture
def shop(tmp_path):
    """Two domains of 25 items; two in three have audio and one in two a fact."""
    draw = random.Random(0)
    for name in NAMES:
        folder = tmp_path / "shop" / name
        folder.mkdir(parents=True)
        pairs = [(u, (u + 3 * n) % 25) for u in range(25) for n in range(8)]
        named = [(f"u{user}", f"{name}{item}") for user, item in pairs]
        rows = pl.DataFrame(named, schema=["user", "item"], orient="row")
        rows.write_csv(folder / "interactions.tsv", separator="\t")
        audio = [n for n in range(25) if n % 3]
        pl.DataFrame(
            {
                "item": [f"{name}{n}" for n in audio],
                "vector": [[draw.gauss(0, 1) for _ in range(4)] for _ in audio],
            }
        ).write_parquet(folder / "audio.parquet")
        facts = [(f"{name}{n}", "brand", str(n % 4)) for n in range(0, 25, 2)]
        table = pl.DataFrame(facts, schema=["item", "relation", "entity"], orient="row")
        table.write_csv(folder / "kg.tsv", separator="\t")
    return tmp_path / "shop"


@pytest.fixture
def settings(shop, tmp_path):
    return [
        "data=tables",
        f"data.path={shop}",
        f"output_dir={tmp_path}/outputs",
        f"cache_dir={tmp_path}/knn",
        "device=cpu",
        "fit.max_epochs=1",
    ]


WEIGHTS = ["+graph.modality_weights.audio=0.6", "+graph.modality_weights.kg=0.4"]


def test_hidden_modalities_make_groups_and_the_card_tells_them(
    micrec, settings, runs
) -> None:
    assert micrec("train", *settings, *WEIGHTS, "features.drop_rate={audio: 0.5}") == 0
    (folder,) = runs()
    card = (folder / "data_card.md").read_text()
    # of 25 items 16 have audio and 13 a fact; 8 of the 16 are left
    for name in NAMES:
        assert f"| {name} | audio | 16 | 64.0% |" in card
        assert f"| {name} | audio | 8 of 25 (32.0%) |" in card
        assert f"| {name} | kg | 13 | 52.0% |" in card
        assert f"| {name} | kg | 13 of 25 (52.0%) | 25 of 25" in card
    assert micrec("evaluate", folder) == 0
    metrics = json.loads((folder / "metrics.json").read_text())
    for name in NAMES:
        groups = set(metrics["test"][name])
        assert {"has_audio", "no_audio", "has_kg", "no_kg"} <= groups


@pytest.mark.fuzz  # slow
def test_other_shares_and_seeds_are_other_data(micrec, settings, runs) -> None:
    rates = "features.drop_rate=0,0.2,0.4"
    assert micrec("train", "-m", *settings, *WEIGHTS, rates, "seed=0,1") == 0
    digests = [(f / "artefact/digests.json").read_text() for f in runs()]
    # nothing hidden: the seed plays no part
    assert len(digests) == 6
    assert len(set(digests)) == 5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "no weight for modality audio, kg"),
        ([*WEIGHTS, "features.drop_rate=2"], "drop_rate=2: give a share in [0, 1]"),
        ([*WEIGHTS, "features.drop_rate={txt: 1}"], "give any of audio, kg"),
        ([WEIGHTS[0], "+graph.modality_weights.kg=0.5"], "together at most 1"),
        ([*WEIGHTS, "features.kg.min_items=1"], "give 2 or more"),
        (["features.text.precision=half"], "give float32 or bf16"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(
    micrec, settings, capsys, given, message
) -> None:
    assert micrec("train", *settings, *given) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


_OFFLINE = """
import sys
sys.path.insert(0, sys.argv.pop())
sys.argv = ["micrec", "train", "--help"]
from micrec_pyg.cli.main import main
assert main() == 0
from huggingface_hub import constants
sys.exit(10 + constants.HF_HUB_OFFLINE)
"""


# slow; that nothing said is offline is tried in test_main.py
@pytest.mark.fuzz
@pytest.mark.parametrize(("given", "offline"), [(None, 1), ("0", 0), ("1", 1)])
def test_nothing_is_downloaded_unless_the_environment_says_so(given, offline) -> None:
    # a process of its own: the library reads the variable when it is imported
    # it takes either of two, and the tests set both
    both = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    environment = {k: v for k, v in os.environ.items() if k not in both}
    if given is not None:
        environment["HF_HUB_OFFLINE"] = given
    done = subprocess.run(
        [sys.executable, "-c", _OFFLINE, str(Path(__file__).parents[2] / "src")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 10 + offline, done.stderr


def test_facts_can_be_left_out(micrec, settings, runs) -> None:
    given = [WEIGHTS[0], "features.kg=null"]
    assert micrec("train", *settings, *given) == 0
    (folder,) = runs()
    assert "| food | kg | 13 of" not in (folder / "data_card.md").read_text()
