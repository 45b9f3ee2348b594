"""New nodes with few of their support edges: nested, exact, and nothing else moves."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
import torch

from micrec_pyg.cli.train import train_job
from micrec_pyg.grid import titled_markdown
from micrec_pyg.report.support import least_edges, support_table, support_tables
from micrec_pyg.runs import support
from micrec_pyg.runs.evaluate import evaluate_job, finished_run
from micrec_pyg.runs.files import read_json
from micrec_pyg.runs.support import judged_nodes, measure_support, thinned
from micrec_pyg.schema import EdgeSplit, InputError, Interactions, Vocab, no_edges

SUPPORT = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 3), (2, 3), (3, 1), (3, 2), (3, 3)]
"""User 2 and item 0 are seen, all others are new."""


@pytest.fixture
def data() -> Interactions:
    user, item = torch.tensor(SUPPORT).T
    names = (pl.Series([f"{kind}{n}" for n in range(4)]) for kind in "ui")
    return Interactions(user, item, *map(Vocab, names))


@pytest.fixture
def split() -> EdgeSplit:
    seen_user, seen_item = torch.arange(4) == 2, torch.arange(4) == 0
    edges = torch.tensor(SUPPORT).T
    return EdgeSplit(no_edges(), edges, no_edges(), no_edges(), seen_user, seen_item)


def _pairs(edges: torch.Tensor) -> set[tuple[int, int]]:
    return set(zip(*edges.tolist(), strict=True))


@pytest.mark.parametrize("side", ["user", "item"])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_new_node_keeps_so_many_edges_and_those_of_less(
    data: Interactions, split: EdgeSplit, side: str, seed: int
) -> None:
    at = ("user", "item").index(side)
    seen = {"user": 2, "item": 0}[side]
    before: set[tuple[int, int]] = set()
    for count in range(4):
        found = thinned(data, split, side, count, seed=seed)
        kept, left = _pairs(found.support), _pairs(found.silent)
        assert kept | left == {*SUPPORT}
        assert not kept & left
        assert before <= kept
        for node in range(4):
            every = [pair for pair in SUPPORT if pair[at] == node]
            own = [pair for pair in kept if pair[at] == node]
            wanted = len(every) if node == seen else min(count, len(every))
            assert len(own) == wanted
        before = kept


def test_the_order_follows_from_seed_and_raw_ids_not_from_the_rows(
    data: Interactions, split: EdgeSplit
) -> None:
    turned = EdgeSplit(
        no_edges(),
        split.support.flip(1),
        no_edges(),
        no_edges(),
        split.seen_user,
        split.seen_item,
    )
    one, other = (thinned(data, s, "user", 1, seed=0) for s in (split, turned))
    assert _pairs(one.support) == _pairs(other.support)
    kept = {
        frozenset(_pairs(thinned(data, split, "user", 1, seed=s).support))
        for s in range(9)
    }
    assert len(kept) > 1


def test_nodes_are_judged_that_are_new_and_have_enough(split: EdgeSplit) -> None:
    assert judged_nodes(split, "user", 3).tolist() == [True, False, False, True]
    assert judged_nodes(split, "item", 2).tolist() == [False, True, True, True]


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    root = tmp_path_factory.mktemp("support")
    return [
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
        "rank.ks=[20]",
        "fit.max_epochs=2",
    ]


@pytest.mark.parametrize("model", ["popularity", "lightgcn"])
def test_the_same_pairs_for_every_number_of_edges(
    common: list[str], model: str
) -> None:
    folder = train_job([*common, f"model={model}"])
    evaluate_job(folder)
    table = measure_support(folder, [0, 1, 4]).filter(metric="ndcg@20")
    sizes = table.group_by("side", "domain").agg(pl.col("nodes", "users").n_unique())
    assert sizes.select("nodes", "users").unique().rows() == [(1, 1)]
    own = table.filter(side="user", domain="d0")
    assert own["edges"].to_list() == [0, 1, 4]
    assert own["value"].n_unique() == 3
    assert read_json(folder / "metrics.json")["test_evaluations"] == 2
    # asked for again, it is read and not measured
    assert measure_support(folder, [1, 4]).filter(metric="ndcg@20").height == 8
    assert read_json(folder / "metrics.json")["test_evaluations"] == 2
    # so it is with the file of an earlier version
    new = folder / "support_edges_4.parquet"
    new.rename(folder / "support_edges.parquet")
    assert measure_support(folder, [0, 1, 4]).filter(metric="ndcg@20").equals(table)
    assert read_json(folder / "metrics.json")["test_evaluations"] == 2
    # one number more is measured with the others, on the same nodes
    more = measure_support(folder, [2, 4]).filter(metric="ndcg@20")
    assert {*more["edges"]} == {2, 4}
    assert measure_support(folder, [0, 1, 4]).filter(metric="ndcg@20").equals(table)
    assert read_json(folder / "metrics.json")["test_evaluations"] == 3


def test_a_smaller_largest_number_judges_more_nodes(common: list[str]) -> None:
    folder = train_job([*common, "model=popularity", "seed=1"])
    many, few = (measure_support(folder, counts) for counts in ([0, 1, 8], [0, 1]))
    assert few["nodes"].sum() > many.filter(pl.col("edges") < 8)["nodes"].sum()
    assert measure_support(folder, [0, 1, 8]).equals(many)
    assert measure_support(folder, [0, 1]).equals(few)
    assert read_json(folder / "metrics.json")["test_evaluations"] == 2


def test_two_jobs_at_a_time_measure_once(
    common: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = train_job([*common, "model=popularity", "seed=2"])

    @contextmanager
    def after_another(asked: Path) -> Iterator[object]:
        monkeypatch.setattr(support, "finished_run", finished_run)
        measure_support(asked, [0, 1])  # while this one waits for the lock
        with finished_run(asked) as metrics:
            yield metrics

    monkeypatch.setattr(support, "finished_run", after_another)
    assert {*measure_support(folder, [0, 1])["edges"]} == {0, 1}
    assert read_json(folder / "metrics.json")["test_evaluations"] == 1


def test_too_many_edges_are_refused(common: list[str]) -> None:
    folder = train_job([*common, "model=popularity"])
    with pytest.raises(InputError, match="no new user or item has 999 support edges"):
        measure_support(folder, [0, 999])


def _frame(values: list[float], nodes: int = 5) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "side": "user",
            "domain": "A",
            "edges": [0, 1, 2],
            "group": "new_user",
            "nodes": nodes,
            "users": nodes,
            "metric": "ndcg@20",
            "value": values,
        }
    )


def test_from_how_many_edges_on_a_model_is_ahead() -> None:
    runs = {
        ("ours", "s", 0): _frame([0.5, 0.1, 0.4]),
        ("ours", "s", 1): _frame([0.5, 0.2, 0.6]),
        ("Popularity", "s", 0): _frame([0.2, 0.2, 0.2]),
        ("late", "s", 0): _frame([0.2, 0.2, 0.2]),
    }
    table = support_table(runs)
    own = table.filter(domain="A")
    # ahead at 0, but not at 1: only from 2 on for good
    assert least_edges(own, "ours", "Popularity") == 2
    assert least_edges(own, "late", "Popularity") is None
    row = own.filter(label="ours", edges=2).row(0, named=True)
    assert row["mean"] == pytest.approx(0.5)
    assert row["sd"] == pytest.approx(0.02**0.5)
    tables = support_tables(table, ["ours", "late"], ["Popularity"], "ndcg@20")
    text = titled_markdown(tables)
    assert "| ours | 0.5000 ± 0.0000 | 0.1500 ± 0.0707 | 0.5000 ± 0.1414 | 2 |" in text
    assert "| late | 0.2000 | 0.2000 | 0.2000 | - |" in text


def test_runs_of_unlike_judged_nodes_have_no_mean() -> None:
    runs = {
        ("ours", "s", 0): _frame([0.5, 0.1, 0.4]),
        ("ours", "s", 1): _frame([0.5, 0.2, 0.6]).filter(pl.col("edges") < 2),
    }
    with pytest.raises(InputError, match="are judged: ours s 0: 2, ours s 1: 1; meas"):
        support_table(runs)


def test_an_average_is_over_the_domains_of_every_run() -> None:
    def frame(**values: float) -> pl.DataFrame:
        rows = [
            {"side": "user", "domain": d, "metric": "ndcg@20", "edges": 0, "nodes": 9}
            | {"value": value}
            for d, value in values.items()
        ]
        return pl.DataFrame(rows)

    runs = {
        ("ours", "new_nodes", 0): frame(A=0.1, B=0.5),
        ("ours", "new_nodes", 1): frame(A=0.1),
        ("ours", "random", 0): frame(A=0.1, B=0.5),
    }
    table = support_table(runs).filter(domain="average")
    found = {row["split"]: (row["mean"], row["sd"]) for row in table.to_dicts()}
    assert found["new_nodes"] == pytest.approx((0.1, 0.0))
    assert found["random"][0] == pytest.approx(0.3)
