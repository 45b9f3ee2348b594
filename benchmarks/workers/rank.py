"""Ours: rank every item for every user, or validate; also the data for the peers.

Before it is ready it writes what the peers work on, taken from a run's own inputs:
training pairs, held-out pairs and LightGCN's embeddings. Peers get users and items
numbered as the file first shows them, which is their own way; ours are numbered at
random.
"""

import time
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from turns import Turns, arguments

from micrec_pyg.cli.process import prepare

prepare()  # before the first tensor: torch then asks for huge pages

from micrec_pyg import blas  # noqa: E402
from micrec_pyg.cli.config import experiment  # noqa: E402
from micrec_pyg.evaluation.block_size import users_at_once  # noqa: E402
from micrec_pyg.evaluation.rank import rank  # noqa: E402
from micrec_pyg.evaluation.validate import validate  # noqa: E402
from micrec_pyg.graph.build import valid_stage  # noqa: E402
from micrec_pyg.runs.inputs import load  # noqa: E402
from micrec_pyg.runs.job import make_model  # noqa: E402

K = 20


def by_appearance(ends: Tensor, count: int) -> Tensor:
    """Return the nodes in the order in which the edges first show them."""
    first = torch.full((count,), len(ends))
    first.scatter_reduce_(0, ends, torch.arange(len(ends)), "amin")
    return first.argsort(stable=True)


turns = Turns()
given = arguments()
run = experiment(given["overrides"])
inputs = load(run)
model = make_model(run, inputs).eval()
(domain,) = inputs.train.graphs
stage = valid_stage(inputs.train, inputs.domains, inputs.splits, inputs.options)
task = stage.tasks[domain]
with torch.no_grad():
    found = model(stage.graphs)
z = found[domain]
batch_size = users_at_once(run.block_size, len(z.item), "cpu")
user = torch.arange(len(z.user))
# one held-out item per user: all are ranked
hidden = torch.stack([user, user % len(z.item)])
stage = replace(stage, tasks={domain: replace(task, hidden=hidden)})
labels = inputs.train.labels[domain]
users, items = (
    by_appearance(ends, len(nodes))
    for ends, nodes in zip(labels, (z.user, z.item), strict=True)
)
place = users.argsort(), items.argsort()
np.savez(
    given["data"],
    train=torch.stack([place[0][labels[0]], place[1][labels[1]]]).numpy(),
    hidden=torch.stack([place[0][hidden[0]], place[1][hidden[1]]]).numpy(),
    num_users=len(users),
    num_items=len(items),
    user=z.user[users].numpy(),
    item=z.item[items].numpy(),
)


def ranking() -> None:
    """Rank with the history masked."""
    rank(
        model.scorer(domain, found, stage.graphs),
        users=user,
        n_id=user,
        known=task.known,
        k=K,
        candidates=None,
        batch_size=batch_size,
    )


def validation() -> None:
    """Propagate, rank with the history masked, and judge."""
    validate(model, stage, k=K, batch_size=batch_size)


request = turns.done(num_users=len(z.user), num_items=len(z.item))
while True:
    turn = validation if request == "validation" else ranking
    blas.configure(request if request in blas.LIBRARIES else blas.AUTO)
    begin = time.perf_counter()
    turn()
    request = turns.done(seconds=time.perf_counter() - begin)
