"""UniCDR, DisenCDR or CDRIB from a user's own clone: one training epoch per turn.

The three have one layout: a loader that draws samples in Python one by one, which is
left as it comes, and a trainer that knows a loss and a step. An epoch of ours has as
many steps as the larger domain has batches; so has the one timed here, whatever theirs
would have: 500, or the batches of both domains together.
"""

import os
import random
import sys
import types
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from turns import Turns, arguments

warnings.filterwarnings("ignore")

NAME = "a_b"
NAMES = {"a": NAME, "b": "b_a"}
"""The folder of a domain is called after it and the other one."""
TASK = "dual-user-intra"
"""What UniCDR calls two domains whose users are known in both."""

turns = Turns()
given = arguments()
data = np.load(given["data"])
pairs = {domain: data[f"{domain}/train"] for domain in NAMES}
users = int(data["a/num_users"])
size = given["batch_size"]
steps = max(-(-each.shape[1] // size) for each in pairs.values())
torch.Tensor.cuda = lambda self, *_: self  # where it asks for CUDA come what may
root = Path(given["folder"])
for domain, each in pairs.items():
    # By user: DisenCDR numbers the users of each domain as it meets them.
    rows = [f"{user}\t{item}\t1\n" for user, item in sorted(each.T.tolist())]
    for place in ("dataset", f"datasets/{TASK}/dataset"):
        below = root / place / NAMES[domain]
        below.mkdir(parents=True)
        (below / "train.txt").write_text("".join(rows))
        (below / "test.txt").touch()  # nobody to evaluate
(root / "run").mkdir()
os.chdir(root / "run")  # it looks for data beside the folder where it stands
sys.path.insert(0, str(Path(given["clone"]) / given["model"]))

from model.trainer import CrossTrainer  # noqa: E402

random.seed(0)
torch.manual_seed(0)
settings = {
    "model": given["model"],
    "cuda": False,
    "optim": "adam",
    "lr": 0.001,
    "weight_decay": 0.0,
    "dropout": 0.3,
    **given["settings"],
}


def unicdr() -> Callable[[], None]:
    """Return an epoch of UniCDR, which takes a batch of each domain in a step."""
    from utils.data import MetaDomain_DataLoader, MetaDomain_Dataset, TaskGenerator

    histories: list[dict[int, list[list[int]]]] = []
    settings.update(task=TASK, domains=list(NAMES.values()), num_domains=len(NAMES))
    settings["user_max"] = [users] * len(NAMES)
    # Item 0 pads.
    settings["item_max"] = [int(data[f"{domain}/num_items"]) + 1 for domain in NAMES]
    # The mean as aggregator asks nothing of the graphs.
    graphs = types.SimpleNamespace(ease=[None] * len(NAMES))
    tasks = {}
    for number, name in enumerate(NAMES.values()):
        path = f"../datasets/{TASK}/dataset/{name}/train.txt"
        task = TaskGenerator(path, settings, histories, [], number, graphs)
        task.item_set = list(task.item_set)  # Python no longer samples from a set
        histories.append(task.positive_list)
        tasks[number] = task
    negatives = settings["num_negative"]
    loaders = MetaDomain_DataLoader(
        MetaDomain_Dataset(tasks, num_negatives=negatives), size, shuffle=True
    )
    trainer = CrossTrainer(settings)

    def epoch() -> None:
        trainer.model.train()
        for _ in range(steps):
            trainer.optimizer.zero_grad()
            trainer.model.item_embedding_select()
            # After one round theirs shuffles anew for every batch, too.
            losses = [
                trainer.reconstruct_graph(number, next(iter(loaders[number])))
                for number in tasks
            ]
            for loss in losses:
                loss.item()
            sum(losses).backward()
            trainer.optimizer.step()

    return epoch


def variational() -> Callable[[], None]:
    """Return an epoch of DisenCDR or of CDRIB."""
    from utils.GraphMaker import GraphMaker
    from utils.loader import DataLoader

    edges = [
        GraphMaker(settings, f"../dataset/{name}/train.txt") for name in NAMES.values()
    ]
    # CDRIB's batches are of both domains together, DisenCDR's have a pair of each.
    together = size * (len(NAMES) if given["model"] == "CDRIB" else 1)
    loader = DataLoader(NAME, together, settings, evaluation=-1)
    for name in ("shared_user", "source_shared_user", "target_shared_user"):
        settings[name] = users
    trainer = CrossTrainer(settings)
    views = [view for graph in edges for view in (graph.UV, graph.VU)]

    def epoch() -> None:
        for step in range(steps):
            # DisenCDR's first nine epochs, without what domains share, are left out:
            # this is the loss of the others.
            trainer.reconstruct_graph(loader[step % len(loader)], *views)

    return epoch


epoch = unicdr() if given["model"] == "UniCDR" else variational()
turns.repeat(epoch, steps=steps)
