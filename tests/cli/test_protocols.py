"""Every split of conf/split from the command line, and what a run keeps of it."""

import json
from pathlib import Path

import polars as pl
import pytest

from micrec_pyg.cli.train import train_job
from micrec_pyg.runs.evaluate import evaluate_job
from micrec_pyg.schema import InputError

CONF = Path(__file__).parents[2] / "conf" / "split"
NAMES = {path.stem for path in CONF.glob("*.yaml")}
COLD = {
    "new_nodes": {"new_user", "new_item"},
    "zero_edge": {"new_user", "new_item", "item_degree_0"},
    "history_elsewhere": {"new_user", "user_history_0"},
}
"""Groups that a protocol is made for."""


@pytest.fixture
def quick(small: list[str]) -> list[str]:
    return [*small, "fit.max_epochs=1", "model=micrec"]


@pytest.fixture
def catalogue(small: list[str], tmp_path: Path) -> Path:
    """Return an own catalogue: a run's data, labelled and as ready files."""
    run = train_job([*small, "fit.max_epochs=1", "seed=9"])
    folder = tmp_path / "shop"
    for name in ("d0", "d1"):
        table = pl.read_parquet(run / "artefact" / "split" / f"{name}.parquet")
        code = {"train": 0, "val": 1, "test": 2}
        edges = table.filter(pl.col("part").is_in(list(code)))
        (folder / name).mkdir(parents=True)
        edges.select(
            "user",
            "item",
            pl.col("part").replace_strict(code, return_dtype=pl.Int64).alias("x_label"),
        ).write_csv(folder / name / "interactions.csv")
        for part, stem in (("train", "train"), ("val", "valid"), ("test", "test")):
            rows = edges.filter(pl.col("part") == part).select("user", "item")
            rows.write_csv(folder / name / f"{stem}.csv")
    return folder


def card(run: Path) -> dict:
    return json.loads((run / "artefact" / "split" / "card.json").read_text())


@pytest.mark.parametrize("name", sorted(NAMES - {"files", "saved", "ready"}))
def test_a_protocol_trains_and_is_tested(quick: list[str], name: str) -> None:
    run = train_job([*quick, f"split={name}"])
    metrics = evaluate_job(run)
    assert metrics["split"] == card(run)["protocol"] == name
    for domain, groups in metrics["test"].items():
        assert COLD.get(name, set()) <= groups.keys()
        counts = card(run)["domains"][domain]
        assert groups["all"]["users"] == counts["users"]["with_test"]


def test_ready_files_and_labels_are_one_split(
    quick: list[str], catalogue: Path
) -> None:
    data = [o for o in quick if not o.startswith("data")]
    data += ["data=tables", f"data.path={catalogue}", "gamma=0"]
    labelled = train_job([*data, "split=ready"])
    given = train_job([*data, "split=files", f"split.path={catalogue}"])
    assert card(labelled)["domains"] == card(given)["domains"]
    assert evaluate_job(labelled)["test"] == evaluate_job(given)["test"]


def test_a_saved_split_gives_the_same_run(quick: list[str], runs) -> None:
    first = train_job([*quick, "split=new_nodes"])
    again = train_job([*quick, "split=saved", f"split.path={first}"])
    assert card(first)["domains"] == card(again)["domains"]
    model = "artefact/model.safetensors"
    assert (first / model).read_bytes() == (again / model).read_bytes()
    assert evaluate_job(first)["test"] == evaluate_job(again)["test"]


def test_a_changed_or_missing_split_is_not_tested(quick: list[str]) -> None:
    run = train_job(quick)
    path = run / "artefact" / "split" / "card.json"
    changed = card(run)
    changed["domains"]["d1"]["sha256"] = "0" * 64
    path.write_text(json.dumps(changed))
    with pytest.raises(InputError, match=r"split/card\.json is not what was written"):
        evaluate_job(run)
    (run / "manifest.json").unlink()  # as in a run of an earlier version
    with pytest.raises(InputError, match="the split of d1 is not the one saved"):
        evaluate_job(run)
    path.unlink()
    with pytest.raises(InputError, match="no split is saved there"):
        evaluate_job(run)


def test_a_run_goes_on_with_its_own_split_alone(
    quick: list[str], catalogue, tmp_path
) -> None:
    data = [o for o in quick if not o.startswith("data")]
    data += ["data=tables", f"data.path={catalogue}", "gamma=0"]
    data += ["split=files", f"split.path={catalogue}", "fit.max_epochs=3"]

    def interrupt(row: dict) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_job(data, on_epoch=interrupt)
    (begun,) = (tmp_path / "outputs" / "shop").rglob("artefact/split")
    changed = json.loads((begun / "card.json").read_text())
    changed["domains"]["d0"]["sha256"] = "0" * 64
    (begun / "card.json").write_text(json.dumps(changed))
    with pytest.raises(InputError, match="the split of d0 is not the one saved"):
        train_job(data)
    # other files are another run, whatever became of the first one
    files = [catalogue / "d0" / f"{stem}.csv" for stem in ("valid", "test")]
    valid, test = (path.read_text() for path in files)
    files[0].write_text(test)
    files[1].write_text(valid)
    assert train_job(data) != begun.parents[1]


def test_a_path_is_needed(micrec, small: list[str], capsys) -> None:
    for name in ("files", "saved"):
        assert micrec("train", *small, f"split={name}") == 2
        assert "split.path" in capsys.readouterr().err


def test_old_and_full_graph_are_two_runs_of_one_model(quick: list[str]) -> None:
    old, full = (
        train_job([*quick, "split=new_interactions", f"split.graph={graph}"])
        for graph in ("old", "full")
    )
    assert old != full
    model = "artefact/model.safetensors"
    assert (old / model).read_bytes() == (full / model).read_bytes()
    tested = [evaluate_job(run)["test"] for run in (old, full)]
    assert tested[0] != tested[1]
    for domain, groups in tested[0].items():
        assert groups["all"]["users"] == tested[1][domain]["all"]["users"]
