"""Whitening against the eigenvectors of the covariance, one by one."""

import numpy as np
import torch
from reference import closed_forms
from torch.testing import assert_close

from micrec_pyg.nn.whitening import fit_whitening, whiten


def draw(rows, seed, scale=(3.0, 1.0, 0.5, 0.1, 2.0)):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 5, generator=generator) * torch.tensor(scale) + 4


def test_rows_agree_with_the_definition():
    food, books = draw(7, 0), draw(4, 1)
    mean, axes = fit_whitening({"food": food, "books": books}, dim=3, floor=0.1)
    assert (mean.shape, axes.shape) == ((5,), (5, 3))
    every = torch.cat([books, food])
    dense = every.double().numpy()
    maps = closed_forms.whitening(dense, 3, 0.1)
    rows = torch.tensor(np.array([closed_forms.whiten(x, *maps) for x in dense]))
    expected = rows.float()
    found = whiten(every, mean, axes)
    assert_close(found @ found.T, expected @ expected.T)  # axes have no sign


def test_the_order_of_domains_is_irrelevant():
    food, books = draw(7, 0), draw(4, 1)
    one = fit_whitening({"food": food, "books": books}, dim=5, floor=0.1)
    other = fit_whitening({"books": books, "food": food}, dim=5, floor=0.1)
    assert torch.equal(one[0], other[0])
    assert torch.equal(one[1], other[1])


def test_all_axes_without_a_floor_have_unit_variance():
    vectors = {"food": draw(200, 2)}
    mean, axes = fit_whitening(vectors, dim=9, floor=1e-9)
    assert axes.shape == (5, 5)
    projected = (vectors["food"] - mean) @ axes
    assert_close(projected.T @ projected / 200, torch.eye(5), atol=1e-4, rtol=0)


def test_vectors_that_are_all_alike_say_nothing():
    mean, axes = fit_whitening({"food": draw(1, 3).expand(6, 5)}, dim=2, floor=0.1)
    assert not whiten(draw(4, 4), mean, axes).any()
