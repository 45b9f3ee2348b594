"""DisenCDR against its equations, node by node."""

import numpy as np
import pytest
import torch
from reference import crossdomain, worlds
from reference import variational as reference
from reference.general import numbers
from reference.scoring import scores
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.models.disencdr import DisenCDR
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import ITEM, USER
from micrec_pyg.training.sampler import Sampler

OPTIONS = worlds.options(num_neighbors=0)


@pytest.fixture
def stage():
    domains, splits = worlds.worlds(first_of_music=6)
    return domains, splits, train_stage(domains, splits, OPTIONS)


@pytest.fixture
def model(stage):
    return DisenCDR(
        sizes=domain_sizes(stage[-1]),
        streams=RandomStreams(1),
        dim=4,
        std=0.9,
        unseen="zero",
        num_layers=2,
        dropout=0.0,
        num_negatives=2,
    )


def own(model, graphs, domain, part):
    """Return means and deviations of an encoder of one domain."""
    kind = ITEM if part == "item" else USER
    data, key = graphs[domain], f"domain_{domain}"
    x = reference.start(model.embedding[key], data)[kind == ITEM]
    encoder = getattr(model.domain[key], part)
    return reference.encode(encoder, x, data, kind)[1:]


def test_scores_also_of_new_nodes(stage, model):
    domains, splits, train = stage
    graphs = test_stage(train, domains, splits, OPTIONS).graphs
    shared, _ = reference.disencdr_shared(model, graphs)
    for domain, found in scores(model, graphs).items():
        user, item = (own(model, graphs, domain, part)[0] for part in ("user", "item"))
        expected = (np.array(shared[domain]) + np.array(user)) @ np.array(item).T
        assert_close(numbers(found), expected, rtol=1e-4, atol=1e-5)


def test_losses(stage, model):
    graphs, streams = stage[-1].graphs, RandomStreams(3)
    sampler = Sampler(
        stage[-1],
        batch_size=6,
        parts={"negatives"},
        streams=RandomStreams(2),
        num_negatives=2,
    )
    batch = sampler.draw()

    def noise(domain, part):
        rows = graphs[domain]["item" if part == "item" else "user"].num_nodes
        return torch.randn(rows, 4, generator=streams("noise", domain, part)).numpy()

    means, stds = reference.disencdr_shared(model, graphs)
    everybody = {name: noise(name, "shared") for name in graphs}
    recommendation = specific = informative = 0.0
    of_people = {}
    for domain, given in batch.negatives.items():
        z = {}
        for part in ("user", "item"):
            mean, std = own(model, graphs, domain, part)
            specific += reference.information(mean, std)
            z[part] = reference.drawn(mean, std, noise(domain, part))
        alone = own(model, graphs, domain, "alone")
        far = []
        for user, (mean, std) in enumerate(
            zip(means[domain], stds[domain], strict=True)
        ):
            rows = crossdomain.rows_of(domain, user, graphs)
            first = min(rows)  # a person has one sample in all domains
            sample = mean + std * everybody[first][rows[first]]
            z["user"][user] = z["user"][user] + sample
            far.append(reference.divergence(mean, std, alone[0][user], alone[1][user]))
            person = graphs[domain][USER].person.tolist()[user]
            of_people[person] = reference.divergence(mean, std)
        informative += np.mean(far)
        pos, neg = (
            [np.array([z["item"][i] for i in np.ravel(row)]) @ z["user"][user]
             for user, row in zip(given.user.tolist(), rows.tolist(), strict=True)]
            for rows in (given.pos, given.neg)
        )  # fmt: skip
        recommendation += crossdomain.both(np.ravel(pos), neg)
    found = model.losses(graphs, batch, RandomStreams(3))
    expected = {
        "recommendation": recommendation,
        "specific": specific,
        "shared": np.mean(list(of_people.values())),
        "informative": informative,
    }
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert_close(found[name].item(), float(value), rtol=1e-5, atol=0)
