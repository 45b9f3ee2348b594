"""UniCDR against its equations, user by user."""

import numpy as np
import pytest
import torch
from reference import crossdomain as reference
from reference import worlds
from reference.general import linear, numbers
from reference.scoring import scores
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.models.unicdr import UniCDR
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import USER
from micrec_pyg.training.sampler import Sampler

OPTIONS = worlds.options(num_neighbors=0)


@pytest.fixture
def stage():
    domains, splits = worlds.worlds(unseen={USER}, first_of_music=6)
    return domains, splits, train_stage(domains, splits, OPTIONS)


@pytest.fixture
def model(stage):
    return UniCDR(
        sizes=domain_sizes(stage[-1]),
        streams=RandomStreams(1),
        dim=4,
        std=0.7,
        own_share=0.3,
        history=3,
        dropout=0.0,
        num_negatives=2,
    )


def test_scores_also_of_new_users(stage, model):
    domains, splits, train = stage
    graphs = test_stage(train, domains, splits, OPTIONS, answers={USER}).graphs
    items = {name: reference.items_of(data) for name, data in graphs.items()}
    for domain, found in scores(model, graphs).items():
        q = numbers(model.domain[f"domain_{domain}"].item)
        expected = []
        for user in range(graphs[domain][USER].num_nodes):
            accounts = reference.rows_of(domain, user, graphs)
            everywhere = [(n, i) for n, row in accounts.items() for i in items[n][row]]
            s, c = reference.unicdr_views(
                model, domain, user, graphs, items[domain][user], everywhere
            )
            expected.append([(s + c) @ one for one in q])
        assert_close(numbers(found), np.array(expected), rtol=1e-4, atol=1e-5)


def test_losses(stage, model):
    graphs = stage[-1].graphs
    sampler = Sampler(
        stage[-1],
        batch_size=6,
        parts={"negatives"},
        streams=RandomStreams(2),
        num_negatives=2,
    )
    batch = sampler.draw()
    items = {name: reference.items_of(data) for name, data in graphs.items()}
    recommendation = critic = 0.0
    for domain, given in batch.negatives.items():
        draws = {
            name: torch.rand(
                6,
                3,
                dtype=torch.float64,
                generator=RandomStreams(3)("history", domain, name),
            ).tolist()
            for name in graphs
        }
        mine = model.domain[f"domain_{domain}"]
        views = []
        for n, (user, pos) in enumerate(
            zip(given.user.tolist(), given.pos.tolist(), strict=True)
        ):
            drawn = [
                (name, items[name][row][int(share * len(items[name][row]))])
                for name, row in reference.rows_of(domain, user, graphs).items()
                for share in draws[name][n]
            ]
            own = [i for name, i in drawn if name == domain and i != pos]
            others = [(name, i) for name, i in drawn if name != domain]
            views.append(
                reference.unicdr_views(model, domain, user, graphs, own, others)
            )
        q = numbers(mine.item)
        pos = [
            (s + c) @ q[i] for (s, c), i in zip(views, given.pos.tolist(), strict=True)
        ]
        neg = [
            [(s + c) @ q[j] for j in row]
            for (s, c), row in zip(views, given.neg.tolist(), strict=True)
        ]
        recommendation += reference.both(pos, neg)
        shift = torch.randint(
            1, 6, (1,), generator=RandomStreams(3)("shift", domain)
        ).item()
        told = [
            [
                linear(mine.critic, views[(n + by) % 6][0]) @ views[n][1]
                for n in range(6)
            ]
            for by in (0, shift)
        ]
        critic += reference.both(*told)
    found = model.losses(graphs, batch, RandomStreams(3))
    assert_close(found["recommendation"].item(), recommendation, rtol=1e-5, atol=0)
    assert_close(found["critic"].item(), critic, rtol=1e-5, atol=0)


def test_one_row_has_no_critic_loss(stage, model):
    graphs = stage[-1].graphs
    sampler = Sampler(
        stage[-1],
        batch_size=1,
        parts={"negatives"},
        streams=RandomStreams(2),
        num_negatives=2,
    )
    found = model.losses(graphs, sampler.draw(), RandomStreams(3))
    assert found["critic"].item() == 0
    assert found["recommendation"].item() > 0
    sum(found.values()).backward()
    assert model.domain["domain_food"].critic.weight.grad is None
