"""IDCF in the official INMO code, from a user's own clone: two epochs per turn.

An epoch of the LightGCN, and one of the relation over its vectors, which that code
trains one after the other.
"""

import itertools
import sys
import time
import types
import warnings
from pathlib import Path
from typing import Any

import torch
from igcn_cf import by_torch, dataset_of
from torch.utils.data import DataLoader
from turns import Turns, arguments

warnings.filterwarnings("ignore")

WARM_UP = 10

turns = Turns()
given = arguments()
kernels: dict[str, types.ModuleType] = {"torch.sparse": by_torch()}
try:
    import dgl

    kernels["DGL"] = dgl
except Exception:  # where it is, it need not load
    sys.modules["dgl"] = kernels["torch.sparse"]
device = torch.device("cpu")
dataset = dataset_of(given, device)

import model as models  # noqa: E402
from trainer import get_trainer  # noqa: E402

folder = Path(given["folder"])


def trainer(model: str, name: str, **settings: Any) -> Any:
    """Return what trains a model."""
    made = models.get_model(
        {
            "name": model,
            "embedding_size": given["dim"],
            "n_layers": given["num_layers"],
            "n_headers": given["num_heads"],
            "n_samples": given["num_keys"],
            "lgcn_path": str(folder / "lgcn.pth"),
            "device": device,
        },
        dataset,
    )
    made.train()
    options = {
        "name": name,
        "optimizer": "Adam",
        "lr": 0.001,
        "l2_reg": 1e-4,
        "device": device,
        "n_epochs": 1,
        "batch_size": given["batch_size"],
        "dataloader_num_workers": 0,
        "test_batch_size": 512,
        "topks": [20],
        **settings,
    }
    return get_trainer(options, dataset, made)


def use(kernel: str, loaders: int, steps: int | None = None) -> None:
    """Train from now on in one of the ways that there are, and few steps if asked."""
    models.dgl = kernels[kernel]
    for stage in stages:
        loader = DataLoader(dataset, given["batch_size"], num_workers=loaders)
        stage.dataloader = loader if steps is None else itertools.islice(loader, steps)


def epochs() -> float:
    """Return how long both take."""
    begin = time.perf_counter()
    for stage in stages:
        stage.train_one_epoch()
    return time.perf_counter() - begin


def warm_up(kernel: str, loaders: int) -> float:
    """Return how long the first steps take."""
    use(kernel, loaders, WARM_UP)
    return epochs()


base = trainer("LightGCN", "BPRTrainer")
base.model.save(folder / "lgcn.pth")
stages = [base, trainer("IDCF_LGCN", "IDCFTrainer", contrastive_reg=1e-3)]
ways = itertools.product(kernels, (0, torch.get_num_threads()))
kernel, loaders = min(ways, key=lambda way: warm_up(*way))
use(kernel, loaders)
turns.done(kernel=kernel, loaders=loaders, steps=len(base.dataloader))
while True:
    turns.done(seconds=epochs())
