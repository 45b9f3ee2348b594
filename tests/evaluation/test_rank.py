"""Ranking against a naive loop, with ties, masks, pads and odd block sizes."""

import logging
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import metrics as reference
from torch import Tensor

from micrec_pyg.evaluation.block_size import (
    CPU_SCORES_AT_ONCE,
    CUDA_BYTES,
    threads_at_once,
    users_at_once,
)
from micrec_pyg.evaluation.rank import (
    CHUNK,
    _largest,
    first_items,
    rank,
    rank_groups,
)
from micrec_pyg.nn.inner_products import InnerProducts
from micrec_pyg.schema import InputError, RankedLists, Score

NOTHING = torch.zeros(2, 0, dtype=torch.long)


@pytest.fixture
def several_threads() -> Iterator[int]:
    """Give torch more threads than tests have."""
    torch.set_num_threads(3)
    yield 3
    torch.set_num_threads(1)


def _score(table: Tensor) -> Score:
    """Return a function that looks scores up."""
    return lambda user: table[user]


def _integers(users: int, items: int, levels: int, seed: int = 0) -> Tensor:
    """Return scores with many ties."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(levels, (users, items), generator=generator).float()


def _pairs(users: int, items: int, count: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    keys = torch.randperm(users * items, generator=generator)[:count]
    return torch.stack([keys // items, keys % items])


def _expected(
    table: Tensor, users: Tensor, known: Tensor, k: int, candidates: Tensor | None
) -> np.ndarray:
    allowed = None if candidates is None else set(candidates.nonzero()[:, 0].tolist())
    rows = []
    for user in users.tolist():
        seen = set(known[1][known[0] == user].tolist())
        row = reference.ranked(table[user].numpy(), seen, k, allowed, user=user)
        rows.append(row + [-1] * (k - len(row)))
    return np.array(rows).reshape(len(rows), k)


def _check(lists: RankedLists, table: Tensor, users: Tensor, expected: np.ndarray):
    assert (lists.user == users).all()
    np.testing.assert_array_equal(lists.item.numpy(), expected)
    padded = torch.cat([table, torch.full((len(table), 1), -torch.inf)], dim=1)
    torch.testing.assert_close(
        lists.score, padded[users].gather(1, lists.item % padded.shape[1])
    )


@pytest.mark.parametrize("items", [9, 30, 40 * CHUNK, 40 * CHUNK + 17])
@pytest.mark.parametrize("levels", [1, 3, 50, 10**6])
@pytest.mark.parametrize("masked", [False, True])
def test_equals_a_naive_loop(items: int, levels: int, masked: bool) -> None:
    table = _integers(12, items, levels)
    known = _pairs(12, items, 12 * items // 4)
    users = torch.tensor([3, 0, 11, 7, 8])
    candidates = torch.arange(items) % 3 != 0 if masked else None
    lists = rank(
        _score(table),
        users=users,
        n_id=users,
        known=known,
        k=7,
        candidates=candidates,
        batch_size=2,
    )
    _check(lists, table, users, _expected(table, users, known, 7, candidates))


@settings(max_examples=60, deadline=None)
@given(
    users=st.integers(1, 6),
    items=st.integers(1, 24),
    levels=st.integers(1, 5),
    k=st.integers(1, 30),
    batch_size=st.integers(1, 7),
    share=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_any_shape(users, items, levels, k, batch_size, share, seed) -> None:
    table = _integers(users, items, levels, seed)
    known = _pairs(users, items, int(share * users * items), seed)
    candidates = torch.arange(items) % 2 == seed % 2
    rows = torch.arange(users)
    lists = rank_groups(
        _score(table),
        users=rows,
        n_id=rows,
        known=known,
        k=k,
        candidates={"all": None, "half": candidates},
        batch_size=batch_size,
    )
    _check(lists["all"], table, rows, _expected(table, rows, known, k, None))
    _check(lists["half"], table, rows, _expected(table, rows, known, k, candidates))


def test_users_of_one_block_with_and_without_equal_scores() -> None:
    table = torch.cat([_integers(6, 30, levels) for levels in (10**6, 3)])
    users = torch.tensor([0, 6, 1, 7, 2, 3, 8, 9])
    lists = rank(
        _score(table),
        users=users,
        n_id=users,
        known=NOTHING,
        k=7,
        candidates=None,
        batch_size=8,
    )
    _check(lists, table, users, _expected(table, users, NOTHING, 7, None))


def test_two_stages_when_the_best_share_one_chunk_or_sit_in_the_tail() -> None:
    items = 40 * CHUNK + 5
    table = torch.zeros(2, items)
    table[0, CHUNK : CHUNK + 6] = torch.arange(1.0, 7.0)
    table[1, -5:] = torch.tensor([3.0, 1.0, 5.0, 2.0, 4.0])
    lists = rank(
        _score(table),
        users=torch.arange(2),
        n_id=torch.arange(2),
        known=torch.zeros(2, 0, dtype=torch.long),
        k=7,
        candidates=None,
        batch_size=8,
    )
    top = [*range(CHUNK + 5, CHUNK - 1, -1), 0]
    assert lists.item[0].tolist() == top
    tail = [items - 5 + place for place in (2, 4, 0, 3, 1)]
    second = int(first_items(torch.tensor([1]), items))
    assert lists.item[1].tolist() == [*tail, second, second + 1]


def test_every_item_begins_the_order_of_as_many_users() -> None:
    begun = first_items(torch.arange(1000), 50).bincount(minlength=50)
    assert begun.sum() == 1000
    assert (begun.min(), begun.max()) == (19, 21)


def test_a_constant_scorer_hits_as_often_as_chance() -> None:
    """With one order for all users the mean recall would be 0 or 1 in this case."""
    users = torch.arange(2000)
    others = torch.randint(7, (2000,), generator=torch.Generator().manual_seed(0))
    lists = rank(
        _score(torch.ones(2000, 25)),
        users=users,
        n_id=users,
        known=torch.stack([users, 2 * others]),
        k=6,
        candidates=torch.arange(25) < 13,
        batch_size=64,
    )
    assert float((lists.item == 7).any(1).double().mean()) == pytest.approx(
        0.5, abs=0.02
    )


@pytest.mark.parametrize("levels", [2, 10**6])
def test_batch_size_and_order_of_users_change_nothing(levels: int) -> None:
    table = _integers(33, 30 * CHUNK, levels)
    known = _pairs(33, 30 * CHUNK, 5000)
    order = torch.randperm(33, generator=torch.Generator().manual_seed(3))

    def ranked(users: Tensor, batch_size: int) -> Tensor:
        return rank(
            _score(table),
            users=users,
            n_id=users,
            known=known,
            k=5,
            candidates=None,
            batch_size=batch_size,
        ).item

    whole = ranked(torch.arange(33), 100)
    for batch_size in (1, 7, 33):
        assert torch.equal(ranked(order, batch_size), whole[order])


@pytest.mark.parametrize("levels", [2, 10**6])
def test_threads_change_nothing(levels: int, several_threads: int) -> None:
    table = _integers(50, 30 * CHUNK, levels)
    known = _pairs(50, 30 * CHUNK, 5000)
    candidates = torch.arange(30 * CHUNK) % 3 > 0
    users = torch.randperm(50, generator=torch.Generator().manual_seed(3))
    threads = set()

    def score(rows: Tensor) -> Tensor:
        threads.add(threading.get_ident())
        time.sleep(0.01)  # so that no thread takes all blocks
        return table[rows]

    found = rank_groups(
        score,
        users=users,
        n_id=users,
        known=known,
        k=5,
        candidates={"some": candidates, "all": None},
        batch_size=3,
    )
    assert len(threads - {threading.get_ident()}) == several_threads
    for name, mask in (("some", candidates), ("all", None)):
        _check(found[name], table, users, _expected(table, users, known, 5, mask))


def test_buffers_of_threads_are_their_own(several_threads: int) -> None:
    user = _integers(200, 16, 5)
    item = _integers(300, 16, 5, seed=1)
    users = torch.arange(200)
    lists = rank(
        InnerProducts(user, item),
        users=users,
        n_id=users,
        known=NOTHING,
        k=7,
        candidates=None,
        batch_size=2,
    )
    table = user @ item.T
    _check(lists, table, users, _expected(table, users, NOTHING, 7, None))


def test_known_pairs_are_never_ranked() -> None:
    known = _pairs(20, 50, 600)
    lists = rank(
        _score(_integers(20, 50, 4)),
        users=torch.arange(20),
        n_id=torch.arange(20),
        known=known,
        k=50,
        candidates=None,
        batch_size=6,
    )
    listed = {
        (user, item)
        for user, row in enumerate(lists.item.tolist())
        for item in row
        if item >= 0
    }
    expected = {(u, i) for u in range(20) for i in range(50)}
    assert listed == expected - set(zip(*known.tolist(), strict=True))


def test_a_user_who_knows_everything_gets_pads_only() -> None:
    known = torch.stack([torch.zeros(4, dtype=torch.long), torch.arange(4)])
    lists = rank(
        _score(torch.ones(1, 4)),
        users=torch.arange(1),
        n_id=torch.arange(1),
        known=known,
        k=3,
        candidates=None,
        batch_size=1,
    )
    assert lists.item.tolist() == [[-1, -1, -1]]


def test_no_users() -> None:
    lists = rank(
        _score(torch.ones(3, 4)),
        users=torch.zeros(0, dtype=torch.long),
        n_id=torch.zeros(0, dtype=torch.long),
        known=torch.zeros(2, 0, dtype=torch.long),
        k=3,
        candidates=None,
        batch_size=2,
    )
    assert lists.item.shape == (0, 3)


def test_masking_leaves_the_memory_of_the_model_alone() -> None:
    """One user in the last block makes the expanded view contiguous."""
    popularity = torch.tensor([3.0, 2.0, 1.0])
    known = torch.tensor([[0, 1, 2], [0, 0, 0]])
    lists = rank(
        lambda user: popularity.expand(len(user), -1),
        users=torch.arange(3),
        n_id=torch.arange(3),
        known=known,
        k=2,
        candidates=None,
        batch_size=2,
    )
    assert lists.item.tolist() == [[1, 2]] * 3
    assert popularity.tolist() == [3.0, 2.0, 1.0]


def _three_best(table: Tensor, known: Tensor) -> RankedLists:
    return rank(
        _score(table),
        users=torch.arange(len(table)),
        n_id=torch.arange(len(table)),
        known=known,
        k=3,
        candidates=None,
        batch_size=3,
    )


def test_a_constant_scorer_is_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        _three_best(torch.ones(4, 9), NOTHING)
    assert "ties at the cut decide the lists of 4 of 4 users (100 %" in caplog.text


@pytest.mark.parametrize("tied", [2, 3])
def test_lists_that_ties_decide_are_counted(
    tied: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A tie above or below the cut decides nothing; half of the users is no alarm."""
    table = torch.tensor([0.0, 0, 2, 3, 3]).repeat(4, 1)
    table[:tied, 1] = 2
    _three_best(table, NOTHING)
    assert ("lists of 3 of 4 users (75 %" in caplog.text) == (tied == 3)
    assert (caplog.text == "") == (tied == 2)


def test_distinct_scores_warn_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    _three_best(torch.arange(9.0).repeat(4, 1), NOTHING)
    assert caplog.text == ""


def test_a_list_of_all_that_is_left_has_no_cut(
    caplog: pytest.LogCaptureFixture,
) -> None:
    known = torch.stack([torch.arange(4), torch.zeros(4, dtype=torch.long)])
    _three_best(torch.ones(4, 4), known)
    assert caplog.text == ""


def test_nan_in_a_thread_is_refused(several_threads: int) -> None:
    table = torch.ones(9, 4)
    table[7, 2] = torch.nan
    with pytest.raises(ValueError, match="1 of 4 scores of a block are NaN"):
        rank(
            _score(table),
            users=torch.arange(9),
            n_id=torch.arange(9),
            known=NOTHING,
            k=2,
            candidates=None,
            batch_size=1,
        )


@pytest.mark.parametrize("items", [9, 40 * CHUNK])
@pytest.mark.parametrize("count", [1, 3])
def test_nan_is_refused_and_counted(items: int, count: int) -> None:
    table = torch.arange(4.0 * items).view(4, items)
    table[3, :count] = torch.nan
    with pytest.raises(ValueError, match=rf"{count} of {4 * items} scores"):
        rank(
            _score(table),
            users=torch.arange(4),
            n_id=torch.arange(4),
            known=torch.zeros(2, 0, dtype=torch.long),
            k=2,
            candidates=None,
            batch_size=4,
        )


@pytest.mark.parametrize(("k", "batch_size", "named"), [(0, 1, "k=0"), (1, 0, "batch")])
def test_impossible_numbers_are_refused(k: int, batch_size: int, named: str) -> None:
    with pytest.raises(InputError, match=named):
        rank(
            _score(torch.ones(1, 4)),
            users=torch.arange(1),
            n_id=torch.arange(1),
            known=torch.zeros(2, 0, dtype=torch.long),
            k=k,
            candidates=None,
            batch_size=batch_size,
        )


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("items", [40 * CHUNK, 40 * CHUNK + 17])
def test_the_largest_of_chunks_are_those_of_the_row(items: int, apart: bool) -> None:
    table = _integers(12, items, 10**6)
    value, column = _largest(table, 5, apart=apart)
    expected = np.sort(table.numpy(), axis=1)[:, ::-1][:, :5]
    np.testing.assert_array_equal(value.numpy(), expected)
    assert torch.equal(table.gather(1, column), value)
    assert all(len(set(row)) == 5 for row in column.tolist())


def test_the_size_of_a_block_follows_device_and_catalogue() -> None:
    assert users_at_once(7, 10**9, "cuda") == 7
    assert users_at_once("auto", 27_637, "cpu") == 256
    assert users_at_once("auto", 1_682, "cpu") == 2**21 // 1_682
    assert users_at_once("auto", 27_637, "cuda:1") == 8192
    assert users_at_once("auto", 8_000_000, "cuda") == CUDA_BYTES // 64_000_000
    assert users_at_once("auto", 10**12, "cuda") == 1
    assert users_at_once("auto", 0, "cpu") == 2**21


def test_threads_are_those_of_torch_where_blocks_and_memory_allow(
    several_threads: int,
) -> None:
    assert threads_at_once(10**6, 128, 27_637, "cpu") == 3
    assert threads_at_once(256, 128, 27_637, "cpu") == 2
    assert threads_at_once(0, 128, 27_637, "cpu") == 1
    assert threads_at_once(10**6, 128, 27_637, "cuda") == 1
    assert threads_at_once(10**6, 128, CPU_SCORES_AT_ONCE // 256, "cpu") == 2
    assert threads_at_once(10**6, 128, CPU_SCORES_AT_ONCE, "cpu") == 1
    assert threads_at_once(10**6, 128, 0, "cpu") == 3


@pytest.mark.gpu
@pytest.mark.parametrize("levels", [3, 10**6])
def test_another_device_ranks_the_same(levels: int) -> None:
    table = _integers(33, 40 * CHUNK + 17, levels)
    score = _score(table.cuda())
    users, known = torch.arange(33), _pairs(33, table.shape[1], 5000)
    lists = rank(
        score,
        users=users.cuda(),
        n_id=users.cuda(),
        known=known,
        k=20,
        candidates=None,
        batch_size=8,
    )
    assert lists.item.is_cuda
    expected = _expected(table, users, known, 20, None)
    np.testing.assert_array_equal(lists.item.cpu().numpy(), expected)
