"""Training on the graphs around a batch; with all neighbours, on the whole graph."""

from dataclasses import replace
from functools import partial
from importlib.util import find_spec

import pytest
import torch
from reference import worlds
from reference.fitting import options as fit_options
from torch.nn.utils import parameters_to_vector

from micrec_pyg.evaluation.validate import validate
from micrec_pyg.graph.build import domain_sizes, train_stage, valid_stage
from micrec_pyg.models.base import parts_of
from micrec_pyg.models.inmo import INMO
from micrec_pyg.models.lightgcn import LightGCN
from micrec_pyg.models.micrec import MICRec
from micrec_pyg.models.popularity import Popularity
from micrec_pyg.nn.neighbor import NeighborAggregation
from micrec_pyg.nn.ranking import BPR, SampledSoftmax
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import ITEM, SIMILAR_USER, USER, InputError
from micrec_pyg.training import neighborhoods
from micrec_pyg.training.fit import fit
from micrec_pyg.training.neighborhoods import Neighborhoods
from micrec_pyg.training.sampler import Sampler

samples = pytest.mark.skipif(
    find_spec("torch_sparse") is None, reason="torch-sparse is not installed"
)
NEAR = NeighborAggregation(aggregation="residual", temperature=1.0)
POOL = SampledSoftmax(
    temperature=0.2, cosine=True, num_negatives=2, in_batch=True, log_q=True
)
TEMPLATES = {"dim": 4, "std": 0.5, "dropout": 0.0, "alpha_decay": 0.9}
MODELS = {
    "lightgcn": partial(
        LightGCN, dim=4, std=0.5, unseen="zero", neighbor=None, loss=BPR()
    ),
    "lightgcn with neighbours": partial(
        LightGCN, dim=4, std=0.5, unseen="zero", neighbor=NEAR, loss=POOL
    ),
    "inmo": partial(INMO, **TEMPLATES, loss=POOL),
    "micrec": partial(MICRec, **TEMPLATES, neighbor=NEAR, loss=BPR(), temperature=0.2),
}


@pytest.fixture
def net(request):
    return MODELS[request.param]


def sparse_worlds():
    """Return domains so large and sparse that few hops do not reach all nodes."""
    made = {}
    for place, name in enumerate(("food", "books")):
        users, items = 300, 250
        edges = worlds.random_edges(users, items, 0.006, seed=place)
        made[name] = (
            worlds.domain(name, edges, num_users=users, num_items=items, seed=place),
            worlds.split(edges[:, 6:], users, items, val=edges[:, :6]),
        )
    return {n: d for n, (d, _) in made.items()}, {n: s for n, (_, s) in made.items()}


def stage(k=2):
    domains, splits = sparse_worlds()
    options = worlds.options(num_neighbors=k)
    train = train_stage(domains, splits, options)
    return train, valid_stage(train, domains, splits, options)


def batch_of(model, train, size=3):
    drawn = Sampler(
        train,
        batch_size=size,
        parts=set(parts_of(model).values()),
        streams=RandomStreams(5),
        loss=model.loss,
    ).draw()
    few = {pair: rows[:, :3] for pair, rows in drawn.overlap.items()}
    return replace(drawn, overlap=few)


def gradient(model, graphs, batch):
    model.zero_grad()
    losses = model.losses(graphs, batch, RandomStreams(1))
    torch.stack([losses[name] for name in sorted(losses)]).sum().backward()
    return parameters_to_vector([p.grad for p in model.parameters()]), losses


@samples
@pytest.mark.parametrize("net", MODELS, indirect=True)
def test_all_neighbors_of_enough_hops_give_the_step_of_the_whole_graph(net):
    train, _ = stage()
    model = net(sizes=domain_sizes(train), streams=RandomStreams(0), num_layers=1)
    batch = batch_of(model, train, size=2)
    around = Neighborhoods(train.graphs, per_hop=[-1, -1], streams=RandomStreams(0))
    graphs, own = around(batch)
    for name, data in train.graphs.items():  # or nothing would be shown
        assert graphs[name][USER].num_nodes < data[USER].num_nodes
    expected, losses = gradient(model, train.graphs, batch)
    found, own_losses = gradient(model, graphs, own)
    assert own_losses.keys() == losses.keys()
    for name, loss in losses.items():
        torch.testing.assert_close(own_losses[name], loss)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


@samples
def test_too_few_hops_give_another_step():
    train, _ = stage()
    model = MODELS["lightgcn"](
        sizes=domain_sizes(train), streams=RandomStreams(0), num_layers=2
    )
    batch = batch_of(model, train)
    around = Neighborhoods(train.graphs, per_hop=[-1], streams=RandomStreams(0))
    whole, near = (
        gradient(model, graphs, each)[0]
        for graphs, each in ((train.graphs, batch), around(batch))
    )
    assert not torch.allclose(near, whole, atol=1e-4)


@samples
@pytest.mark.parametrize("net", ["lightgcn with neighbours", "micrec"], indirect=True)
def test_a_whole_training_is_that_of_the_whole_graphs(net):
    train, valid = stage()

    def run(per_hop):
        model = net(sizes=domain_sizes(train), streams=RandomStreams(0), num_layers=1)
        result = fit(
            model,
            train,
            valid,
            options=fit_options(
                max_epochs=2, batch_size=150, neighbors_per_hop=per_hop
            ),
            weights=dict.fromkeys(model.terms, 0.5),
            streams=RandomStreams(1),
            validate=partial(validate, k=3, batch_size=50),
            folder=None,
            on_epoch=lambda row: None,
        )
        return parameters_to_vector(model.parameters()), result.val

    (found, val), (expected, expected_val) = run([-1, -1]), run(None)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    for domain, values in expected_val.items():
        assert val[domain] == pytest.approx(values)


@samples
def test_no_node_has_more_new_neighbors_than_a_hop_takes():
    train, _ = stage()
    model = MODELS["micrec"](
        sizes=domain_sizes(train), streams=RandomStreams(0), num_layers=1
    )
    batch = batch_of(model, train, size=1)
    for seed in range(5):
        around = Neighborhoods(train.graphs, per_hop=[1], streams=RandomStreams(seed))
        graphs, _ = around(batch)
        for name, data in graphs.items():
            users = len(batch.triplets[name].user.unique())
            users += sum(rows.shape[1] for rows in batch.overlap.values())
            # each has at most one neighbour of both kinds of edges that lead to it
            assert data[USER].num_nodes + data[ITEM].num_nodes <= 3 * (users + 2)


@samples
def test_the_stream_of_a_graph_decides_what_is_sampled():
    train, _ = stage()
    model = MODELS["micrec"](
        sizes=domain_sizes(train), streams=RandomStreams(0), num_layers=1
    )
    batch = batch_of(model, train)

    def sampled(seed, before):
        torch.manual_seed(before)
        around = Neighborhoods(
            train.graphs, per_hop=[1, 1], streams=RandomStreams(seed)
        )
        graphs, _ = around(batch)
        return graphs["food"][ITEM].n_id.tolist(), torch.rand(())

    (first, drawn), (again, drawn_again) = sampled(3, before=1), sampled(3, before=2)
    assert first == again
    assert drawn != drawn_again  # the generator of the process goes its own way
    assert len({tuple(sampled(seed, before=1)[0]) for seed in range(6)}) > 1


@samples
def test_a_part_has_every_edge_between_its_nodes_as_it_was():
    train, _ = stage()
    model = MODELS["micrec"](
        sizes=domain_sizes(train), streams=RandomStreams(0), num_layers=1
    )
    around = Neighborhoods(train.graphs, per_hop=[2, 2], streams=RandomStreams(0))
    graphs, _ = around(batch_of(model, train))
    for name, data in graphs.items():
        whole = train.graphs[name]
        rows = data[USER].train_row
        dense = whole[SIMILAR_USER].adj_t.to_dense()[rows][:, rows]
        assert torch.equal(data[SIMILAR_USER].adj_t.to_dense(), dense)
        for edge_type, store in whole.edge_items():
            shape = [
                data[kind].train_row
                if "template" not in kind
                else torch.arange(data[kind].num_nodes)
                for kind in (edge_type[2], edge_type[0])
            ]
            dense = store.adj_t.to_dense()[shape[0]][:, shape[1]]
            own = data[edge_type]
            assert torch.equal(own.adj_t.to_dense(), dense), edge_type
            if "adj" in own:
                assert torch.equal(own.adj.to_dense(), dense.T), edge_type
            flat = own.adj_t.to_dense().T.to_sparse_csr()
            torch.testing.assert_close(
                flat.values(), own.adj_t.values()[own.perm], rtol=0, atol=0
            )


def test_what_cannot_sample_is_refused(monkeypatch):
    train, _ = stage()
    with pytest.raises(InputError, match=r"Popularity reads the whole graph in every"):
        neighborhoods.check_can_sample(
            Popularity(sizes=domain_sizes(train), streams=RandomStreams(0))
        )
    monkeypatch.setattr(neighborhoods, "WITH_TORCH_SPARSE", False)
    with pytest.raises(InputError, match=r"torch-sparse is not installed"):
        Neighborhoods(train.graphs, per_hop=[1], streams=RandomStreams(0))
