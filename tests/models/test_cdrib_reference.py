"""CDRIB against its equations, node by node."""

import numpy as np
import pytest
import torch
from reference import crossdomain, worlds
from reference import variational as reference
from reference.general import linear, numbers, sigmoid
from reference.scoring import scores
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.models.cdrib import CDRIB
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import ITEM, USER
from micrec_pyg.training.sampler import Sampler

OPTIONS = worlds.options(num_neighbors=0)


@pytest.fixture
def stage():
    domains, splits = worlds.worlds(first_of_music=6)
    return domains, splits, train_stage(domains, splits, OPTIONS)


def make(stage, own_share):
    return CDRIB(
        sizes=domain_sizes(stage[-1]),
        streams=RandomStreams(1),
        dim=4,
        std=0.9,
        unseen="zero",
        num_layers=2,
        hidden=[5, 3],
        own_share=own_share,
        dropout=0.0,
        num_negatives=2,
    )


@pytest.mark.parametrize("own_share", [0.0, 0.3])
def test_scores_also_of_new_users(stage, own_share):
    model = make(stage, own_share)
    domains, splits, train = stage
    graphs = test_stage(train, domains, splits, OPTIONS).graphs
    z, _ = reference.cdrib(model, graphs, None)
    for domain, found in scores(model, graphs).items():
        users = range(graphs[domain][USER].num_nodes)
        user = [reference.cdrib_user(model, domain, u, z, graphs) for u in users]
        expected = np.array(user) @ np.array(z[domain, ITEM]).T
        assert_close(numbers(found), expected, rtol=1e-4, atol=1e-5)


def test_a_user_of_two_domains_is_scored_by_the_other_one(stage):
    graphs, model = stage[-1].graphs, make(stage, 0.0)
    before = scores(model, graphs)["food"]
    with torch.no_grad():
        model.embedding["domain_food"].user.normal_()
    same = (before == scores(model, graphs)["food"]).all(1).tolist()
    people = [graphs[name][USER].person.tolist() for name in ("food", "books", "music")]
    shared = [person in people[1] + people[2] for person in people[0]]
    assert same == shared
    assert 0 < sum(shared) < len(shared)


def told_apart(net, first, second):
    """Return the logit that two vectors are of one user."""
    x = np.concatenate([first, second])
    for place, layer in enumerate(net.layers):
        x = linear(layer, np.maximum(x, 0) if place else x)
    return x[0]


@pytest.mark.parametrize("own_share", [0.0, 0.3])
def test_losses(stage, own_share):
    graphs, model = stage[-1].graphs, make(stage, own_share)
    sampler = Sampler(
        stage[-1],
        batch_size=6,
        parts={"negatives", "overlap"},
        streams=RandomStreams(2),
        num_negatives=2,
    )
    batch, streams = sampler.draw(), RandomStreams(3)
    noise = {
        (name, kind): torch.randn(
            data[kind].num_nodes, 4, generator=streams("noise", name, kind)
        ).numpy()
        for name, data in graphs.items()
        for kind in (USER, ITEM)
    }
    z, far = reference.cdrib(model, graphs, noise)
    recommendation = critic = 0.0
    for domain, given in batch.negatives.items():
        user = [
            reference.cdrib_user(model, domain, u, z, graphs)
            for u in given.user.tolist()
        ]
        pos, neg = (
            [np.array([z[domain, ITEM][i] for i in np.ravel(row)]) @ vector
             for vector, row in zip(user, rows.tolist(), strict=True)]
            for rows in (given.pos, given.neg)
        )  # fmt: skip
        recommendation += crossdomain.both(np.ravel(pos), neg)
    for (a, b), rows in batch.overlap.items():
        tell = model.critic[f"domain_{a}"][f"domain_{b}"]
        one, two = z[a, USER], z[b, USER]
        random = [
            torch.randint(
                len(z[name, USER]),
                rows[0].shape,
                generator=streams("critic", a, b, name),
            ).tolist()
            for name in (a, b)
        ]
        triples = list(zip(*rows.tolist(), *random, strict=True))
        same = [told_apart(tell, one[u], two[v]) for u, v, _, _ in triples]
        first = [told_apart(tell, one[u], two[w]) for u, _, _, w in triples]
        second = [told_apart(tell, one[w], two[v]) for _, v, w, _ in triples]
        critic += crossdomain.both(same, first)
        critic += np.mean([-np.log(1 - sigmoid(x)) for x in second])
    found = model.losses(graphs, batch, RandomStreams(3))
    expected = {
        "recommendation": recommendation,
        "user_information": sum(far[name, USER] for name in graphs),
        "item_information": sum(far[name, ITEM] for name in graphs),
        "critic": critic,
    }
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert_close(found[name].item(), float(value), rtol=1e-5, atol=0)
