"""What the workers of RecBole share: its files, its settings, and its loaders."""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

warnings.filterwarnings("ignore")

from recbole.config import Config  # noqa: E402
from recbole.data import create_dataset, data_preparation  # noqa: E402

NAME = "bench"


def prepared(
    model: str, given: Mapping[str, Any], settings: Mapping[str, Any]
) -> tuple[Any, Any, Any]:
    """Return RecBole's config, and its loaders of training and of test.

    Args:
        model: By RecBole's name.
        given: Where the data is, the folder to write to, and the batch size.
        settings: Of the model, in the place of others here.
    """
    data, root = np.load(given["data"]), Path(given["folder"])
    os.chdir(root)  # RecBole writes logs where it stands
    _write(root, "train", data["train"])
    for part in ("valid", "test"):  # one held-out item per user: all are ranked
        _write(root, part, data["hidden"])
    config = Config(
        model=model,
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
            **settings,
        },
    )
    train, _, test = data_preparation(config, create_dataset(config))
    return config, train, test


def _write(root: Path, part: str, pairs: np.ndarray) -> None:
    """Write pairs as one of RecBole's atomic files."""
    path = root / NAME / f"{NAME}.{part}.inter"
    path.parent.mkdir(exist_ok=True)
    head = "user_id:token\titem_id:token"
    np.savetxt(path, pairs.T, fmt="%d", delimiter="\t", header=head, comments="")
