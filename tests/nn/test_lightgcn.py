"""Propagation against the equations."""

import pytest
import torch
from reference import nn as reference
from torch.testing import assert_close

from micrec_pyg.nn import lightgcn
from micrec_pyg.nn.batch_rows import NodeRows
from micrec_pyg.nn.conv import WeightedSum
from micrec_pyg.nn.lightgcn import Propagation
from micrec_pyg.schema import INTERACTED_BY, INTERACTS, ITEM, USER, Embeddings


def start(data, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    user, item = (
        torch.randn(data[kind].num_nodes, 4, generator=generator, dtype=dtype)
        for kind in (USER, ITEM)
    )
    return Embeddings(user=user.requires_grad_(), item=item.requires_grad_())


@pytest.mark.parametrize("num_layers", [0, 1, 3])
@pytest.mark.parametrize("which", [0, 1], ids=["train", "test"])
def test_layers(graph, which, num_layers):
    data = graph[which]
    h = start(data)
    z = Propagation(num_layers=num_layers)(h, data)
    user, item = reference.lightgcn(
        h.user.detach().numpy(),
        h.item.detach().numpy(),
        reference.edges_of(data, INTERACTED_BY),
        num_layers,
    )
    assert_close(z.user.detach().double().numpy(), user, rtol=1e-5, atol=1e-6)
    assert_close(z.item.detach().double().numpy(), item, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("columns", [1, 3, 4])
def test_inference_by_columns_is_the_propagation(graph, monkeypatch, columns):
    data, layer = graph[1], Propagation(num_layers=2)
    with torch.no_grad():
        h = start(data)
        whole = layer(h, data)
        monkeypatch.setattr(lightgcn, "LARGE", 0)
        monkeypatch.setattr(lightgcn, "COLUMNS", columns)
        monkeypatch.setattr(lightgcn._MeanOfLayers, "apply", None)
        narrow = layer(h, data)
    assert_close(narrow.user, whole.user)
    assert_close(narrow.item, whole.item)


def test_gradient(graph):
    data = graph[0]
    h = start(data, torch.float64)

    def propagate(user, item):
        z = Propagation(num_layers=2)(Embeddings(user=user, item=item), data)
        return z.user, z.item

    assert torch.autograd.gradcheck(propagate, (h.user, h.item))


@pytest.mark.parametrize("num_layers", [0, 1, 3])
def test_some_rows_are_the_bits_of_all_and_have_their_gradient(graph, num_layers):
    data = graph[0]
    layer = Propagation(num_layers=num_layers)
    h = start(data)
    rows = NodeRows(
        user=torch.tensor([3, 0, 3]), item=torch.tensor([1, 1, 5, 0]), shared={}
    )
    z, some = layer(h, data), layer(h, data, rows)
    assert torch.equal(some.user, z.user[rows.user])
    assert torch.equal(some.item, z.item[rows.item])
    given = torch.randn(7, 4, generator=torch.Generator().manual_seed(2))

    def gradient(user, item):
        loss = (torch.cat([user, item]) * given).sum()
        return torch.autograd.grad(loss, (h.user, h.item))

    expected = gradient(z.user[rows.user], z.item[rows.item])
    for found, whole in zip(gradient(some.user, some.item), expected, strict=True):
        assert_close(found, whole)
    # and a loss that reads one side alone
    (found,) = torch.autograd.grad(layer(h, data, rows).item.sum(), h.user)
    (whole,) = torch.autograd.grad(layer(h, data).item[rows.item].sum(), h.user)
    assert_close(found, whole)


def test_it_is_a_stack_of_message_passing_layers(graph):
    data = graph[0]
    h = start(data)
    to_user, to_item = data[INTERACTED_BY].adj_t, data[INTERACTS].adj_t
    layer, x, total = WeightedSum(), (h.user, h.item), [h.user, h.item]
    for _ in range(2):
        x = (layer(x[1], to_user, to_item), layer(x[0], to_item, to_user))
        total = [before + part for before, part in zip(total, x, strict=True)]
    z = Propagation(num_layers=2)(h, data)
    assert_close(z.user, total[0] / 3)
    assert_close(z.item, total[1] / 3)


def test_a_loss_on_z_and_on_the_start_has_both_gradients(graph):
    data, layer = graph[0], Propagation(num_layers=2)
    h = start(data)
    rows = NodeRows(
        user=torch.tensor([3, 0, 3]), item=torch.tensor([1, 1, 5]), shared={}
    )
    z, at = layer.with_start(h, data, rows)
    assert torch.equal(at.user, h.user[rows.user])
    assert torch.equal(at.item, h.item[rows.item])
    whole = layer(h, data)
    for found, expected in (
        ((z.user * at.item).sum(), (whole.user[rows.user] * h.item[rows.item]).sum()),
        (at.user.square().sum(), h.user[rows.user].square().sum()),
    ):
        wanted = torch.autograd.grad(expected, (h.user, h.item), allow_unused=True)
        got = torch.autograd.grad(found, (h.user, h.item), retain_graph=True)
        for side, other in zip(got, wanted, strict=True):
            assert_close(side, torch.zeros_like(side) if other is None else other)
