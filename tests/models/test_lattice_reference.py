"""LATTICE against its equations."""

import numpy as np
import pytest
import torch
from reference import multimodal as reference
from reference import nn as naive
from reference import worlds
from reference.general import numbers
from reference.scoring import scores
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.models.lattice import LATTICE
from micrec_pyg.nn.ranking import BPR
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import ITEM, USER

OPTIONS = worlds.options(num_neighbors=0)
SETTINGS = {"num_layers": 2, "k": 4, "skip": 0.6}


@pytest.fixture
def stage():
    domains, splits = worlds.worlds()
    return domains, splits, train_stage(domains, splits, OPTIONS)


def made(stage, **changes):
    settings = {**SETTINGS, **changes}
    model = LATTICE(
        sizes=domain_sizes(stage[-1]),
        streams=RandomStreams(1),
        dim=4,
        std=0.5,
        unseen="zero",
        num_item_layers=2,
        loss=BPR(),
        **settings,
    )
    with torch.no_grad():
        for parameter in model.importance.values():
            parameter.copy_(torch.tensor([0.4, -0.3]))
    model.prepare(stage[-1])
    return model


def z_of(model, domain, data, **changes):
    """Return z of users and items; new nodes start at zero."""
    table = model.embedding[f"domain_{domain}"]
    start = [
        np.array([side[r] if r >= 0 else 0 * side[0] for r in rows.tolist()])
        for side, rows in (
            (numbers(table.user), data[USER].train_row),
            (numbers(table.item), data[ITEM].train_row),
        )
    ]
    return reference.lattice(model, domain, data, start, **{**SETTINGS, **changes})


@pytest.mark.parametrize("k", [1, 4, 99])
def test_scores_also_of_new_nodes(stage, k):
    domains, splits, train = stage
    model = made(stage, k=k)
    graphs = test_stage(train, domains, splits, OPTIONS).graphs
    for domain, found in scores(model, graphs).items():
        user, item = z_of(model, domain, graphs[domain], k=k)
        assert_close(numbers(found), user @ item.T, rtol=1e-4, atol=1e-5)


def chosen(model, graphs):
    """Return the lists by projected content, by domain and modality."""
    return {
        domain: {
            name: reference.most_similar(
                reference.lattice_vectors(structure, data)[1],
                SETTINGS["k"],
                range(data[ITEM].num_nodes),
            )
            for name, structure in model.structures[f"domain_{domain}"].items()
        }
        for domain, data in graphs.items()
    }


def test_lists_stay_for_an_epoch_and_their_cosines_do_not(stage):
    train, model = stage[-1], made(stage)
    graphs = train.graphs
    batch = worlds.batch(train, domain_sizes(train), parts=())
    of_start = chosen(model, graphs)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".layer." in name:
                generator = torch.Generator().manual_seed(len(name))
                parameter.add_(torch.randn(parameter.shape, generator=generator))
    of_now = chosen(model, graphs)
    assert of_now != of_start
    for lists in (of_start, of_now):
        found = model.losses(graphs, batch, RandomStreams(3))
        ranking = l2 = 0.0
        for domain, given in batch.triplets.items():
            z = z_of(model, domain, graphs[domain], chosen=lists[domain])
            ranking += naive.bpr(*z, naive.rows(given))
            l2 += naive.l2(*z, naive.rows(given))
        assert_close(found["ranking"].item(), ranking, rtol=1e-5, atol=0)
        assert_close(found["l2"].item(), l2, rtol=1e-5, atol=0)
        model.begin_epoch(1)
