"""Propagation against the equations."""

import pytest
import torch
from reference import nn as reference
from torch.testing import assert_close

from micrec_pyg.nn.lightgcn import LightGCN
from micrec_pyg.schema import INTERACTED_BY, ITEM, USER, Embeddings


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
    z = LightGCN(num_layers=num_layers)(h, data)
    user, item = reference.lightgcn(
        h.user.detach().numpy(),
        h.item.detach().numpy(),
        reference.edges_of(data, INTERACTED_BY),
        num_layers,
    )
    assert_close(z.user.detach().double().numpy(), user, rtol=1e-5, atol=1e-6)
    assert_close(z.item.detach().double().numpy(), item, rtol=1e-5, atol=1e-6)


def test_gradient(graph):
    data = graph[0]
    h = start(data, torch.float64)

    def propagate(user, item):
        z = LightGCN(num_layers=2)(Embeddings(user=user, item=item), data)
        return z.user, z.item

    assert torch.autograd.gradcheck(propagate, (h.user, h.item))
