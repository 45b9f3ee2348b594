"""A user added at inference is answered as one who was there all along."""

import torch
from reference import worlds

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.models.micrec import MICRec
from micrec_pyg.nn.neighbor import NeighborAggregation
from micrec_pyg.nn.ranking import BPR
from micrec_pyg.random_streams import RandomStreams

NUM_USERS, NUM_ITEMS = 10, 12


def answered(place):
    """Return z of (the new user, the others, items); the new one sits at ``place``."""
    old = worlds.random_edges(NUM_USERS, NUM_ITEMS, 0.4, seed=5)
    old = torch.stack([old[0] + (old[0] >= place).long(), old[1]])  # make room
    new = torch.tensor([[place, place, place], [1, 4, 6]])
    domain = worlds.domain(
        "food", torch.cat([old, new], dim=1), num_users=NUM_USERS + 1, num_items=12
    )
    split = worlds.split(
        old, NUM_USERS + 1, NUM_ITEMS, unseen_users=(place,), support=new
    )
    domains, splits = {"food": domain}, {"food": split}
    train = train_stage(domains, splits, worlds.options())
    model = MICRec(
        sizes=domain_sizes(train),
        streams=RandomStreams(0),
        dim=4,
        std=0.1,
        loss=BPR(),
        num_layers=2,
        dropout=0.3,
        alpha_decay=0.99,
        neighbor=NeighborAggregation(aggregation="residual", temperature=1.0),
        temperature=0.2,
    )
    stage = test_stage(train, domains, splits, worlds.options())
    with torch.no_grad():
        z = model(stage.graphs)["food"]
    others = torch.arange(NUM_USERS + 1) != place
    return z.user[place], z.user[others], z.item


def test_the_place_of_a_new_user_does_not_matter():
    first, last = answered(0), answered(NUM_USERS)
    for there, here in zip(first, last, strict=True):
        torch.testing.assert_close(there, here, atol=1e-6, rtol=1e-5)
    assert float(first[0].abs().min()) > 0
