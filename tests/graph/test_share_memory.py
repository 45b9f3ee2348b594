"""A graph holds equal arrays once."""

import copy

import torch
from reference import worlds

from micrec_pyg.graph.build import train_stage
from micrec_pyg.graph.share_memory import share_equal
from micrec_pyg.schema import (
    DESCRIBES_ITEM,
    DESCRIBES_USER,
    INTERACTED_BY,
    INTERACTS,
)


def graph(**changes):
    domains, splits = worlds.worlds()
    return train_stage(domains, splits, worlds.options(**changes)).graphs["food"]


def places(matrix):
    """Return where in memory the columns and the values are."""
    return matrix.col_indices().data_ptr(), matrix.values().data_ptr()


def test_template_edges_are_the_interactions_while_every_node_is_a_template():
    data = graph()
    to_user, to_item = data[INTERACTED_BY].adj_t, data[INTERACTS].adj_t
    described_user, described_item = data[DESCRIBES_USER], data[DESCRIBES_ITEM]
    for matrix, same in (
        (described_user.adj_t, to_user),
        (described_item.adj, to_user),
        (described_item.adj_t, to_item),
        (described_user.adj, to_item),
    ):
        assert places(matrix)[0] == places(same)[0]
        assert places(matrix)[1] == places(described_user.adj_t)[1]


def test_sharing_changes_no_value():
    for changes in ({}, {"template_ratio": 0.4}):
        data = graph(**changes)
        apart = copy.copy(data)
        for store in apart.edge_stores:
            store.adj_t = store.adj_t.clone()
        before = [store.adj_t.to_dense() for store in apart.edge_stores]
        shared = share_equal(apart)
        for store, dense in zip(shared.edge_stores, before, strict=True):
            assert torch.equal(store.adj_t.to_dense(), dense)
