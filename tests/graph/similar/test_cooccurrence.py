"""Neighbours by shared edges, against a naive loop; what they must not know."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import controls as reference
from reference import graph as graphs
from reference import worlds

from micrec_pyg.graph.build import test_stage, train_stage
from micrec_pyg.graph.similar import cooccurrence
from micrec_pyg.graph.similar.cooccurrence import (
    cached_cooccurrence,
    cooccurrence_lists,
)
from micrec_pyg.schema import SIMILAR_ITEM, SIMILAR_USER


def pairs_of(lists):
    return [
        [(int(i), s) for i, s in zip(index, similarity, strict=True) if i >= 0]
        for index, similarity in zip(
            lists.index.numpy(), lists.similarity.numpy(), strict=True
        )
    ]


@settings(deadline=None, max_examples=60)
@given(
    chosen=st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1),
    k=st.integers(1, 6),
    include_self=st.booleans(),
    block_products=st.sampled_from([1, 7, 2**21]),
)
def test_lists_are_the_naive_ones_whatever_the_blocks(
    chosen, k, include_self, block_products
):
    edges = torch.tensor(chosen).nonzero().T.contiguous()
    shape = (len(chosen), 5)
    found = cooccurrence_lists(
        edges, shape, k=k, include_self=include_self, block_products=block_products
    )
    expected = reference.cooccurrence(edges.T.tolist(), shape[0], k, include_self)
    assert found.index.shape == (shape[0], k)
    assert pairs_of(found) == expected


def test_cosines_and_ties_by_hand():
    # 0: {0, 1}, 1: {0}, 2: {1}, 3: {0, 1}, 4: nothing
    edges = torch.tensor([[0, 0, 1, 2, 3, 3], [0, 1, 0, 1, 0, 1]])
    lists = cooccurrence_lists(edges, (5, 2), k=2, include_self=False)
    assert lists.index.tolist() == [[3, 1], [0, 3], [0, 3], [0, 1], [-1, -1]]
    half = pytest.approx(0.5**0.5)
    assert lists.similarity[0].tolist() == [1, half]
    assert lists.similarity[1].tolist() == [half, half]
    assert lists.similarity[4].tolist() == [0, 0]


def test_cosines_that_are_equal_on_paper_tie():
    # node 0 has 2 edges; with node 1 (1 edge) it shares 1, with node 2 (4) both:
    # 1 / sqrt(2 * 1) and 2 / sqrt(2 * 4).
    edges = torch.tensor([[0, 0, 1, 2, 2, 2, 2], [0, 1, 0, 0, 1, 2, 3]])
    lists = cooccurrence_lists(edges, (3, 4), k=2, include_self=False)
    assert lists.index[0].tolist() == [1, 2]
    assert lists.similarity[0, 0] == lists.similarity[0, 1]


def test_lists_of_far_apart_nodes_are_those_of_near_ones():
    # ids up to 2^20, and so many rows that two blocks are needed for the keys
    place = torch.tensor([0, 1, 5, 8000, 9000, 2**19, 2**20 - 2, 2**20 - 1])
    edges = worlds.random_edges(8, 6, 0.6, seed=1)
    near = cooccurrence_lists(edges, (8, 6), k=3, include_self=True)
    spread = torch.stack([place[edges[0]], edges[1]])
    far = cooccurrence_lists(spread, (2**20, 6), k=3, include_self=True)
    assert (near.index >= 0).all()
    assert torch.equal(far.index[place], place[near.index])
    assert torch.equal(far.similarity[place], near.similarity)
    assert int((far.index >= 0).sum()) == near.index.numel()


def test_the_file_serves_a_smaller_k_and_changes_with_the_edges(tmp_path, monkeypatch):
    searches = []
    search = cooccurrence.cooccurrence_lists

    def counted(*args, **kwargs):
        searches.append(kwargs["k"])
        return search(*args, **kwargs)

    monkeypatch.setattr(cooccurrence, "cooccurrence_lists", counted)

    def ask(edges, k, include_self=False):
        return cached_cooccurrence(
            edges, (8, 6), k=k, include_self=include_self, cache_dir=str(tmp_path)
        )

    edges = worlds.random_edges(8, 6, 0.5, seed=0)
    wide = ask(edges, 4)
    narrow = ask(edges.flip(1), 2)  # the order of edges means nothing
    assert searches == [4]
    assert torch.equal(narrow.index, wide.index[:, :2])
    ask(edges[:, 1:], 4)
    ask(edges, 4, include_self=True)
    assert searches == [4, 4, 4]
    assert len(list(tmp_path.iterdir())) == 3


def matrix_of(data, edge_type):
    return data[edge_type].adj_t.to_dense().numpy()


def dense_of(lists, num_nodes):
    entries = [(a, b, s) for a, found in enumerate(lists) for b, s in found]
    return graphs.dense((num_nodes, num_nodes), *zip(*entries, strict=True))


def test_each_stage_compares_the_edges_of_its_own_messages():
    domains, splits = worlds.worlds()
    options = worlds.options(neighbors="cooccurrence")
    train = train_stage(domains, splits, options)
    test = test_stage(train, domains, splits, options)
    for name, split in splits.items():
        known = torch.cat([split.train, split.support], dim=1).T.tolist()
        data = train.graphs[name]
        seen = graphs.in_rows(split.train, data["user"].n_id, data["item"].n_id)
        for graph, edges in ((data, seen), (test.graphs[name], known)):
            flipped = [(i, u) for u, i in edges]
            for edge_type, pairs in ((SIMILAR_USER, edges), (SIMILAR_ITEM, flipped)):
                count = graph[edge_type[0]].num_nodes
                lists = reference.cooccurrence(pairs, count, 3, include_self=False)
                assert (matrix_of(graph, edge_type) == dense_of(lists, count)).all()


def test_new_nodes_get_neighbours_by_their_support_edges():
    domains, splits = worlds.worlds()
    options = worlds.options(neighbors="cooccurrence")
    train = train_stage(domains, splits, options)
    test = test_stage(train, domains, splits, options).graphs["food"]
    supported = splits["food"].support
    new = supported[:, ~splits["food"].seen_item[supported[1]]][1].unique()
    assert len(new)
    assert (matrix_of(test, SIMILAR_ITEM)[new.numpy()] > 0).any(axis=1).all()


def test_features_do_not_matter():
    domains, splits = worlds.worlds()
    options = worlds.options(neighbors="cooccurrence")
    bare = {name: replace(domain, features={}) for name, domain in domains.items()}
    real, none = (train_stage(d, splits, options) for d in (domains, bare))
    for name in domains:
        for edge_type in (SIMILAR_USER, SIMILAR_ITEM):
            a, b = (matrix_of(s.graphs[name], edge_type) for s in (real, none))
            assert (a == b).all()
            assert a.any()


def test_k_of_zero_leaves_them_out():
    domains, splits = worlds.worlds()
    options = worlds.options(neighbors="cooccurrence", num_neighbors=0)
    train = train_stage(domains, splits, options)
    assert not matrix_of(train.graphs["food"], SIMILAR_ITEM).any()
