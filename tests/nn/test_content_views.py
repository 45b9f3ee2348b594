"""Views of content: smoothed over similar items, summed over histories."""

import numpy as np
import torch
from reference import multimodal, worlds
from reference import nn as naive
from reference.general import numbers
from torch.testing import assert_close

from micrec_pyg.graph.build import train_stage
from micrec_pyg.nn.content_views import ContentViews, added, side_of
from micrec_pyg.schema import INTERACTED_BY, ITEM, SIMILAR_ITEM, USER, Embeddings


def test_views_are_those_of_each_content_by_itself():
    domains, splits = worlds.worlds()
    train = train_stage(domains, splits, worlds.options(num_neighbors=3))
    for data in train.graphs.values():
        gated = {name: torch.randn(data[ITEM].num_nodes, 4) for name in "ab"}
        found = ContentViews(num_layers=2)(gated, data)
        lists = naive.similar_of(data, SIMILAR_ITEM)
        near = [[(i, 1.0), *row] for i, row in enumerate(lists)]
        edges = naive.edges_of(data, INTERACTED_BY)
        for name, g in gated.items():
            item = multimodal.over_lists(near, multimodal.over_lists(near, numbers(g)))
            user = np.zeros((data[USER].num_nodes, 4))
            for u, i in edges:
                degrees = sum(a == u for a, _ in edges) * sum(b == i for _, b in edges)
                user[u] += item[i] / np.sqrt(degrees)
            assert_close(numbers(found[name].item), item, rtol=1e-4, atol=1e-5)
            assert_close(numbers(found[name].user), user, rtol=1e-4, atol=1e-5)


def test_a_side_is_that_of_users_and_of_items():
    c = Embeddings(user=torch.ones(2, 3), item=torch.ones(4, 3))
    views = {"a": Embeddings(user=torch.full((2, 3), 5.0), item=torch.zeros(4, 3))}
    s = side_of(c, views, lambda x, h: x + h["a"])
    assert s.user.tolist() == [[6.0] * 3] * 2
    assert s.item.tolist() == [[1.0] * 3] * 4
    assert added(c, s).user.tolist() == [[7.0] * 3] * 2
    none = side_of(c, {}, lambda x, h: x)
    assert not none.user.any()
    assert not none.item.any()
