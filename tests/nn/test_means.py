"""Means over the other side of the edges, against a loop."""

import numpy as np
import torch
from reference import worlds
from reference.general import numbers
from reference.nn import edges_of
from torch.testing import assert_close

from micrec_pyg.graph.build import train_stage
from micrec_pyg.nn.means import TOWARDS, mean_along, mean_of_others
from micrec_pyg.schema import ITEM, USER


def test_the_mean_is_over_the_edges_at_hand():
    domain, split = worlds.world()
    options = worlds.options(num_neighbors=0)
    data = train_stage({"food": domain}, {"food": split}, options).graphs["food"]
    for kind, other in ((USER, ITEM), (ITEM, USER)):
        x = torch.randn(data[other].num_nodes, 3, requires_grad=True)
        edges = edges_of(data, TOWARDS[kind])
        expected = np.zeros((data[kind].num_nodes, 3))
        for node in range(len(expected)):
            rows = [numbers(x)[b] for a, b in edges if a == node]
            if rows:
                expected[node] = np.mean(rows, axis=0)
        found = mean_of_others(data, kind, x)
        assert not found.requires_grad
        assert_close(numbers(found), expected, rtol=1e-5, atol=1e-6)


def test_a_mean_along_edges_has_a_gradient():
    domain, split = worlds.world(seed=2)
    options = worlds.options(num_neighbors=0)
    data = train_stage({"food": domain}, {"food": split}, options).graphs["food"]
    for kind, other in ((USER, ITEM), (ITEM, USER)):
        there, back = data[TOWARDS[kind]].adj_t, data[TOWARDS[other]].adj_t
        dense = (there.to_dense() > 0).float()
        dense = dense / dense.sum(1, keepdim=True).clamp(min=1)
        x = torch.randn(data[other].num_nodes, 3, requires_grad=True)
        factor = torch.randn(data[kind].num_nodes, 3)
        found = mean_along(there, x, back)
        assert_close(found, dense @ x)
        assert_close(
            *(torch.autograd.grad((y * factor).sum(), x) for y in (found, dense @ x))
        )
