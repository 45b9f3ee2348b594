"""CLCRec's code from a user's own clone: one training epoch per turn."""

import os
import random
import sys
import time
import types
import warnings
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader
from turns import Turns, arguments

warnings.filterwarnings("ignore")

NAME = "bench"
WARM_UP = 5

turns = Turns()
given = arguments()
data = np.load(given["data"])
# Only features that are words ask for a function of PyTorch Geometric, since removed.
for name in ("torch_geometric", "torch_geometric.utils"):
    sys.modules[name] = types.ModuleType(name)
vars(sys.modules["torch_geometric.utils"])["scatter_"] = None
torch.Tensor.cuda = lambda self, *_: self  # it asks for CUDA come what may
sys.path.insert(0, given["clone"])
os.chdir(given["folder"])  # it looks for its data where it stands

import Dataset  # noqa: E402
from model_CLCRec import CLCRec  # noqa: E402
from Train import train  # noqa: E402

# It draws from sets, which Python did by a tuple until 3.11, and no longer does.
Dataset.random = types.SimpleNamespace(
    sample=lambda population, count: random.sample(tuple(population), count)
)
num_users, num_items = int(data["num_users"]), int(data["num_items"])
place = Path("Data") / NAME
place.mkdir(parents=True)
np.save(place / "cold_set.npy", np.zeros(0, dtype=np.int64))
users, items = data["train"][0], data["train"][1] + num_users
taken: dict[int, list[int]] = {user: [] for user in range(num_users)}
for user, item in zip(users.tolist(), items.tolist(), strict=True):
    taken[user].append(item)
pairs = Dataset.TrainingDataset(
    num_users,
    num_items,
    taken,
    NAME,
    np.stack([users, items], axis=1),
    given["num_negatives"],
)
model = CLCRec(
    num_users,
    num_items,
    num_items,  # all have been seen in training
    None,
    0.1,
    given["dim"],
    torch.from_numpy(data["image"]),
    None,
    torch.from_numpy(data["text"]),
    1.0,
    given["num_negatives"],
    0.5,
    False,
)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
size = given["batch_size"]


def epoch(loader: DataLoader, steps: int | None = None) -> float:
    """Return how long an epoch takes, or its first steps."""
    begin = time.perf_counter()
    train(0, len(pairs), islice(loader, steps), model, optimizer, size, None)
    return time.perf_counter() - begin


# Theirs has one process that loads; on few cores it may be in the way.
loaders = [
    DataLoader(pairs, size, shuffle=True, num_workers=processes) for processes in (0, 1)
]
best = min(loaders, key=lambda loader: epoch(loader, WARM_UP))
turns.done(steps=len(best), loaders=best.num_workers)
while True:
    turns.done(seconds=epoch(best))
