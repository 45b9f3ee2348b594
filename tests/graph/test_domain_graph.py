"""One graph against naive readings of the method."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from reference import graph as reference

from micrec_pyg.graph.build import (
    check_graph,
    train_stage,
)
from micrec_pyg.schema import (
    DESCRIBES_ITEM,
    DESCRIBES_USER,
    INTERACTED_BY,
    INTERACTS,
    ITEM,
    ITEM_TEMPLATE,
    SIMILAR_ITEM,
    SIMILAR_USER,
    USER,
    USER_TEMPLATE,
    InputError,
)

NODES = (USER, ITEM)


def dense(matrix):
    return matrix.to_dense().numpy()


def assert_equals_reference(data, edges, domain, options, templates):
    """Compare a graph with the loops; edges are graph rows, templates too."""
    num_users, num_items = data[USER].num_nodes, data[ITEM].num_nodes
    weights = reference.normalised(edges, num_users, num_items)
    np.testing.assert_allclose(dense(data[INTERACTED_BY].adj_t), weights, rtol=1e-6)
    np.testing.assert_allclose(dense(data[INTERACTS].adj_t), weights.T, rtol=1e-6)
    for side, node_type in enumerate(NODES):
        degree = [sum(e[side] == n for e in edges) for n in range(weights.shape[side])]
        assert data[node_type].degree.tolist() == degree
        own = templates[1 - side]
        rho = reference.rho(edges, weights.shape[side], own, side)
        np.testing.assert_array_equal(data[node_type].rho.numpy(), rho)
        describes = (DESCRIBES_USER, DESCRIBES_ITEM)[side]
        expected = (weights > 0).astype(float)
        expected = (expected if side == 0 else expected.T)[:, own]
        np.testing.assert_array_equal(dense(data[describes].adj_t), expected)
        np.testing.assert_array_equal(dense(data[describes].adj), expected.T)

    items, users = {}, {}
    for name, feature in domain.features.items():
        values = feature.values[data[ITEM].n_id].numpy()
        mask = feature.mask[data[ITEM].n_id].numpy()
        items[name] = (values, mask)
        users[name] = reference.user_means(edges, values, mask, num_users)
    for edge_type, modalities in ((SIMILAR_USER, users), (SIMILAR_ITEM, items)):
        lists = reference.neighbors(
            modalities,
            options.weights,
            options.neighbors_of(edge_type[0]),
            options.knn_include_self,
        )
        size = len(lists)
        entries = [(a, b, s) for a in range(size) for b, s in lists[a]]
        expected = reference.dense((size, size), *zip(*entries, strict=True))
        found = dense(data[edge_type].adj_t)
        np.testing.assert_array_equal(found > 0, expected > 0)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        np.testing.assert_allclose(dense(data[edge_type].adj), expected.T, rtol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"knn_include_self": True},
        {"template_ratio": 0.4, "num_neighbors": 6},
        {"max_user_neighbors": 1},
    ],
    ids=["default", "self", "few templates", "fewer of users"],
)
def test_both_graphs_equal_the_loops(case, options, stages, changes):
    chosen = options(**changes)
    domain, split, train, test = stages(case(), chosen)
    for data, edges in (
        (train, split.train),
        (test, torch.cat([split.train, split.support], dim=1)),
    ):
        users, items = data[USER].n_id, data[ITEM].n_id
        templates = [
            [nodes.tolist().index(t) for t in train[template].n_id.tolist()]
            for nodes, template in ((users, USER_TEMPLATE), (items, ITEM_TEMPLATE))
        ]
        edges = reference.in_rows(edges, users, items)
        assert_equals_reference(data, edges, domain, chosen, templates)
        check_graph(data)
        assert data.validate()


@pytest.mark.parametrize("without", ["neighbors", "features"])
def test_without_similarity_the_stores_are_there_and_empty(
    case, options, stages, without
):
    domain, split = case()
    chosen = options(num_neighbors=0 if without == "neighbors" else 3)
    if without == "features":
        domain = replace(domain, features={})
    _, _, train, test = stages((domain, split), chosen)
    for data in (train, test):
        check_graph(data)
        for edge_type in (SIMILAR_USER, SIMILAR_ITEM):
            size = data[edge_type[0]].num_nodes
            assert data[edge_type].adj_t.shape == (size, size)
            assert len(data[edge_type].adj_t.values()) == 0
            assert len(data[edge_type].perm) == 0


def test_item_features_stand_on_item_nodes(case, options, stages):
    domain, _, train, _ = stages(case(), options())
    n_id = train[ITEM].n_id
    for name, feature in domain.features.items():
        found, expected = train[ITEM][name], feature.values[n_id]
        assert torch.equal(found.nan_to_num(), expected.nan_to_num())
        assert torch.equal(train[ITEM][f"{name}_mask"], feature.mask[n_id])


def test_a_smaller_k_takes_the_best_of_the_same_lists(case, options, stages, tmp_path):
    built = {}
    for k in (4, 2):
        chosen = options(num_neighbors=k, knn_lists=4, cache_dir=str(tmp_path))
        _, _, built[k], _ = stages(case(), chosen)
    wide, narrow = (dense(built[k][SIMILAR_ITEM].adj_t) for k in (4, 2))
    for row_wide, row_narrow in zip(wide, narrow, strict=True):
        best = np.sort(row_wide)[::-1][:2]
        np.testing.assert_array_equal(np.sort(row_narrow)[::-1][:2], best)
        assert (row_narrow > 0).sum() == (best > 0).sum()


def test_graphs_move_and_copy(case, options, stages):
    *_, train, _ = stages(case(), options())
    moved = train.clone().to("cpu")
    reference.assert_same_graphs(moved, train)
    check_graph(moved)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_graphs_move_to_a_gpu(case, options, stages):
    *_, train, _ = stages(case(), options())
    moved = train.clone().to("cuda")
    assert moved[INTERACTS].adj_t.is_cuda
    check_graph(moved)
    reference.assert_same_graphs(moved.to("cpu"), train)


@pytest.mark.parametrize("name", ["rho", "text_mask"])
def test_a_modality_must_not_take_a_field_of_the_graph(case, options, name):
    domain, split = case()
    features = {**domain.features, name: domain.features["text"]}
    with pytest.raises(InputError, match=f"must not be called {name}"):
        train_stage(
            {"food": replace(domain, features=features)}, {"food": split}, options()
        )


def test_the_order_of_edges_changes_nothing(case, options, stages):
    domain, split = case()
    *_, before, _ = stages((domain, split), options())
    shuffled = replace(split, train=split.train.flip(1))
    *_, after, _ = stages((domain, shuffled), options())
    reference.assert_same_graphs(before, after)
