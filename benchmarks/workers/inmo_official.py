"""The official INMO code from a user's own clone: one epoch per turn.

``kernel`` says what answers its sparse products: DGL itself, or ``torch.sparse``.
"""

import itertools
import sys
import time
import warnings

import torch
from igcn_cf import by_torch, dataset_of
from turns import Turns, arguments

warnings.filterwarnings("ignore")

WARM_UP = 10

turns = Turns()
given = arguments()
if given["kernel"] == "torch.sparse":
    sys.modules["dgl"] = by_torch()
device = torch.device("cpu")
dataset = dataset_of(given, device)

from model import get_model  # noqa: E402
from trainer import get_trainer  # noqa: E402

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
