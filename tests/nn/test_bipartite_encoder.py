"""The encoder of bipartite graphs, against loops over the edges."""

import numpy as np
import pytest
import torch
from reference import variational as reference
from reference.general import numbers
from torch.testing import assert_close

from micrec_pyg.nn.bipartite_encoder import BipartiteEncoder
from micrec_pyg.schema import ITEM, USER


@pytest.mark.parametrize("kind", [USER, ITEM])
@pytest.mark.parametrize("num_layers", [1, 3])
def test_layers_and_distribution(graph, kind, num_layers):
    encoder = BipartiteEncoder(
        4, num_layers=num_layers, dropout=0.5, generator=torch.Generator()
    )
    for data in graph[:2]:
        x = torch.randn(data[kind].num_nodes, 4, generator=torch.Generator())
        layers, last = encoder(x, data, kind, None)
        assert len(layers) == num_layers - 1
        found = [*layers, last.mean, last.std]
        hidden, mean, std = reference.encode(encoder, numbers(x), data, kind)
        for one, naive in zip(found, [*hidden, mean, std], strict=True):
            assert_close(numbers(one), np.array(naive), rtol=1e-4, atol=1e-5)


def test_training_drops_before_every_layer(graph):
    encoder = BipartiteEncoder(
        4, num_layers=2, dropout=0.5, generator=torch.Generator()
    )
    data = graph[0]
    x = torch.randn(data[USER].num_nodes, 4, generator=torch.Generator())
    seeds = [torch.Generator().manual_seed(seed) for seed in (1, 1, 2)]
    first, again, other = (encoder(x, data, USER, seed)[1].mean for seed in seeds)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
