"""What every model owes, whatever it is."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from reference import worlds
from reference.waiting import NoWaiting
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.models.base import module_key
from micrec_pyg.nn.spmm import configure
from micrec_pyg.schema import (
    INTERACTED_BY,
    Domain,
    Interactions,
    RandomStreams,
    UnseenNodeError,
    Vocab,
)
from micrec_pyg.training.sampler import Sampler
from micrec_pyg.training.step import Step

CONF = Path(__file__).parents[2] / "conf" / "model"


def total(model, config, train, streams, seed=0):
    """Return the weighted loss of one batch."""
    losses = model.losses(
        train.graphs, worlds.batch(train, domain_sizes(train), seed), streams
    )
    assert set(losses) == set(config["weights"])
    return sum(config["weights"][name] * losses[name] for name in sorted(losses))


def step(model, config, train, streams, count=1):
    """Take some steps of Adam."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for number in range(count):
        optimizer.zero_grad()
        total(model, config, train, streams, number).backward()
        optimizer.step()


def same(a, b):
    return torch.equal(a.user, b.user) and torch.equal(a.item, b.item)


def scored(model, train, users):
    return model.scorer("food", model(train.graphs), train.graphs)(users)


def trains(model):
    return bool(list(model.parameters()))


def test_every_model_is_here():
    assert len(list(CONF.glob("*.yaml"))) == 7


def test_weights_name_the_losses(make, config, stage):
    model = make(stage[-1])
    assert set(config["weights"]) == set(model.terms)
    assert trains(model) == bool(model.terms)


def test_losses_are_finite_and_gradients_reach_every_parameter(make, config, stage):
    train = stage[-1]
    model = make(train)
    if not trains(model):
        assert not model.terms
        return
    loss = total(model, config, train, RandomStreams(1))
    assert bool(loss.isfinite())
    loss.backward()
    for name, parameter in model.named_parameters():
        if name.startswith("head.domain_music"):
            assert parameter.grad is None  # shares no user with another domain
            continue
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name
        assert bool((parameter.grad != 0).any()), name


def test_losses_only_of_the_parts_that_a_batch_has(make, stage):
    train = stage[-1]
    model = make(train)
    batch = worlds.batch(train, domain_sizes(train), parts=())
    if trains(model):
        losses = model.losses(train.graphs, batch, RandomStreams(1))
        wanted = {n for n, part in model.terms.items() if part == "triplets"}
        assert set(losses) == wanted


def test_relabelling_nodes_permutes_outputs(make, options):
    edges = worlds.random_edges(9, 12, 0.4, 5)
    domain = worlds.domain("food", edges, num_users=9, num_items=12)
    # Place p of the relabelled domain holds node order[p].
    users, items = (
        torch.randperm(n, generator=torch.Generator().manual_seed(n)) for n in (9, 12)
    )
    moved = torch.stack([users.argsort()[edges[0]], items.argsort()[edges[1]]])
    relabelled = Domain(
        name="food",
        interactions=Interactions(
            user=moved[0],
            item=moved[1],
            users=Vocab(domain.interactions.users.ids.gather(users.tolist())),
            items=Vocab(domain.interactions.items.ids.gather(items.tolist())),
        ),
        features={
            name: replace(f, values=f.values[items], mask=f.mask[items])
            for name, f in domain.features.items()
        },
        digest="",
    )
    stages = [
        train_stage({"food": d}, {"food": worlds.split(e, 9, 12)}, options)
        for d, e in ((domain, edges), (relabelled, moved))
    ]
    model, other = make(stages[0]), make(stages[1], seed=9)
    order = {"user": users, "item": items}
    state = {
        name: value[order[name.rpartition(".")[2]]]
        if name.rpartition(".")[2] in order
        else value
        for name, value in model.state_dict().items()
    }
    other.load_state_dict(state)
    before = model(stages[0].graphs)["food"]
    after = other(stages[1].graphs)["food"]
    assert_close(after.user, before.user[users])
    assert_close(after.item, before.item[items])


def test_removing_an_edge_changes_its_ends(make, config, options):
    domain, split = worlds.world()
    train = train_stage({"food": domain}, {"food": split}, options)
    less = train_stage(
        {"food": domain}, {"food": replace(split, train=split.train[:, 1:])}, options
    )
    user, item = train.labels["food"][:, 0]
    assert train.graphs["food"][INTERACTED_BY].adj_t.to_dense()[user, item] > 0
    model = make(train)
    with torch.no_grad():
        before, after = model(train.graphs)["food"], model(less.graphs)["food"]
    # BPR-MF knows no graph, and popularity has 1 for every user.
    user_moves = config["name"] not in ("bpr_mf", "popularity")
    item_moves = config["name"] != "bpr_mf"
    assert torch.equal(before.user[user], after.user[user]) != user_moves
    assert torch.equal(before.item[item], after.item[item]) != item_moves


def test_a_step_never_waits_for_the_device(make, config, stage):
    train, streams = stage[-1], RandomStreams(1)
    model = make(train)
    if not trains(model):
        return
    parts = set(model.terms.values())
    sampler = Sampler(train, batch_size=8, parts=parts, streams=streams)
    adam = torch.optim.Adam(model.parameters(), fused=True)
    weights = dict.fromkeys(model.terms, 1.0)
    take = Step(model, train, sampler, weights, adam, streams)
    configure(kernel="csr")  # as on CUDA: whole products, no part of a size to ask for
    try:
        with NoWaiting():
            take()
    finally:
        configure()


def test_labels_never_change_embeddings(make, config, options):
    domain, split = worlds.world()
    none = split.val[:, :0]
    known = torch.cat([split.train, split.support], dim=1)
    blind = replace(
        domain,
        interactions=replace(domain.interactions, user=known[0], item=known[1]),
    )
    found = []
    for d, s in ((domain, split), (blind, replace(split, val=none, test=none))):
        train = train_stage({"food": d}, {"food": s}, options)
        test = test_stage(train, {"food": d}, {"food": s}, options)
        model = make(train)
        graphs = [train.graphs]
        if config["name"] != "bpr_mf":
            graphs.append(test.graphs)
        found.append([model(g)["food"] for g in graphs])
    for before, after in zip(*found, strict=True):
        assert same(before, after)


def test_same_seed_same_bits(make, config, stage):
    train = stage[-1]
    models = [make(train, seed=3), make(train, seed=3), make(train, seed=4)]
    if trains(models[0]):
        for model in models:
            step(model, config, train, RandomStreams(3), count=2)
    z = [model(train.graphs) for model in models]
    assert all(same(z[0][name], z[1][name]) for name in z[0])
    differs = not same(z[0]["food"], z[2]["food"])
    assert differs == trains(models[0])


def test_a_step_changes_the_next_evaluation(make, config, stage):
    train = stage[-1]
    model = make(train)
    users = torch.arange(4)
    if not trains(model):
        return
    with torch.no_grad():
        before = scored(model, train, users)
        again = scored(model, train, users)
    step(model, config, train, RandomStreams(1))
    with torch.no_grad():
        after = scored(model, train, users)
    assert torch.equal(before, again)
    assert bool((before != after).any(1).all())


def test_scores_are_inner_products(make, stage):
    train = stage[-1]
    model = make(train)
    z = model(train.graphs)["food"]
    scores = scored(model, train, torch.tensor([2, 0]))
    for place, user in enumerate((2, 0)):
        for item in range(len(z.item)):
            assert_close(scores[place, item], (z.user[user] * z.item[item]).sum())


def test_the_order_of_domains_is_irrelevant(make, config, stage, options):
    domains, splits, train = stage
    turned = {name: domains[name] for name in reversed(domains)}
    other = train_stage(turned, splits, options)
    assert list(other.graphs) == list(reversed(list(train.graphs)))
    results = []
    for one in (train, other):
        model = make(one)
        if trains(model):
            loss = total(model, config, one, RandomStreams(1))
            step(model, config, one, RandomStreams(2), count=3)
        else:
            loss = torch.zeros(())
        results.append((model(one.graphs), loss))
    (z, loss), (z_turned, loss_turned) = results
    assert torch.equal(loss, loss_turned)
    assert all(same(z[name], z_turned[name]) for name in domains)


def test_a_domain_alone_has_the_same_vectors(make, stage, options):
    domains, splits, train = stage
    alone = train_stage({"food": domains["food"]}, splits, options)
    assert same(
        make(train)(train.graphs)["food"],
        make(alone)(alone.graphs)["food"],
    )


def test_a_larger_graph_is_answered_or_refused(make, config, stage, options):
    domains, splits, train = stage
    test = test_stage(train, domains, splits, options)
    model = make(train)
    if config["name"] == "bpr_mf":
        with pytest.raises(UnseenNodeError, match="3 user nodes were not in"):
            model(test.graphs)
        return
    z = model(test.graphs)
    for name, domain in domains.items():
        assert len(z[name].user) == len(domain.interactions.users)
        assert len(z[name].item) == len(domain.interactions.items)
        assert bool(z[name].user.isfinite().all())
        assert bool(z[name].item.isfinite().all())


def test_a_disconnected_component_changes_nothing_else(make, config):
    """New users with edges to new items only, without similarity edges."""
    options = worlds.options(num_neighbors=0)
    old = worlds.random_edges(8, 9, 0.5, 6)
    new = worlds.random_edges(3, 4, 0.7, 7) + torch.tensor([[8], [9]])
    domain = worlds.domain("food", torch.cat([old, new], 1), num_users=11, num_items=13)
    split = worlds.split(
        old,
        11,
        13,
        support=new,
        unseen_users=range(8, 11),
        unseen_items=range(9, 13),
    )
    train = train_stage({"food": domain}, {"food": split}, options)
    test = test_stage(train, {"food": domain}, {"food": split}, options)
    model = make(train)
    before = model(train.graphs)["food"]
    if config["name"] == "bpr_mf":
        with pytest.raises(UnseenNodeError):
            model(test.graphs)
        return
    after = model(test.graphs)["food"]
    assert_close(after.user[:8], before.user, rtol=1e-6, atol=1e-7)
    assert_close(after.item[:9], before.item, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["food", "a.b", "a%2Eb", "keys", "type", "a b"])
def test_domains_may_have_any_name(name):
    module = torch.nn.ModuleDict({module_key(name): torch.nn.Identity()})
    assert module_key(name) in module


def test_names_of_domains_never_collide():
    names = ["a.b", "a%2Eb", "a%b", "a%25b", "ab"]
    assert len({module_key(name) for name in names}) == len(names)
