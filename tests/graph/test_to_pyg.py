"""Graphs of stages as edge lists: against a loop, against our layers, under PyG."""

import copy

import pytest
import torch
import torch_geometric.typing
from reference.edge_lists import edges_of
from torch_geometric import transforms
from torch_geometric.explain import Explainer, GNNExplainer
from torch_geometric.loader import LinkNeighborLoader, NeighborLoader
from torch_geometric.nn import HeteroConv, LGConv, SAGEConv
from torch_geometric.utils import is_undirected

from micrec_pyg.graph.build import train_stage
from micrec_pyg.graph.to_pyg import ToEdgeIndex
from micrec_pyg.nn.conv import WeightedSum
from micrec_pyg.nn.lightgcn import Propagation
from micrec_pyg.schema import (
    INTERACTED_BY,
    INTERACTS,
    ITEM,
    SIMILAR_ITEM,
    SIMILAR_USER,
    USER,
    Embeddings,
)

BACKEND = (
    torch_geometric.typing.WITH_PYG_LIB or torch_geometric.typing.WITH_TORCH_SPARSE
)
needs_backend = pytest.mark.skipif(
    not BACKEND, reason="PyG's neighbour loaders need pyg-lib or torch-sparse"
)
pytestmark = pytest.mark.filterwarnings(
    "ignore:Using '.*' without a 'pyg-lib' installation:UserWarning"
)


@pytest.fixture
def world(case, options, stages):
    """Return (domain, split, training graph, test graph); some nodes are unseen."""
    return stages(case(), options(template_ratio=0.6))


def vectors(data, dim=4):
    """Return a random vector per node, by node type."""
    generator = torch.Generator().manual_seed(0)
    return {
        node: torch.randn(data[node].num_nodes, dim, generator=generator)
        for node in data.node_types
    }


@pytest.mark.parametrize("stage", [2, 3], ids=["train", "test"])
def test_edges_equal_a_loop_over_the_matrices(world, stage):
    data = world[stage]
    found = ToEdgeIndex()(data)
    assert found.edge_types == data.edge_types
    for edge_type in data.edge_types:
        expected = edges_of(data[edge_type].adj_t)
        assert expected
        store = found[edge_type]
        assert set(store.keys()) == {"edge_index", "edge_weight"}
        assert store.edge_index.dtype == torch.int64
        source, target = store.edge_index.tolist()
        weight = store.edge_weight.tolist()
        assert list(zip(source, target, weight, strict=True)) == expected


def test_interactions_point_from_users_to_items(world):
    _, split, data, _ = world
    found = ToEdgeIndex()(data)
    user, item = data[USER].n_id, data[ITEM].n_id
    source, target = found[INTERACTS].edge_index
    pairs = set(zip(user[source].tolist(), item[target].tolist(), strict=True))
    assert pairs == set(zip(*split.train.tolist(), strict=True))
    back = found[INTERACTED_BY].edge_index.flip(0).T.tolist()
    assert sorted(back) == sorted(found[INTERACTS].edge_index.T.tolist())


def test_graphs_of_a_union_and_empty_edge_types(case, options):
    domains, splits = {}, {}
    for name, first_user in (("food", 0), ("kitchen", 6)):
        domains[name], splits[name] = case(name, first_user=first_user)
    train = train_stage(domains, splits, options(union=True))
    own = [task.data for task in train.tasks.values()]
    for data in (*train.graphs.values(), *own):
        found = ToEdgeIndex()(data)
        assert found.validate()
        for edge_type in data.edge_types:
            assert found[edge_type].num_edges == data[edge_type].adj_t.values().numel()
    assert found[SIMILAR_ITEM].num_edges == 0  # the domains' own graphs have none


def test_the_given_graph_stays_and_its_tensors_are_shared(world):
    data = world[3]
    before = copy.copy(data)
    found = ToEdgeIndex()(data)
    assert data.to_dict().keys() == before.to_dict().keys()
    for edge_type in data.edge_types:
        assert list(data[edge_type].keys()) == list(before[edge_type].keys())
        values = data[edge_type].adj_t.values()
        assert found[edge_type].edge_weight.data_ptr() == values.data_ptr()
    for node in data.node_types:
        assert found[node].to_dict().keys() == data[node].to_dict().keys()
        for name, value in data[node].items():
            assert found[node][name] is value
    assert {"text", "text_mask", "image", "train_row"} <= set(found[ITEM].keys())


def test_raw_ids_stand_in_the_order_of_rows(world):
    domain, _, data, _ = world
    found = ToEdgeIndex(domain)(data)
    known = domain.interactions
    users = [known.users.ids[i] for i in data[USER].n_id.tolist()]
    items = [known.items.ids[i] for i in data[ITEM].n_id.tolist()]
    assert found.user_ids.tolist() == users
    assert found.item_ids.tolist() == items
    assert len(users) < len(known.users)  # the graph is compact
    assert "user_ids" not in ToEdgeIndex()(data)


@pytest.mark.parametrize("num_layers", [1, 3])
def test_our_lightgcn_equals_lgconv_on_the_edge_lists(world, num_layers):
    data = world[3]
    x = vectors(data)
    z = Propagation(num_layers=num_layers)(Embeddings(x[USER], x[ITEM]), data)

    found, conv = ToEdgeIndex()(data), LGConv(normalize=False)
    layers = [(x[USER], x[ITEM])]
    for _ in range(num_layers):
        user, item = layers[-1]
        to_user, to_item = found[INTERACTED_BY], found[INTERACTS]
        layers.append(
            (
                conv((item, user), to_user.edge_index, to_user.edge_weight),
                conv((user, item), to_item.edge_index, to_item.edge_weight),
            )
        )
    user, item = (torch.stack(side).mean(0) for side in zip(*layers, strict=True))
    torch.testing.assert_close(z.user, user)
    torch.testing.assert_close(z.item, item)


def test_propagate_over_the_edge_lists_equals_the_fast_sum_and_calls_hooks(world):
    data = world[3]
    found, x, layer, calls = ToEdgeIndex()(data), vectors(data), WeightedSum(), []
    layer.register_propagate_forward_pre_hook(lambda *_: calls.append(1))
    compared = [t for t in data.edge_types if "adj" in data[t]]
    assert len(compared) == 4
    for edge_type in compared:
        source, _, target = edge_type
        matrices = data[edge_type]
        fast = layer(x[source], matrices.adj_t, matrices.adj)
        assert calls == []  # as docs/pyg.md says, PyG sees nothing of it
        store = found[edge_type]
        slow = layer.propagate(
            store.edge_index,
            x=(x[source], x[target]),
            edge_weight=store.edge_weight,
            size=store.size(),
        )
        torch.testing.assert_close(fast, slow)
        assert calls.pop() == 1


def test_transforms_and_checks_of_pyg(world):
    found = ToEdgeIndex()(world[2])
    assert found.validate()
    pair = found.edge_type_subgraph([INTERACTS, INTERACTED_BY])
    assert pair.is_undirected()
    assert not found.edge_type_subgraph([INTERACTS]).is_undirected()
    similar = transforms.ToUndirected()(found)[SIMILAR_ITEM]
    assert is_undirected(similar.edge_index, num_nodes=found[ITEM].num_nodes)

    split = transforms.RandomLinkSplit(
        num_val=0.1,
        num_test=0.2,
        edge_types=[INTERACTS],
        rev_edge_types=[INTERACTED_BY],
        add_negative_train_samples=False,
    )
    train, val, test = split(pair)
    count = found[INTERACTS].num_edges
    assert test[INTERACTS].edge_label.sum() == int(0.2 * count)
    assert train[INTERACTED_BY].num_edges == train[INTERACTS].num_edges
    kept = {tuple(e) for e in train[INTERACTS].edge_index.T.tolist()}
    for part in (val, test):
        store = part[INTERACTS]
        hidden = store.edge_label_index[:, store.edge_label == 1]
        assert kept.isdisjoint(map(tuple, hidden.T.tolist()))


def weights_by_ids(data):
    """Return {(edge type, source, target): weight}, nodes by vocabulary index."""
    return {
        (edge_type, source, target): weight
        for edge_type in data.edge_types
        for source, target, weight in zip(
            data[edge_type[0]].n_id[data[edge_type].edge_index[0]].tolist(),
            data[edge_type[2]].n_id[data[edge_type].edge_index[1]].tolist(),
            data[edge_type].edge_weight.tolist(),
            strict=True,
        )
    }


@needs_backend
def test_neighbor_loader_keeps_edges_weights_and_vocabulary_indices(world):
    found = ToEdgeIndex()(world[2])
    every, seen = weights_by_ids(found), []
    torch.manual_seed(0)
    for batch in NeighborLoader(found, [3, 3], input_nodes=USER, batch_size=4):
        sampled = weights_by_ids(batch)
        assert sampled.items() <= every.items()
        assert any(edge_type == SIMILAR_ITEM for edge_type, *_ in sampled)
        seen += batch[USER].n_id[: batch[USER].batch_size].tolist()
    assert seen == found[USER].n_id.tolist()


@needs_backend
def test_link_neighbor_loader_asks_for_every_interaction_once(world):
    found = ToEdgeIndex()(world[2])
    pairs = []
    torch.manual_seed(0)
    for batch in LinkNeighborLoader(
        found,
        [3, 3],
        edge_label_index=(INTERACTS, found[INTERACTS].edge_index),
        batch_size=8,
    ):
        user, item = batch[INTERACTS].edge_label_index
        user, item = batch[USER].n_id[user], batch[ITEM].n_id[item]
        pairs += zip(user.tolist(), item.tolist(), strict=True)
    assert sorted(pairs) == sorted(zip(*world[1].train.tolist(), strict=True))


class TwoLayers(torch.nn.Module):
    """Return one number per user from all edges that lie at most two steps away."""

    def __init__(self, edge_types):
        super().__init__()
        self.first = HeteroConv({t: SAGEConv((4, 4), 4) for t in edge_types})
        self.second = HeteroConv({t: SAGEConv((4, 4), 1) for t in edge_types})

    def forward(self, x, edge_index):
        return self.second(self.first(x, edge_index), edge_index)[USER]


def test_an_explainer_marks_the_edges_that_reach_a_user(world):
    without_templates = [INTERACTS, INTERACTED_BY, SIMILAR_USER, SIMILAR_ITEM]
    found = ToEdgeIndex()(world[2]).edge_type_subgraph(without_templates)
    torch.manual_seed(0)
    explainer = Explainer(
        TwoLayers(found.edge_types),
        algorithm=GNNExplainer(epochs=5),
        explanation_type="model",
        edge_mask_type="object",
        model_config={
            "mode": "regression",
            "task_level": "node",
            "return_type": "raw",
        },
    )
    asked = (USER, 2)
    explanation = explainer(
        vectors(found), found.edge_index_dict, index=torch.tensor([asked[1]])
    )
    edges = [
        ((edge_type, place), (edge_type[0], source), (edge_type[2], target))
        for edge_type in found.edge_types
        for place, (source, target) in enumerate(found[edge_type].edge_index.T.tolist())
    ]
    near = {asked} | {source for _, source, target in edges if target == asked}
    expected = {edge for edge, _, target in edges if target in near}
    marked = {
        (edge_type, place)
        for edge_type in found.edge_types
        for place in explanation[edge_type].edge_mask.nonzero().flatten().tolist()
    }
    assert marked == expected
    assert 0 < len(expected) < len(edges)
