"""Few edges: how many, which, and their weights."""

import numpy as np
import torch
from torch.testing import assert_close

from micrec_pyg.nn.thinning import thinned
from micrec_pyg.schema import INTERACTED_BY


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_kept_edges_are_normalised_anew(graph):
    edges = graph[1][INTERACTED_BY].adj_t
    dense = edges.to_dense()
    pairs = dense.nonzero().tolist()
    found = thinned(edges, 0.6, generator())
    kept = [pair for pair, v in zip(pairs, found.tolist(), strict=True) if v > 0]
    assert len(kept) == round(0.4 * len(pairs))
    expected = [
        (sum(u == a for a, _ in kept) * sum(i == b for _, b in kept)) ** -0.5
        if [u, i] in kept
        else 0.0
        for u, i in pairs
    ]
    assert_close(found.tolist(), expected, rtol=1e-6, atol=0)
    assert torch.equal(thinned(edges, 0.0, generator()), edges.values())


def test_edges_are_drawn_by_their_weights(graph):
    edges = graph[1][INTERACTED_BY].adj_t
    weight = edges.values().double().numpy()
    count = len(weight)
    one = 1 - 1 / count  # leaves one edge: its chance is its share of the weights
    draw = generator(1)
    hits = np.zeros(count)
    for _ in range(1500):
        hits[int(thinned(edges, one, draw).argmax())] += 1
    share = weight / weight.sum()
    assert (abs(hits / 1500 - share) < 5 * np.sqrt(share / 1500)).all()
