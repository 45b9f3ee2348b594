"""The closed form against the inverse of the item x item matrix."""

import numpy as np
import pytest
import torch
from reference import closed_forms
from torch.testing import assert_close

from micrec_pyg.nn.closed_form import (
    ItemSide,
    ItemWeights,
    Iterations,
    PeopleSide,
    solver_of,
)
from micrec_pyg.nn.design_matrix import DesignMatrix
from micrec_pyg.schema import InputError

RIDGE = 3.0


def draw(num_people=9, num_items=14, width=3, seed=0):
    """Return Y, also as a dense array, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    taken = torch.rand(num_people, num_items, generator=generator) < 0.4
    pairs = taken.nonzero().T
    weight = torch.rand(pairs.shape[1], generator=generator) + 0.5
    content = torch.randn(num_items, width, generator=generator)
    rows = DesignMatrix.of(pairs, weight, num_people, content)
    dense = torch.cat([rows.taken.to_dense(), content.T]).double().numpy()
    return rows, dense


def naive(dense):
    """Return K^-1 and h by their definitions."""
    gram = dense @ dense.T / RIDGE + np.eye(len(dense))
    inverse = np.linalg.inv(gram)
    h = [y @ inverse @ y / RIDGE for y in dense.T]
    return torch.from_numpy(inverse).float(), torch.tensor(h).float()


@pytest.mark.parametrize("kind", [PeopleSide, ItemSide, Iterations])
def test_solvers_agree_with_the_inverse(kind):
    rows, dense = draw()
    inverse, h = naive(dense)
    solver = kind(rows, RIDGE)
    close = {"rtol": 1e-3, "atol": 1e-3} if kind is Iterations else {}
    t = torch.randn(len(dense), 5, generator=torch.Generator().manual_seed(3))
    own = torch.tensor([4, 0])
    gram = torch.from_numpy(dense @ dense.T).float()
    y = torch.from_numpy(dense).float()
    own_t = y @ y[own].T
    for given, found, expected in (
        (t, solver.solve(t), inverse @ t),
        (own_t, solver.solve_own(own, y[own].T), inverse @ gram[:, own]),
    ):
        assert_close(found, y.T @ expected, **close)
        assert_close(solver.unfold(given, found), expected, **close)
    if kind is not Iterations:
        assert_close(solver.rest(), 1 - h)


@pytest.mark.parametrize("width", [0, 3])
def test_iterations_with_and_without_content(width, monkeypatch):
    monkeypatch.setattr("micrec_pyg.nn.closed_form.TOLERANCE", 1e-6)
    rows, dense = draw(width=width)
    x = torch.randn(14, 5, generator=torch.Generator().manual_seed(3))
    expected = RIDGE * np.linalg.inv(dense.T @ dense + RIDGE * np.eye(14))
    found = Iterations(rows, RIDGE).shrink(x)
    assert_close(found, torch.from_numpy(expected).float() @ x)


def test_conjugate_gradients_do_not_divide_by_zero():
    rows, _ = draw()
    t = torch.zeros(len(rows), 2)
    t[3, 1] = 1.0
    found = Iterations(rows, RIDGE).solve(t)
    assert not found[:, 0].any()
    assert bool(found.isfinite().all())


@pytest.mark.parametrize("ridge", [0.1, 3.0, 300.0])
@pytest.mark.parametrize("width", [0, 3])
def test_h_by_iterations_is_h(ridge, width, monkeypatch):
    monkeypatch.setattr("micrec_pyg.nn.closed_form.UNITS", 17)  # several blocks
    rows, dense = draw(num_people=40, num_items=60, width=width)
    rest = ridge * np.linalg.inv(dense.T @ dense + ridge * np.eye(60)).diagonal()
    found = Iterations(rows, ridge).rest()
    assert_close(found, torch.tensor(rest).float(), rtol=1e-3, atol=2e-6)
    assert bool((found <= 1).all())


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize(("ridge", "checked"), [(0.1, 57), (3.0, 60)])
def test_scores_by_iterations_with_a_small_ridge(ridge, checked, edges):
    rows, _ = draw(num_people=40, num_items=60)
    fitted = torch.arange(60) < 57
    x = (torch.rand(60, 5, generator=torch.Generator().manual_seed(3)) < 0.2).float()
    if not edges:  # all that was taken is fitted
        x[57:] = 0
    exact, found = (
        ItemWeights(rows, fitted, ridge=ridge, max_dense=size).scores(x)[:checked]
        for size in (99, 1)
    )
    assert_close(found, exact, rtol=1e-2, atol=1e-2)


def test_a_tolerance_that_is_not_reached_is_told_once(monkeypatch, caplog):
    rows, _ = draw(num_people=40, num_items=60)
    Iterations(rows, RIDGE).rest()
    assert not caplog.messages
    monkeypatch.setattr("micrec_pyg.nn.conjugate_gradients.MOST", 2)
    solver = Iterations(rows, RIDGE)
    solver.rest()
    solver.shrink(torch.eye(60))
    (told,) = caplog.messages
    assert "ridge=3: after 2 products" in told
    assert "larger ridge" in told


@pytest.mark.parametrize(
    ("sizes", "max_dense", "kind"),
    [
        ((9, 14), 12, PeopleSide),  # 9 people and 3 axes are 12 rows
        ((9, 14), 11, Iterations),
        ((20, 14), 14, ItemSide),
        ((20, 14), 13, Iterations),
    ],
)
def test_the_smaller_side_is_inverted_if_it_fits(sizes, max_dense, kind):
    rows, _ = draw(*sizes)
    assert type(solver_of(rows, ridge=RIDGE, max_dense=max_dense)) is kind


@pytest.mark.parametrize("size", [(9, 14), (30, 14)])
@pytest.mark.parametrize("block", [1024, 4])
def test_scores_are_those_of_the_written_out_weights(size, block, monkeypatch):
    monkeypatch.setattr("micrec_pyg.nn.design_matrix.BLOCK", block)
    rows, dense = draw(*size)
    every = torch.ones(14, dtype=torch.bool)
    weights = ItemWeights(rows, every, ridge=RIDGE, max_dense=99)
    expected = torch.from_numpy(closed_forms.ease(dense, RIDGE)).float()
    x = torch.randn(14, 4, generator=torch.Generator().manual_seed(4))
    assert_close(weights.scores(x), expected.T @ x)
    person = torch.tensor([8, 2])
    x = rows.taken.to_dense()[person].T
    assert_close(weights.scores_of_fitted(person, x), expected.T @ x)


def with_two_new_items(*, edges):
    """Return weights of 14 items, the last two not fitted, and a dense Y.

    The two have content, and edges to the nine people if asked for.
    """
    rows, _ = draw()
    taken = rows.taken.to_dense()
    if not edges:
        taken[:, 12:] = 0
    pairs = taken.nonzero().T
    rows = DesignMatrix.of(pairs, taken[tuple(pairs)], 9, rows.content)
    fitted = torch.arange(14) < 12
    weights = ItemWeights(rows, fitted, ridge=RIDGE, max_dense=99)
    return weights, torch.cat([taken, rows.content.T]).double().numpy()


@pytest.mark.parametrize("edges", [False, True])
def test_a_new_item_has_the_column_of_a_fit_with_it_alone(edges):
    weights, dense = with_two_new_items(edges=edges)
    found = weights.scores(torch.eye(14)[:, :12])
    old = closed_forms.ease(dense[:, :12], RIDGE)
    assert_close(found[:12], torch.from_numpy(old.T).float())
    for new in (12, 13):
        together = closed_forms.ease(dense[:, [*range(12), new]], RIDGE)
        assert_close(found[new], torch.from_numpy(together[:12, 12]).float())


@pytest.mark.parametrize("edges", [False, True])
def test_a_new_item_that_was_taken_speaks_through_its_column(edges):
    weights, dense = with_two_new_items(edges=edges)
    inverse, h = naive(dense[:, :12])
    found = weights.scores(torch.eye(14)[:, 13:])
    y = torch.from_numpy(dense).float()
    expected = y[:, :12].T @ inverse @ y[:, 13:] / RIDGE / (1 - h).view(-1, 1)
    assert_close(found[:12], expected)


def test_only_some_columns_are_kept():
    rows, dense = draw()
    kept = torch.arange(14) % 3 > 0
    found = rows.only(kept)
    expected = torch.from_numpy(dense).float() * kept
    assert_close(torch.cat([found.taken.to_dense(), found.content.T]), expected)
    assert torch.equal(found.takers.to_dense(), found.taken.to_dense().T)
    assert rows.only(kept | True).taken is rows.taken


@pytest.mark.parametrize("side", [PeopleSide, ItemSide])
def test_a_matrix_without_inverse_is_refused_with_what_to_change(side):
    rows, _ = draw()
    beyond = DesignMatrix(**{**vars(rows), "content": rows.content * float("inf")})
    with pytest.raises(InputError, match=r"ridge=3: .* give a larger ridge"):
        side(beyond, RIDGE)
