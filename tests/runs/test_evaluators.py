"""A run under other evaluators: as by loops, for every model the same question."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
import torch
from reference.one_positive import mean_gains, standing

from micrec_pyg.cli.train import train_job
from micrec_pyg.evaluation.evaluate import domain_scores
from micrec_pyg.graph.build import test_stage
from micrec_pyg.grid import titled_markdown
from micrec_pyg.report.evaluators import (
    CONSTANT_ROW,
    draw_evaluators,
    evaluators_table,
    evaluators_tables,
)
from micrec_pyg.runs import evaluators
from micrec_pyg.runs.evaluate import evaluate_job, finished_run, open_run
from micrec_pyg.runs.evaluators import EVERY, FULL, SAMPLED, measure_evaluators
from micrec_pyg.runs.files import read_json
from micrec_pyg.schema import ITEM, USER, InputError


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return tested runs: one answers everything, one has no answer for new items."""
    root = tmp_path_factory.mktemp("evaluators")
    common = [
        "data=synthetic",
        f"data.root={root}/data",
        "data.num_users=60",
        "data.num_items=40",
        "data.with_images=false",
        "features=none",
        f"cache_dir={root}/knn",
        f"output_dir={root}/outputs",
        "split=new_nodes",
        "device=cpu",
        "fit.max_epochs=1",
        "thumbnails=false",
    ]
    # vectors so short that every product is exactly 0
    flat = ["model=unicdr", "model.net.std=1e-30"]
    settings = {"Popularity": ["model=popularity"], "Flat": flat}
    folders = {name: train_job([*common, *own]) for name, own in settings.items()}
    with pytest.raises(InputError, match="was not tested yet; do it first: micrec ev"):
        measure_evaluators(folders["Flat"], 8)
    for folder in folders.values():
        evaluate_job(folder)
    return folders


@pytest.fixture(scope="module")
def found(runs: dict[str, Path]) -> dict[str, pl.DataFrame]:
    return {name: measure_evaluators(folder, 8) for name, folder in runs.items()}


def test_among_every_item_as_by_loops(
    runs: dict[str, Path], found: dict[str, pl.DataFrame]
) -> None:
    _, inputs, model = open_run(runs["Popularity"])
    stage = test_stage(inputs.train, inputs.domains, inputs.splits, inputs.options)
    with domain_scores(model, stage) as scores:
        tables = {
            domain: score(torch.arange(stage.tasks[domain].data[USER].num_nodes))
            for domain, score in scores
        }
    for domain, table in tables.items():
        split = inputs.splits[domain]
        pairs = inputs.domains[domain].interactions.edges.T.tolist()
        had: dict[int, set[int]] = {}
        for user, item in pairs:
            had.setdefault(user, set()).add(item)
        old = [
            i
            for i in range(stage.tasks[domain].data[ITEM].num_nodes)
            if split.seen_item[i]
        ]
        standings = [
            standing(
                table[user, item].item(),
                [table[user, other].item() for other in old if other not in had[user]],
            )
            for user, item in split.test.T.tolist()
            if item in old
        ]
        own = found["Popularity"].filter(
            domain=domain, group="all", scores="model", candidates=EVERY
        )
        assert own["pairs"][0] == len(standings) > 50
        values = {(r, m): v for r, m, v in own.select("rule", "metric", "value").rows()}
        wanted = mean_gains(standings, 10)
        assert {key: values[key] for key in wanted} == pytest.approx(wanted)
        tied = sum(equal > 0 for _, equal, _ in standings) / len(standings)
        assert values[None, "tied"] == pytest.approx(tied)
        assert 0.1 < tied < 1


def test_every_model_is_asked_the_same(found: dict[str, pl.DataFrame]) -> None:
    one, other = (
        each.filter(scores="constant", metric="hit@10").drop("value")
        for each in found.values()
    )
    assert one.equals(other)
    assert set(one["group"]) == {"all", "new_user"}


def test_equal_scores_are_a_constant_score(found: dict[str, pl.DataFrame]) -> None:
    flat = found["Flat"].filter(pl.col("candidates") != FULL)
    model, constant = (
        flat.filter(scores=name).drop("scores") for name in ("model", "constant")
    )
    assert model.equals(constant)
    own = model.filter(group="all", candidates=SAMPLED)
    values = {
        (r, m): v
        for _, _, r, m, v in own.filter(domain="d0")
        .select("domain", "group", "rule", "metric", "value")
        .rows()
    }
    assert values["for the positive", "hit@10"] == 1
    assert values["for the positive", "mrr"] == 1
    # the last of 9
    assert values["against", "mrr"] == pytest.approx(1 / 9)
    assert values[None, "all tied"] == 1
    assert values[None, "equals"] == values[None, "others"] == 8


def test_the_measurement_counts_once_and_is_kept(
    runs: dict[str, Path], found: dict[str, pl.DataFrame]
) -> None:
    for name, folder in runs.items():
        assert measure_evaluators(folder, 8).equals(found[name])
        metrics = read_json(folder / "metrics.json")
        assert metrics["test_evaluations"] == 2
        full = found[name].filter(candidates=FULL, domain="d0", metric="recall@20")
        assert full["value"][0] == metrics["test"]["d0"]["old_item"]["recall@20"]


def test_two_jobs_at_a_time_measure_once(
    runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = runs["Popularity"]
    kept = (folder / evaluators.FILE).read_bytes()
    before = read_json(folder / "metrics.json")["test_evaluations"]

    @contextmanager
    def after_another(asked: Path) -> Iterator[object]:
        monkeypatch.setattr(evaluators, "finished_run", finished_run)
        measure_evaluators(asked, 5)  # while this one waits for the lock
        with finished_run(asked) as metrics:
            yield metrics

    monkeypatch.setattr(evaluators, "finished_run", after_another)
    assert {*measure_evaluators(folder, 5)["negatives"]} == {5}
    assert read_json(folder / "metrics.json")["test_evaluations"] == before + 1
    (folder / evaluators.FILE).write_bytes(kept)


def test_tables_and_picture(found: dict[str, pl.DataFrame], tmp_path: Path) -> None:
    table = evaluators_table(
        {(name, "s", seed): each for name, each in found.items() for seed in (0, 1)}
    )
    constant = table.filter(label=CONSTANT_ROW, domain="average")
    assert set(constant["seeds"]) == {2}
    tables = evaluators_tables(table, list(found))
    text = titled_markdown(tables)
    assert "## split s, average, hit@10 of one positive" in text
    assert f"| {CONSTANT_ROW} | 1.0000 ± 0.0000 | 1.0000 ± 0.0000 | 1.0000" in text
    # without a model there is no full ranking of lists
    row = next(line for line in text.splitlines() if line.startswith("| A constant"))
    assert row.endswith("| - |")
    first, _ = draw_evaluators(table, list(found), tmp_path / "x.md")
    picture = first.read_text()
    for name in ("Flat", "Popularity", CONSTANT_ROW, "equal scores against"):
        assert f"<!-- {name} -->" in picture
