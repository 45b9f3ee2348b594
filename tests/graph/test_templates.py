"""Template selection against loops."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference import graph as reference

from micrec_pyg.graph import templates

EDGES = torch.tensor([[0, 0, 0, 1, 1, 2, 4, 4, 5], [0, 1, 2, 0, 3, 0, 2, 3, 4]])
SIZE = (7, 6)  # user 3, user 6 and item 5 have no edge
edge_sets = st.sets(
    st.tuples(st.integers(0, 6), st.integers(0, 5)), min_size=1, max_size=25
)


def as_tensor(edges):
    return torch.tensor(sorted(edges)).T


def generators(seed=0):
    return tuple(torch.Generator().manual_seed(seed + side) for side in (0, 1))


def choose(metric, ratio, edges=EDGES, seed=0):
    users, items = templates.choose(
        edges, SIZE, ratio=ratio, metric=metric, generators=generators(seed)
    )
    return users.tolist(), items.tolist()


@given(edge_sets)
def test_error_sort_equals_the_loop(edges):
    found = templates.error_sort(as_tensor(edges), SIZE)
    expected = reference.error_sort(sorted(edges), *SIZE)
    for f, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(f.numpy(), e, rtol=1e-12)


@given(edge_sets)
def test_page_rank_solves_its_linear_system(edges):
    found = templates.page_rank(as_tensor(edges), SIZE)
    expected = reference.page_rank(sorted(edges), *SIZE)
    for f, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(f.numpy(), e, rtol=1e-9)


def test_degree_counts_edges():
    users, items = templates.degree(EDGES, SIZE)
    assert users.tolist() == [3, 2, 1, 0, 2, 1, 0]
    assert items.tolist() == [3, 1, 2, 2, 1, 0]


@pytest.mark.parametrize("metric", templates.METRICS)
def test_ratio_one_takes_everybody(metric):
    assert choose(metric, 1.0) == (list(range(7)), list(range(6)))


def test_the_best_are_taken_and_ties_go_to_the_lower_row():
    # By degree: users 0 (3), then 1 and 4 (2 each); items 0 (3), then 2 and 3.
    assert choose("degree", 0.3) == ([0, 1], [0])
    assert choose("degree", 0.5) == ([0, 1, 4], [0, 2, 3])
    # User 0: 1/3 + 1 + 1/2; user 5: 1; user 4: 1/2 + 1/2 = 1; user 1: 1/3 + 1/2.
    assert choose("error_sort", 0.3)[0] == [0, 4]
    assert choose("error_sort", 0.45)[0] == [0, 4, 5]


def test_many_ties_go_to_the_lower_row():
    # Every user has one edge; a sort that is not stable shuffles long ties.
    edges = torch.stack([torch.arange(1000), torch.zeros(1000, dtype=torch.int64)])
    users, _ = templates.choose(
        edges, (1000, 1), ratio=0.1, metric="degree", generators=generators()
    )
    assert users.tolist() == list(range(100))


def test_equal_sums_tie_whatever_their_order():
    # User 0 adds 1 + 1/3 + 1/3 + 1/3, user 4 adds 1/3 + 1/3 + 1/3 + 1.
    edges = [(0, 0), (0, 1), (0, 2), (0, 3), (4, 1), (4, 2), (4, 3), (4, 4)]
    edges += [(u, i) for u, i in zip((1, 2, 3), (1, 2, 3), strict=True)]
    users, _ = templates.choose(
        torch.tensor(edges).T,
        (5, 5),
        ratio=0.2,
        metric="error_sort",
        generators=generators(),
    )
    assert users.tolist() == [0]


def test_at_least_one_template_is_chosen():
    assert choose("degree", 0.01) == ([0], [0])


def test_random_depends_on_the_generator_alone():
    assert choose("random", 0.5, seed=1) == choose("random", 0.5, seed=1)
    assert choose("random", 0.5, edges=EDGES[:, :2]) == choose("random", 0.5)
    drawn = {tuple(choose("random", 0.5, seed=s)[0]) for s in range(0, 40, 2)}
    assert len(drawn) > 5
    assert all(len(users) == 3 for users in drawn)
