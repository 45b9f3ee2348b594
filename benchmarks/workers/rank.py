"""Ours: rank every item for every user, or validate; also the data for the peers.

Before it is ready it writes what the peers work on, taken from a run's own inputs:
training pairs, held-out pairs and LightGCN's embeddings.
"""

import time
from dataclasses import replace

import numpy as np
import torch
from turns import Turns, arguments

from micrec_pyg.cli.process import prepare

prepare()  # before the first tensor: torch then asks for huge pages

from micrec_pyg.cli.config import composed  # noqa: E402
from micrec_pyg.cli.inputs import load  # noqa: E402
from micrec_pyg.cli.jobs import make_model  # noqa: E402
from micrec_pyg.evaluation.evaluate import validate  # noqa: E402
from micrec_pyg.evaluation.rank import rank  # noqa: E402
from micrec_pyg.graph.build import valid_stage  # noqa: E402

K = 20

turns = Turns()
given = arguments()
config = composed(given["overrides"])
inputs = load(config)
model = make_model(config, inputs).eval()
(domain,) = inputs.train.graphs
batch_size = config["rank"]["batch_size"]
stage = valid_stage(inputs.train, inputs.splits)
with torch.no_grad():
    z = model(stage.graphs)[domain]
user = torch.arange(len(z.user))
# one held-out item per user: all are ranked
hidden = torch.stack([user, user % len(z.item)])
stage = replace(stage, hidden={domain: hidden})
np.savez(
    given["data"],
    train=inputs.train.labels[domain].numpy(),
    hidden=hidden.numpy(),
    num_users=len(z.user),
    num_items=len(z.item),
    user=z.user.numpy(),
    item=z.item.numpy(),
)


def ranking() -> None:
    """Rank with the history masked."""
    rank(
        model,
        z,
        users=user,
        known=stage.known[domain],
        k=K,
        candidates=None,
        batch_size=batch_size,
    )


def validation() -> None:
    """Propagate, rank with the history masked, and judge."""
    validate(model, stage, k=K, batch_size=batch_size)


request = turns.done(num_users=len(z.user), num_items=len(z.item))
while True:
    turn = {"ranking": ranking, "validation": validation}[request]
    begin = time.perf_counter()
    turn()
    request = turns.done(seconds=time.perf_counter() - begin)
