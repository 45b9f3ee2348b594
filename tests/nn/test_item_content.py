"""The content of items and of users against loops."""

import numpy as np
import torch
from reference.general import numbers
from reference.multimodal import contents
from reference.nn import edges_of
from torch import nn
from torch.testing import assert_close

from micrec_pyg.nn.item_content import content, encoded, mean_content
from micrec_pyg.schema import INTERACTED_BY, ITEM, USER


def test_items_have_unit_vectors_side_by_side(graph):
    data = graph[1]
    for names in (["text", "image"], ["text"], []):
        found = content(data, names)
        expected = np.array(contents(data, names))
        assert_close(numbers(found), expected, rtol=1e-6, atol=1e-7)
        rows = data[ITEM].n_id.flip(0)[:4]
        assert_close(content(data, names, rows), found[rows])


def test_users_have_the_mean_of_the_items_that_have_it(graph):
    data = graph[1]
    edges = edges_of(data, INTERACTED_BY)
    expected = []
    for user in range(data[USER].num_nodes):
        parts = []
        for name in ("image", "text"):
            vectors = contents(data, [name])
            has = data[ITEM][f"{name}_mask"].tolist()
            mine = [vectors[i] for u, i in edges if u == user and has[i]]
            parts.append(np.mean(mine, axis=0) if mine else np.zeros_like(vectors[0]))
        expected.append(np.concatenate(parts))
    found = mean_content(data, {"text", "image"})
    assert_close(numbers(found), np.array(expected), rtol=1e-5, atol=1e-6)
    assert mean_content(data, ()).shape == (data[USER].num_nodes, 1)


def test_content_after_a_layer_is_the_same_for_few_and_for_many_rows(graph):
    data = graph[1]
    layer = nn.Linear(content(data, ["text"]).shape[1], 3)
    expected = layer(content(data, ["text"]))
    assert_close(encoded(layer, data, ["text"]), expected)
    rows = data[ITEM].n_id.flip(0)
    for asked in (rows[:2], rows.repeat(3)):
        found = encoded(layer, data, ["text"], asked)
        assert_close(found, expected[asked])
        own, other = (
            torch.autograd.grad(each.square().sum(), layer.weight, retain_graph=True)[0]
            for each in (found, expected[asked])
        )
        assert_close(own, other, rtol=1e-5, atol=1e-6)
