"""INMO and MICRec against the equations, and against each other."""

import numpy as np
import pytest
import torch
from reference import nn as reference
from reference import worlds
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.models.inmo import INMO
from micrec_pyg.models.micrec import MICRec
from micrec_pyg.nn.neighbor import NeighborAggregation
from micrec_pyg.nn.ranking import BPR
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import (
    INTERACTED_BY,
    ITEM,
    ITEM_TEMPLATE,
    SIMILAR_ITEM,
    SIMILAR_USER,
    USER,
    USER_TEMPLATE,
)

INMO_OPTIONS = {
    "dim": 5,
    "std": 0.5,
    "loss": BPR(),
    "num_layers": 2,
    "dropout": 0.3,
    "alpha_decay": 0.8,
}


def micrec(train, streams):
    return MICRec(
        sizes=domain_sizes(train),
        streams=streams,
        neighbor=NeighborAggregation(aggregation="residual", temperature=0.2),
        temperature=0.2,
        **INMO_OPTIONS,
    )


def inmo(train, streams, **changes):
    return INMO(
        sizes=domain_sizes(train), streams=streams, **{**INMO_OPTIONS, **changes}
    )


def numbers(tensor):
    return tensor.detach().double().numpy()


def expected(layer, data, alpha, num_layers):
    """Return z of users and items by the equations, from a layer's parameters."""
    edges = reference.edges_of(data, INTERACTED_BY)  # (user, item)
    kinds = ((USER, USER_TEMPLATE), (ITEM, ITEM_TEMPLATE))
    users, items = (
        {data[kind].n_id.tolist().index(n): row for row, n in enumerate(chosen)}
        for kind, chosen in ((k, data[t].n_id.tolist()) for k, t in kinds)
    )
    user = reference.templates(
        edges,
        data[USER].num_nodes,
        items,
        numbers(layer.item),
        numbers(layer.user_token)[0],
        alpha,
    )
    item = reference.templates(
        [(i, u) for u, i in edges],
        data[ITEM].num_nodes,
        users,
        numbers(layer.user),
        numbers(layer.item_token)[0],
        alpha,
    )
    user, item = (
        reference.neighbors(h, reference.similar_of(data, kind), "residual", None)
        for h, kind in ((user, SIMILAR_USER), (item, SIMILAR_ITEM))
    )
    return reference.lightgcn(user, item, edges, num_layers)


@pytest.mark.parametrize("ratio", [1.0, 0.5])
@pytest.mark.parametrize("which", ["train", "test"])
@pytest.mark.parametrize("num_neighbors", [0, 3])
def test_z_and_scores_follow_the_equations(num_neighbors, which, ratio):
    domain, split = worlds.world(seed=4)
    domains, splits = {"food": domain}, {"food": split}
    options = worlds.options(num_neighbors=num_neighbors, template_ratio=ratio)
    train = train_stage(domains, splits, options)
    graphs = {
        "train": train.graphs,
        "test": test_stage(train, domains, splits, options).graphs,
    }[which]
    streams = RandomStreams(1)
    model = micrec(train, streams) if num_neighbors else inmo(train, streams)
    model.begin_epoch(3)
    z = model(graphs)["food"]
    layer = model.templates.template["domain_food"]
    user, item = expected(layer, graphs["food"], 0.8**3, 2)
    assert_close(numbers(z.user), user, rtol=1e-4, atol=1e-6)
    assert_close(numbers(z.item), item, rtol=1e-4, atol=1e-6)
    rows = torch.tensor([3, 0, 5])
    scores = np.array([[u @ i for i in item] for u in user[rows.numpy()]])
    found = model.scorer("food", {"food": z}, graphs)(rows)
    assert_close(numbers(found), scores, rtol=1e-4, atol=1e-6)
    if num_neighbors:
        assert graphs["food"][SIMILAR_USER].adj_t.values().numel() > 0


def test_losses_follow_the_equations():
    domains, splits = worlds.worlds()
    train = train_stage(domains, splits, worlds.options())
    sizes = domain_sizes(train)
    model = micrec(train, RandomStreams(1))
    for layer in model.templates.template.values():
        layer.dropout = 0.0
    for layer in model.templates.self_enhanced.values():
        torch.nn.init.uniform_(layer.q, generator=torch.Generator().manual_seed(1))
    batch = worlds.batch(train, sizes)
    losses = model.losses(train.graphs, batch, RandomStreams(2))

    z, bpr, enhanced = {}, 0.0, 0.0
    for name, data in train.graphs.items():
        layer = model.templates.template[f"domain_{name}"]
        z[name] = expected(layer, data, 1.0, 2)
        bpr += reference.bpr(*z[name], reference.rows(batch.triplets[name]))
        q = numbers(model.templates.self_enhanced[f"domain_{name}"].q)
        enhanced += reference.bpr(
            numbers(layer.user) * q,
            numbers(layer.item),
            reference.rows(batch.template_triplets[name]),
        )
    assert set(batch.overlap) == {("books", "food")}  # music shares nobody
    views = []
    pair = ("books", "food")
    for name, rows in zip(pair, batch.overlap[pair], strict=True):
        head = model.head[f"domain_{name}"]
        inner, outer = head.inner, head.outer
        x = z[name][0][rows.numpy()]
        x = np.maximum(x @ numbers(inner.weight).T + numbers(inner.bias), 0)
        views.append(x @ numbers(outer.weight).T + numbers(outer.bias))
    contrastive = reference.info_nce(*views, 0.2)
    assert_close(losses["ranking"].item(), bpr, rtol=1e-5, atol=0)
    assert_close(losses["self_enhanced"].item(), enhanced, rtol=1e-5, atol=0)
    assert_close(losses["contrastive"].item(), contrastive, rtol=1e-5, atol=0)


def test_micrec_without_its_additions_is_inmo_bit_for_bit():
    domains, splits = worlds.worlds()
    train = train_stage(domains, splits, worlds.options(num_neighbors=0))
    sizes = domain_sizes(train)
    found = []
    for make in (inmo, micrec):
        streams = RandomStreams(5)
        model = make(train, streams)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        history = []
        for epoch in range(4):
            model.begin_epoch(epoch)
            batch = worlds.batch(train, sizes, epoch, parts=("template_triplets",))
            losses = model.losses(train.graphs, batch, streams)
            assert list(losses) == ["ranking", "self_enhanced"]
            loss = losses["ranking"] + 0.01 * losses["self_enhanced"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            history.append(loss.item())
        found.append((history, model(train.graphs), model.state_dict()))
    (losses, z, state), (other_losses, other_z, other_state) = found
    assert losses == other_losses
    assert len(set(losses)) == 4
    for name, embeddings in z.items():
        assert torch.equal(embeddings.user, other_z[name].user)
        assert torch.equal(embeddings.item, other_z[name].item)
    for name, value in state.items():
        assert torch.equal(value, other_state[name]), name
    assert all(n.startswith("head.") for n in other_state.keys() - state.keys())


def test_without_layers_inmo_is_its_templates():
    domain, split = worlds.world()
    train = train_stage({"food": domain}, {"food": split}, worlds.options())
    model = inmo(train, RandomStreams(1), num_layers=0)
    data = train.graphs["food"]
    h = model.templates.template["domain_food"](data, "food", None)
    z = model(train.graphs)["food"]
    assert torch.equal(h.user, z.user)
    assert torch.equal(h.item, z.item)


def test_alpha_travels_with_the_state():
    domain, split = worlds.world()
    train = train_stage({"food": domain}, {"food": split}, worlds.options())
    model, other = (inmo(train, RandomStreams(seed)) for seed in (1, 2))
    model.begin_epoch(10)
    other.load_state_dict(model.state_dict())
    assert torch.equal(
        model(train.graphs)["food"].user, other(train.graphs)["food"].user
    )
    other.begin_epoch(0)
    assert not torch.equal(
        model(train.graphs)["food"].user, other(train.graphs)["food"].user
    )
