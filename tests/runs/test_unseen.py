"""Runs whose model has a choice of what unseen nodes get."""

from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from micrec_pyg.cli.config import composed, experiment
from micrec_pyg.cli.train import train_job
from micrec_pyg.report.collect import collect
from micrec_pyg.report.remarks import remarks
from micrec_pyg.report.tables import as_markdown, sheets
from micrec_pyg.runs.build import added
from micrec_pyg.runs.evaluate import evaluate_job
from micrec_pyg.runs.experiment import experiment_of
from micrec_pyg.runs.folder import run_folder
from micrec_pyg.runs.identity import decisive
from micrec_pyg.schema import InputError

DATA = {"d0": "a" * 64}


CONF = Path(__file__).parents[2] / "conf" / "model"


def test_the_files_have_what_earlier_versions_did() -> None:
    nets = {p.stem: yaml.safe_load(p.read_text())["net"] for p in CONF.glob("*.yaml")}
    # models that came with the setting are no models of an earlier version
    given = {n: net["unseen"] for n, net in nets.items() if "unseen" in added(net)}
    assert [name for name, way in given.items() if way != "zero"] == ["bpr_mf", "neumf"]
    for net in nets.values():
        assert added(net).items() <= net.items()
    others = [name for name, net in nets.items() if added(net) and name not in given]
    assert others == ["item_knn"]


@pytest.mark.parametrize(
    ("model", "name", "before"),
    [
        ("lightgcn", "unseen", "zero"),
        ("neumf", "unseen", "error"),
        ("item_knn", "score", "sum"),
    ],
)
def test_a_run_of_a_version_without_the_setting_is_the_one_with_its_value(
    model: str, name: str, before: str
) -> None:
    now = composed([f"model={model}", "data=synthetic", "device=cpu"])
    old = deepcopy(now)
    assert old["model"]["net"].pop(name) == before
    runs = [experiment_of(settings) for settings in (old, now)]
    assert runs[0].net.keywords[name] == before
    assert run_folder(runs[0], DATA) == run_folder(runs[1], DATA)
    assert decisive(old) == decisive(now)
    assert decisive(now)[f"model.net.{name}"] == before


def test_another_value_is_another_run() -> None:
    common = ["model=lightgcn_neighbors", "data=synthetic", "device=cpu"]
    ways = ("zero", "content", "error")
    runs = [experiment([*common, f"model.net.unseen={way}"]) for way in ways]
    assert len({run_folder(run, DATA) for run in runs}) == len(ways)


def test_a_value_that_no_run_could_use_is_refused() -> None:
    with pytest.raises(InputError, match=r"unseen=none: give one of error, zero, mean"):
        experiment(["model=lightgcn", "model.net.unseen=none"])
    content = ["model=lightgcn", "model.net.unseen=content"]
    with pytest.raises(InputError, match=r"content: the graph has no lists of similar"):
        experiment(content)
    with pytest.raises(InputError, match=r"K above 0"):
        experiment(["model=lightgcn_neighbors", "K=0", content[1]])
    experiment([*content, "model.num_neighbors=5"])


@pytest.fixture
def run(tmp_path: Path):
    """Return a maker of a tested run of LightGCN."""

    def run(split: str, unseen: str) -> Path:
        folder = train_job(
            [
                "data=synthetic",
                f"data.root={tmp_path}/data",
                "data.num_users=60",
                "data.num_items=40",
                "data.with_images=false",
                "features=none",
                f"cache_dir={tmp_path}/knn",
                f"output_dir={tmp_path}/outputs/{split}",
                "device=cpu",
                "fit.max_epochs=1",
                "thumbnails=false",
                "model=lightgcn",
                "model.net.dim=4",
                f"split={split}",
                f"model.net.unseen={unseen}",
            ]
        )
        evaluate_job(folder)
        return folder

    return run


def test_the_report_has_no_number_where_there_is_no_answer(run, tmp_path) -> None:
    for unseen in ("error", "mean"):
        run("new_nodes", unseen)
    table = as_markdown(
        sheets(
            collect(f"{tmp_path}/outputs"),
            metrics=["ndcg@20"],
            groups=["new_user", "old_user_old_item"],
            tuning="none",
            names={},
        )
    )
    rows = [line for line in table.splitlines() if line.startswith("| lightgcn")]
    new = [row.split("|")[2:-2] for row in rows]
    empty = [[cell.strip() == "-" for cell in row] for row in new]
    assert empty == [[True] * 3, *3 * [[False] * 3]]


def test_a_split_without_unseen_nodes_is_told_to_have_no_effect(run, tmp_path) -> None:
    for unseen in ("error", "zero"):
        run("random", unseen)
    said, *_ = remarks(collect(f"{tmp_path}/outputs"), "test")
    assert said.endswith(
        "has no effect: lightgcn model.net.unseen=error, lightgcn model.net.unseen=zero"
    )
