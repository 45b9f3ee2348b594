"""Every control is a value on the command line, and changes what it says alone."""

import json
import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from micrec_pyg.cli.config import experiment
from micrec_pyg.cli.train import train_job
from micrec_pyg.runs.evaluate import evaluate_job
from micrec_pyg.runs.folder import run_folder
from micrec_pyg.runs.inputs import data_digests, load, read_data

MODEL = "artefact/model.safetensors"
CONTROLS = {
    "noise": ["features=noise"],
    "random pairs": ["overlap=random_pairs"],
    "no links": ["overlap_ratio=0"],
    "co-occurrence": ["neighbors=cooccurrence"],
    "union": ["graph=union"],
}


def metrics_of(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


def who(folder: Path) -> pl.DataFrame:
    """Return whom a run ranked: part, domain, group and user."""
    rows = pl.read_parquet(folder / "per_user.parquet")
    columns = ["part", "domain", "group", "user_id", "new_user", "overlap_user"]
    return rows.select(columns).sort(columns)


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the overrides of every run here."""
    root = tmp_path_factory.mktemp("controls")
    return [
        "data=synthetic",
        f"data.root={root}/data",
        "data.num_users=60",
        "data.num_items=40",
        "data.with_images=false",
        f"features.cache_dir={root}/features",
        f"cache_dir={root}/knn",
        f"output_dir={root}/outputs",
        "split=new_nodes",
        "device=cpu",
        "fit.max_epochs=1",
    ]


@pytest.fixture(scope="module")
def finished(common: list[str]) -> Callable[..., Path]:
    """Return a function that trains and tests a run once."""

    def run(*overrides: str) -> Path:
        folder = train_job([*common, *overrides])
        evaluate_job(folder)
        return folder

    return cache(run)


@pytest.mark.fuzz
@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_ranks_the_same_users_in_the_same_groups(finished, control):
    plain, changed = finished(), finished(*CONTROLS[control])
    assert changed != plain
    assert who(changed).equals(who(plain))
    assert (changed / MODEL).read_bytes() != (plain / MODEL).read_bytes()
    for part in ("val", "test"):
        ours, theirs = metrics_of(changed)[part], metrics_of(plain)[part]
        for domain, groups in theirs.items():
            assert ours[domain].keys() == groups.keys()
            for group, values in groups.items():
                assert ours[domain][group]["users"] == values["users"]


def test_noise_has_a_digest_of_its_own(finished):
    plain, noise = (
        json.loads((folder / "artefact" / "digests.json").read_text())
        for folder in (finished(), finished(*CONTROLS["noise"]))
    )
    assert plain.keys() == noise.keys()
    assert all(plain[domain] != noise[domain] for domain in plain)


def test_no_link_is_no_contrastive_loss(finished):
    hidden, off = finished(*CONTROLS["no links"]), finished("gamma=0")
    assert (hidden / MODEL).read_bytes() == (off / MODEL).read_bytes()
    for part in ("val", "test"):
        assert metrics_of(hidden)[part] == metrics_of(off)[part]


def test_all_links_are_the_default(common):
    def folder(*overrides):
        run = experiment([*common, *overrides])
        return run_folder(run, data_digests(read_data(run), run.settings["features"]))

    assert folder() == folder("overlap_ratio=1") == folder("overlap=links")
    assert folder() != folder("overlap_ratio=0.9")


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["overlap_ratio=0"], "no link between the domains is left"),
        (["graph=union"], "one graph of all domains"),
        (["data.num_domains=1"], "one domain"),
        (["graph=union", "gamma=0"], None),
        (["graph=union", "model=inmo"], None),
    ],
)
def test_the_log_says_why_nothing_is_aligned(common, caplog, overrides, reason):
    with caplog.at_level(logging.INFO):
        load(experiment([*common, "features=none", *overrides]))
    said = [m for m in caplog.messages if m.endswith("between domains is off")]
    expected = f"{reason}: the contrastive loss between domains is off"
    assert said == ([] if reason is None else [expected])


@pytest.mark.parametrize("model", ["bpr_mf", "micrec"])
def test_the_union_of_one_domain_is_that_domain(finished, model):
    one = ["data.num_domains=1", f"model={model}", "features=none"]
    plain, union = finished(*one), finished(*one, "graph=union")
    assert (union / MODEL).read_bytes() == (plain / MODEL).read_bytes()
    for part in ("val", "test"):
        assert metrics_of(union)[part] == metrics_of(plain)[part]
    for kind in ("users", "items"):
        ours, theirs = (
            pl.read_parquet(folder / "artefact" / f"{kind}-d0.parquet")
            for folder in (union, plain)
        )
        assert ours.equals(theirs)


def test_the_artefact_of_a_union_names_rows_of_its_one_table(finished):
    folder = finished(*CONTROLS["union"])
    users, items = (
        [
            pl.read_parquet(folder / "artefact" / f"{kind}-{name}.parquet").drop_nulls()
            for name in ("d0", "d1")
        ]
        for kind in ("users", "items")
    )
    both = users[0].join(users[1], on="id")
    assert len(both)
    assert (both["train_row"] == both["train_row_right"]).all()
    for tables in (users, items):
        rows = pl.concat([table["train_row"] for table in tables]).unique().sort()
        assert rows.to_list() == list(range(len(rows)))
    assert len(rows) == len(items[0]) + len(items[1])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("overlap_ratio=1.5", "give a share in [0, 1]"),
        ("overlap_ratio=null", "give a share in [0, 1]"),
        ("overlap_ratio=half", "give a share in [0, 1]"),
        ("overlap=random", "give one of links, random_pairs"),
        ("neighbors=content", "give one of features, cooccurrence"),
        ("features=nois", "did you mean features=noise?"),
    ],
)
def test_what_is_no_control_is_refused(micrec, small, capsys, override, message):
    assert micrec("train", *small, override) == 2
    assert message in capsys.readouterr().err
