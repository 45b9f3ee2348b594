"""PyG's loaders, transforms, layers and explainers take our data sets."""

import pytest
import torch
import torch_geometric.typing
from torch_geometric import transforms
from torch_geometric.explain import Explainer, GNNExplainer
from torch_geometric.loader import DataLoader, LinkNeighborLoader, NeighborLoader
from torch_geometric.nn import HeteroConv, SAGEConv

from micrec_pyg.datasets import CrossDomain
from micrec_pyg.schema import INTERACTED_BY, INTERACTS, ITEM, USER

BACKEND = (
    torch_geometric.typing.WITH_PYG_LIB or torch_geometric.typing.WITH_TORCH_SPARSE
)
needs_backend = pytest.mark.skipif(
    not BACKEND, reason="PyG's neighbour loaders need pyg-lib or torch-sparse"
)
pytestmark = pytest.mark.filterwarnings(
    "ignore:Using '.*' without a 'pyg-lib' installation:UserWarning"
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    sizes = ["data.num_users=30", "data.num_items=24", "data.with_images=false"]
    return CrossDomain(
        root, "synthetic", overrides=[*sizes, f"data.root={root}"], split="random"
    )


def vectors(data):
    generator = torch.Generator().manual_seed(0)
    return {
        node: torch.randn(data[node].num_nodes, 4, generator=generator)
        for node in data.node_types
    }


def pairs(edges):
    return set(map(tuple, edges.T.tolist()))


def test_graphs_are_valid_and_undirected(dataset):
    for graph in dataset:
        assert graph.validate()
        assert graph.is_undirected()
        assert graph.edge_index_dict.keys() == {INTERACTS, INTERACTED_BY}


def test_to_undirected_adds_the_reverse_of_both(dataset):
    graph = dataset[0]
    found = transforms.ToUndirected()(graph)
    back = found[ITEM, "rev_interacts", USER]
    assert torch.equal(back.edge_index, graph[INTERACTED_BY].edge_index)
    assert torch.equal(back.time, graph[INTERACTED_BY].time)


def test_random_link_split_hides_held_out_edges_in_both_directions(dataset):
    split = transforms.RandomLinkSplit(
        num_val=0.1,
        num_test=0.2,
        edge_types=[INTERACTS],
        rev_edge_types=[INTERACTED_BY],
        neg_sampling_ratio=0.5,
    )
    torch.manual_seed(0)
    graph = dataset[0]
    train, _, test = split(graph)
    store = test[INTERACTS]
    hidden = store.edge_label_index[:, store.edge_label == 1]
    assert hidden.shape[1] == int(0.2 * graph[INTERACTS].num_edges)
    assert pairs(hidden) <= pairs(graph[INTERACTS].edge_index)
    for edges in (train[INTERACTS].edge_index, train[INTERACTED_BY].edge_index.flip(0)):
        assert pairs(hidden).isdisjoint(pairs(edges))


@needs_backend
def test_neighbor_loader_samples_our_edges_with_their_times(dataset):
    graph, seen = dataset[1], []
    time = graph[INTERACTED_BY].time
    torch.manual_seed(0)
    for batch in NeighborLoader(graph, [4, 4], input_nodes=USER, batch_size=8):
        store = batch[INTERACTED_BY]
        source, target = store.edge_index
        sampled = torch.stack([batch[ITEM].n_id[source], batch[USER].n_id[target]])
        assert torch.equal(sampled, graph[INTERACTED_BY].edge_index[:, store.e_id])
        assert torch.equal(store.time, time[store.e_id])
        assert torch.equal(batch[USER].person, graph[USER].person[batch[USER].n_id])
        assert batch.user_ids is graph.user_ids
        seen += batch[USER].n_id[: batch[USER].batch_size].tolist()
    assert seen == list(range(graph[USER].num_nodes))


@needs_backend
def test_link_neighbor_loader_over_the_validation_part(dataset):
    graph, found = dataset[0], []
    asked = graph[INTERACTS].val_index
    torch.manual_seed(0)
    for batch in LinkNeighborLoader(
        graph, [4, 4], edge_label_index=(INTERACTS, asked), batch_size=8
    ):
        user, item = batch[INTERACTS].edge_label_index
        found.append(torch.stack([batch[USER].n_id[user], batch[ITEM].n_id[item]]))
    assert torch.equal(torch.cat(found, dim=1), asked)


def test_a_batch_of_domains_keeps_them_apart(dataset):
    (batch,) = DataLoader(dataset, batch_size=2)
    first, second = dataset
    assert batch.domain == ["d0", "d1"]
    offset = torch.tensor([[first[USER].num_nodes], [first[ITEM].num_nodes]])
    for name in ("edge_index", "test_index"):
        parts = first[INTERACTS][name], second[INTERACTS][name] + offset
        assert torch.equal(batch[INTERACTS][name], torch.cat(parts, dim=1))


def test_a_graph_is_read_again_as_data(dataset, tmp_path):
    graph, file = dataset[1], tmp_path / "graph.pt"
    stores = {INTERACTS: {"edge_index": graph[INTERACTS].edge_index}}
    for node, ids in ((USER, graph.user_ids), (ITEM, graph.item_ids)):
        stores[node] = {"raw": ids.tolist(), "num_nodes": graph[node].num_nodes}
    torch.save(stores, file)
    settings = [f"data.path={file}", "data.ids=raw"]
    (again,) = CrossDomain(tmp_path, "heterodata", overrides=settings)
    found, expected = (
        {(each.user_ids[u], each.item_ids[i]) for u, i in edges.T.tolist()}
        for each, edges in ((g, g[INTERACTS].edge_index) for g in (again, graph))
    )
    assert found == expected


class Sage(torch.nn.Module):
    def __init__(self):
        super().__init__()
        types = (INTERACTS, INTERACTED_BY)
        self.conv = HeteroConv({t: SAGEConv((4, 4), 4) for t in types})

    def forward(self, x, edge_index):
        z = self.conv(x, edge_index)
        return (z[USER] @ z[ITEM].T).sum(1)


def test_a_layer_of_pyg_equals_the_mean_over_our_edges(dataset):
    graph = dataset[0]
    torch.manual_seed(0)
    model, x = Sage(), vectors(graph)
    z = model.conv(x, graph.edge_index_dict)
    layer = model.conv.convs[INTERACTED_BY]
    for user in range(graph[USER].num_nodes):
        items = [i for u, i in graph[INTERACTS].edge_index.T.tolist() if u == user]
        mean = x[ITEM][items].mean(0) if items else torch.zeros(4)
        expected = layer.lin_l(mean) + layer.lin_r(x[USER][user])
        torch.testing.assert_close(z[USER][user], expected)


def test_an_explainer_marks_what_decides_a_user(dataset):
    graph = dataset[0]
    torch.manual_seed(0)
    explainer = Explainer(
        Sage(),
        algorithm=GNNExplainer(epochs=3),
        explanation_type="model",
        edge_mask_type="object",
        model_config={
            "mode": "regression",
            "task_level": "node",
            "return_type": "raw",
        },
    )
    explanation = explainer(
        vectors(graph), graph.edge_index_dict, index=torch.tensor([3])
    )
    marked = explanation[INTERACTED_BY].edge_mask > 0
    assert torch.equal(marked, graph[INTERACTED_BY].edge_index[1] == 3)
    assert explanation[INTERACTS].edge_mask.all()  # every item is scored
