"""The official INMO code from a user's own clone: one epoch per turn.

It asks DGL for its sparse products. ``kernel`` says what answers: DGL itself, or
the few lines below, which let ``torch.sparse`` do the same products.
"""

import itertools
import sys
import time
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from turns import Turns, arguments

warnings.filterwarnings("ignore")

WARM_UP = 10


def by_torch() -> types.ModuleType:
    """Return a stand-in for the ``dgl`` module with the two functions in use."""

    def graph(edges: tuple, num_nodes: int, device: Any) -> tuple:
        source, destination = edges
        return torch.stack([destination, source]), (num_nodes, num_nodes)

    def gspmm(graph: tuple, *_: str, lhs_data: Any, rhs_data: Any) -> torch.Tensor:
        matrix = torch.sparse_coo_tensor(graph[0], rhs_data, graph[1])
        return torch.sparse.mm(matrix, lhs_data)

    module = types.ModuleType("dgl")
    module.graph = graph  # type: ignore[attr-defined]
    module.ops = types.SimpleNamespace(gspmm=gspmm)  # type: ignore[attr-defined]
    return module


turns = Turns()
given = arguments()
if given["kernel"] == "torch.sparse":
    sys.modules["dgl"] = by_torch()
sys.path.insert(0, given["clone"])

from dataset import get_dataset  # noqa: E402
from model import get_model  # noqa: E402
from trainer import get_trainer  # noqa: E402

data = np.load(given["data"])
num_users, num_items = int(data["num_users"]), int(data["num_items"])
folder = Path(given["folder"])


def write(part: str, pairs: np.ndarray) -> None:
    """Write a line per user: the user, then the items."""
    items: list[list[int]] = [[] for _ in range(num_users)]
    for user, item in pairs.T.tolist():
        items[user].append(item)
    lines = [" ".join(map(str, [user, *row])) for user, row in enumerate(items)]
    (folder / f"{part}.txt").write_text("\n".join(lines))


write("train", data["train"])
for part in ("val", "test"):
    write(part, data["hidden"])
device = torch.device("cpu")
dataset = get_dataset(
    {"name": "ProcessedDataset", "path": str(folder), "device": device}
)
model = get_model(
    {
        "name": "IGCN",  # what the code calls INMO-LGCN
        "embedding_size": 64,
        "n_layers": 3,
        "dropout": 0.3,
        "feature_ratio": 1.0,
        "device": device,
    },
    dataset,
)
trainer = get_trainer(
    {
        "name": "IGCNTrainer",
        "optimizer": "Adam",
        "lr": 0.001,
        "l2_reg": 0.0,
        "aux_reg": 0.01,
        "device": device,
        "n_epochs": 1,
        "batch_size": given["batch_size"],
        "dataloader_num_workers": given["loaders"],
        "test_batch_size": 512,
        "topks": [20],
    },
    dataset,
    model,
)
model.train()
loader = trainer.dataloader
trainer.dataloader = itertools.islice(loader, WARM_UP)
begin = time.perf_counter()
trainer.train_one_epoch()
trainer.dataloader = loader
turns.done(warm_up_s=time.perf_counter() - begin)
while True:
    begin = time.perf_counter()
    trainer.train_one_epoch()
    turns.done(seconds=time.perf_counter() - begin)
