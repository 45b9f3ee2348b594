"""What is known of a matrix is computed once, for as long as the matrix lives."""

import copy

import torch

from micrec_pyg.graph.norm import sparse_csr
from micrec_pyg.nn import constants
from micrec_pyg.nn.constants import constant, per_edge
from micrec_pyg.nn.neighbor import NeighborAggregation
from micrec_pyg.schema import Embeddings


def matrix():
    row, col = torch.tensor([0, 0, 2, 2, 2]), torch.tensor([0, 1, 0, 1, 3])
    return sparse_csr(row, col, torch.ones(5), (4, 4))


def test_a_value_per_row_as_one_per_non_zero():
    values = torch.tensor([5.0, 6.0, 7.0, 8.0])
    for _ in range(2):
        assert per_edge(matrix(), values).tolist() == [5, 5, 7, 7, 7]


def test_it_is_computed_once_and_goes_with_its_matrix():
    calls, before = [], len(constants._known)
    first, second = matrix(), matrix()
    for each in (first, second, first, second):
        assert constant(each, "a", lambda: calls.append(1) or len(calls)) in (1, 2)
    assert constant(first, "b", lambda: "other") == "other"
    assert len(calls) == 2
    assert len(constants._known) == before + 2
    del first, second, each
    assert len(constants._known) == before


def test_neighbours_factors_are_computed_once_for_a_graph_and_its_copies(
    graph, monkeypatch
):
    data, calls = graph[0], []
    layer = NeighborAggregation(aggregation="softmax", temperature=0.3)
    weights = layer._weights
    monkeypatch.setattr(layer, "_weights", lambda m: calls.append(1) or weights(m))
    sizes = (data[kind].num_nodes for kind in ("user", "item"))
    h = Embeddings(*(torch.arange(2.0 * size).view(size, 2) for size in sizes))
    first = layer(h, data)
    again = layer(h, copy.copy(data))
    assert len(calls) == 2  # users and items
    assert torch.equal(first.user, again.user)
    other = NeighborAggregation(aggregation="softmax", temperature=0.7)
    assert not torch.equal(other(h, data).user, first.user)
