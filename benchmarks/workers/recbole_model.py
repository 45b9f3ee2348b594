"""A model of RecBole: one training epoch per turn."""

import os
import time
import warnings
from pathlib import Path

import numpy as np
from turns import Turns, arguments

warnings.filterwarnings("ignore")

from recbole.config import Config  # noqa: E402
from recbole.data import create_dataset, data_preparation  # noqa: E402
from recbole.utils import get_model, get_trainer  # noqa: E402

NAME = "bench"

turns = Turns()
given = arguments()
data = np.load(given["data"])
root = Path(given["folder"])
os.chdir(root)  # RecBole writes logs where it stands


def write(part: str, pairs: np.ndarray) -> None:
    """Write pairs as one of RecBole's atomic files."""
    path = root / NAME / f"{NAME}.{part}.inter"
    path.parent.mkdir(exist_ok=True)
    head = "user_id:token\titem_id:token"
    np.savetxt(path, pairs.T, fmt="%d", delimiter="\t", header=head, comments="")


write("train", data["train"])
for part in ("valid", "test"):
    write(part, data["hidden"])
config = Config(
    model=given["model"],
    dataset=NAME,
    config_dict={
        "data_path": str(root),
        "checkpoint_dir": str(root),
        "benchmark_filename": ["train", "valid", "test"],
        "load_col": {"inter": ["user_id", "item_id"]},
        "eval_args": {"group_by": "user", "order": "RO", "mode": "full"},
        "train_batch_size": given["batch_size"],
        "topk": [20],
        "metrics": ["Recall", "NDCG", "Precision"],
        "use_gpu": False,
        "gpu_id": "",
        "show_progress": False,
        "state": "ERROR",
        **given["settings"],
    },
)
train, _, _ = data_preparation(config, create_dataset(config))
model = get_model(given["model"])(config, train.dataset)
trainer = get_trainer(config["MODEL_TYPE"], given["model"])(config, model)
trainer._train_epoch(train, 0, show_progress=False)
turns.done(steps=len(train))
while True:
    begin = time.perf_counter()
    trainer._train_epoch(train, 0, show_progress=False)
    turns.done(seconds=time.perf_counter() - begin)
