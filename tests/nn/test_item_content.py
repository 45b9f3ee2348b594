"""The content of items and of users against loops."""

import numpy as np
from reference.general import numbers
from reference.multimodal import contents
from reference.nn import edges_of
from torch.testing import assert_close

from micrec_pyg.nn.item_content import content, mean_content
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
