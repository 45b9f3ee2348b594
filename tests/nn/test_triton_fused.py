"""Kernels of Triton that take the place of several of torch: on CUDA or interpreted."""

import numpy as np
import pytest
import torch
from reference import nn as reference
from reference import sampling
from torch.testing import assert_close

from micrec_pyg.graph.norm import sparse_csr, transpose
from micrec_pyg.nn import kernels
from micrec_pyg.nn.edge_dropout import _draw, _least, dropped_weights
from micrec_pyg.nn.losses import bpr_loss, contrastive_loss
from micrec_pyg.training.samples import distinct

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture(autouse=True)
def triton():
    """Force its kernels."""
    pytest.importorskip("triton")
    kernels.configure(kernel="triton")
    yield
    kernels.configure()


def generator(seed=0, device=DEVICE):
    return torch.Generator(device).manual_seed(seed)


@pytest.mark.parametrize("shape", [(6, 5), (2, 40), (40, 2)])
@pytest.mark.parametrize("p", [0.0, 0.25, 0.75])
def test_dropped_weights_are_those_of_a_loop(monkeypatch, shape, p):
    triton_dropout = pytest.importorskip("micrec_pyg.nn.triton_dropout")
    monkeypatch.setattr(triton_dropout, "WEIGHTS", 8)
    there = torch.rand(shape, generator=generator(1, "cpu")) < 0.5
    there[0] = False
    csr = sparse_csr(*there.nonzero().T, torch.ones(int(there.sum())), shape)
    turned, perm = transpose(csr)
    row, column = (side.tolist() for side in there.nonzero().T)
    scale = torch.rand(shape[0], generator=generator(2, "cpu"), dtype=torch.float64)
    pair, own = dropped_weights(
        *(each.to(DEVICE) for each in (csr, turned, perm, scale)), p, generator(3)
    )
    drawn = _draw(len(row) + shape[0], generator(3)).tolist()
    kept = [n >= _least(p) for n in drawn]
    of_edges, of_rows = kept[: len(row)], kept[len(row) :]
    weights = scale / (1 - p)
    dense = torch.zeros(shape, dtype=torch.float64)
    for a, b, kept in zip(row, column, of_edges, strict=True):
        dense[a, b] = weights[a] if kept else 0
    assert_close(pair[0].cpu(), dense[there])
    assert_close(pair[1].cpu(), dense.T[there.T])
    assert_close(own.cpu(), weights * torch.tensor(of_rows))


@pytest.mark.parametrize("shape", [(1, 1), (5, 6), (33, 32), (2, 600)])
def test_bpr_and_its_gradient(shape):
    tables = [
        torch.randn(shape, generator=generator(n, "cpu"), dtype=torch.float64)
        .to(DEVICE)
        .requires_grad_()
        for n in range(3)
    ]
    found = bpr_loss(*tables)
    rows = [(n, n, n + shape[0]) for n in range(shape[0])]
    user, pos, neg = (table.detach().cpu().numpy() for table in tables)
    expected = reference.bpr(user, np.concatenate([pos, neg]), rows)
    assert found.item() == pytest.approx(expected, rel=1e-9)
    gradients = torch.autograd.grad(3 * found, tables)
    kernels.configure(kernel="gather_scatter")
    expected = torch.autograd.grad(3 * bpr_loss(*tables), tables)
    for ours, other in zip(gradients, expected, strict=True):
        assert_close(ours, other)


def test_bpr_of_large_scores_and_rows_that_are_slices():
    table = torch.tensor([[50.0], [-50.0], [1.0], [0.0]], device=DEVICE)
    table.requires_grad_()
    user = torch.full((1, 1), 20.0, device=DEVICE)
    for pos, neg, loss, slope in ((0, 1, 0.0, 0.0), (1, 0, 2000.0, 20.0)):
        found = bpr_loss(user, table[pos : pos + 1], table[neg : neg + 1])
        (gradient,) = torch.autograd.grad(found, table)
        assert found.item() == pytest.approx(loss)
        assert gradient[neg].item() == pytest.approx(slope)
        assert gradient[pos].item() == pytest.approx(-slope)


@pytest.mark.parametrize("shape", [(1, 1), (33, 3), (40, 5)])
@pytest.mark.parametrize("temperature", [0.125, 0.5])
def test_contrastive_loss_and_its_gradient(monkeypatch, shape, temperature):
    triton_contrast = pytest.importorskip("micrec_pyg.nn.triton_contrast")
    monkeypatch.setattr(triton_contrast, "ROWS", 8)
    monkeypatch.setattr(triton_contrast, "COLUMNS", 16)
    tables = [
        torch.randn(shape, generator=generator(n, "cpu"), dtype=torch.float64)
        .to(DEVICE)
        .requires_grad_()
        for n in range(2)
    ]
    found = contrastive_loss(*tables, temperature)
    first, second = (table.detach().cpu().numpy() for table in tables)
    expected = reference.info_nce(first, second, temperature)
    assert found.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)
    gradients = torch.autograd.grad(3 * found, tables)
    kernels.configure(kernel="gather_scatter")
    expected = torch.autograd.grad(3 * contrastive_loss(*tables, temperature), tables)
    for ours, other in zip(gradients, expected, strict=True):
        assert_close(ours, other)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 16, 17, 63, 64, 65, 100])
def test_distinct_places_are_those_of_a_loop(size):
    found = distinct(size, size, generator(size)).tolist()
    keys = torch.empty(8, dtype=torch.int64, device=DEVICE)
    keys.random_(-(2**63), None, generator=generator(size))
    assert found == sampling.permutation(keys.tolist(), size)
    assert sorted(found) == list(range(size))
    assert distinct(size, 2, generator(size)).tolist() == found[:2]


def test_distinct_places_of_none():
    assert not len(distinct(0, 3, generator()))
    assert not len(distinct(3, 0, generator()))


def test_every_pair_of_places_is_drawn_alike():
    source, size, draws = generator(4), 5, 4000
    count = torch.zeros(size, size)
    for _ in range(draws):
        first, second = distinct(size, 2, source).tolist()
        count[first, second] += 1
    expected = draws / (size * (size - 1))
    found = count[~torch.eye(size, dtype=torch.bool)]
    # chi-squared of 19 degrees of freedom: above 43.8 once in a thousand
    assert float(((found - expected) ** 2 / expected).sum()) < 43.8
