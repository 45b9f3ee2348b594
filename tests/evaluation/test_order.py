"""An evaluation depends on neither batch size nor the order of rows and pairs."""

from dataclasses import replace

import polars as pl
import pytest
import torch
from reference import ranking
from reference.ranking import ITEMS, USERS, Fake
from torch import Tensor

from micrec_pyg.evaluation.evaluate import Report, evaluate, summary
from micrec_pyg.schema import INTERACTS, USER, TestStage


def _evaluate(stage: TestStage, batch_size: int = 5) -> Report:
    return evaluate(Fake(), stage, ks=[2, 4], batch_size=batch_size, groups=True)


def _order(count: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_batch_size_changes_no_bit(batch_size: int) -> None:
    one, other = (_evaluate(ranking.stage(), size) for size in (5, batch_size))
    for domain, frame in one.per_user.items():
        assert frame.equals(other.per_user[domain])
    assert one.per_group == other.per_group


def test_the_order_of_pairs_changes_no_bit() -> None:
    stage = ranking.stage()

    def mixed(pairs: Tensor) -> Tensor:
        return pairs[:, _order(pairs.shape[1])]

    one = _evaluate(stage)
    other = _evaluate(
        ranking.changed(
            stage,
            lambda _, task: {"known": mixed(task.known), "hidden": mixed(task.hidden)},
        )
    )
    for domain, frame in one.per_user.items():
        assert frame.equals(other.per_user[domain])
    assert one.per_group == other.per_group


def _other_rows(stage: TestStage, order: Tensor) -> TestStage:
    """Return the same task with the users of every domain in another order."""
    place = order.argsort()

    def moved(pairs: Tensor) -> Tensor:
        return torch.stack([place[pairs[0]], pairs[1]])

    for data in stage.graphs.values():
        data[USER].n_id = data[USER].n_id[order]
        data[USER].train_row = data[USER].train_row[order]
        dense = data[INTERACTS].adj_t.to_dense()[:, order]
        data[INTERACTS].adj_t = dense.to_sparse_csr()
    moved_stage = ranking.changed(
        stage,
        lambda _, task: {"known": moved(task.known), "hidden": moved(task.hidden)},
    )
    overlap = {pair: place[rows] for pair, rows in stage.overlap.items()}
    return replace(moved_stage, overlap=overlap)


def test_the_order_of_users_changes_nothing() -> None:
    order = _order(USERS)
    one = _evaluate(ranking.stage())
    other = _evaluate(_other_rows(ranking.stage(), order))
    for domain, frame in one.per_user.items():
        back = other.per_user[domain].with_columns(
            pl.col("user_row").replace_strict(dict(enumerate(order.tolist())))
        )
        keys = ["group", "user_row"]
        assert frame.sort(keys).equals(back.sort(keys))
    means, others = summary(one), summary(other)
    for domain, groups in means.items():
        assert list(groups) == list(others[domain])
        for name, values in groups.items():
            assert values == pytest.approx(others[domain][name], abs=1e-12)


def test_the_fixture_has_ties_at_the_cut() -> None:
    scores = ranking.all_scores().sort(dim=1, descending=True).values
    assert (scores[:, 3] == scores[:, 4]).sum() > USERS // 2 > 0
    assert scores.shape == (USERS, ITEMS)
