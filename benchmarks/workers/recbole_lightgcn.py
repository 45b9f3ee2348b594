"""RecBole's LightGCN: one training epoch, or one full-sort evaluation, per turn."""

import itertools
import os
import time
import warnings
from pathlib import Path

import numpy as np
from turns import Turns, arguments

warnings.filterwarnings("ignore")

from recbole.config import Config  # noqa: E402
from recbole.data import create_dataset, data_preparation  # noqa: E402
from recbole.model.general_recommender import LightGCN  # noqa: E402
from recbole.trainer import Trainer  # noqa: E402

WARM_UP = 5
NAME = "bench"

turns = Turns()
given = arguments()
data = np.load(given["data"])
num_users, num_items = int(data["num_users"]), int(data["num_items"])
root = Path(given["folder"])
os.chdir(root)  # RecBole writes logs where it stands


def write(part: str, pairs: np.ndarray) -> None:
    """Write pairs as one of RecBole's atomic files."""
    path = root / NAME / f"{NAME}.{part}.inter"
    path.parent.mkdir(exist_ok=True)
    head = "user_id:token\titem_id:token"
    np.savetxt(path, pairs.T, fmt="%d", delimiter="\t", header=head, comments="")


write("train", data["train"])
for part in ("valid", "test"):  # one held-out item per user: all are ranked
    write(part, data["hidden"])
config = Config(
    model="LightGCN",
    dataset=NAME,
    config_dict={
        "data_path": str(root),
        "checkpoint_dir": str(root),
        "benchmark_filename": ["train", "valid", "test"],
        "load_col": {"inter": ["user_id", "item_id"]},
        "eval_args": {"group_by": "user", "order": "RO", "mode": "full"},
        "train_batch_size": given["batch_size"],
        # counted in scores; its default of 4,096 would rank one user at a time
        "eval_batch_size": given["users_at_once"] * num_items,
        "embedding_size": 64,
        "n_layers": 3,
        "topk": [20],
        "metrics": ["Recall", "NDCG", "Precision"],
        "use_gpu": False,
        "gpu_id": "",
        "show_progress": False,
        "state": "ERROR",
    },
)
train, _, test = data_preparation(config, create_dataset(config))
model = LightGCN(config, train.dataset)
trainer = Trainer(config, model)


def turn() -> None:
    """Train one epoch, or rank all users by freshly propagated embeddings."""
    if given["what"] == "epoch":
        trainer._train_epoch(train, 0, show_progress=False)
    else:
        model.restore_user_e = model.restore_item_e = None
        trainer.evaluate(test, load_best_model=False)


if given["what"] == "epoch":
    trainer._train_epoch(list(itertools.islice(train, WARM_UP)), 0, show_progress=False)
else:
    turn()
turns.done()
while True:
    begin = time.perf_counter()
    turn()
    turns.done(seconds=time.perf_counter() - begin)
