"""``micrec train``: one run, or with -m a sweep through Hydra's own multirun."""

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf.errors import OmegaConfBaseException

from micrec_pyg.cli import config as configs
from micrec_pyg.cli.config_errors import explain, options
from micrec_pyg.cli.overrides import readable
from micrec_pyg.cli.process import log_to_stderr, prepare, show
from micrec_pyg.cli.sweep_axes import without_effect
from micrec_pyg.cli.train_output import summary
from micrec_pyg.runs.build import conf_dir

logger = logging.getLogger(__name__)

OnEpoch = Callable[[dict[str, Any]], None]

KEYS = {
    "data": "data set, or tables with data.path=FOLDER for your own",
    "split": "protocol",
    "features": "encoders of text and images",
    "model": "what is trained",
    "K": "multimodal neighbours per node, 0 = none (3)",
    "w": "weight of text against images in [0, 1] (0.9)",
    "gamma": "strength of the contrastive loss between domains, 0 = off (1.0)",
    "overlap_ratio": "share of the shared users that training links, in [0, 1] (1.0)",
    "overlap": "links, or the control random_pairs (links)",
    "neighbors": "features, or the control cooccurrence (features)",
    "seed": "of split, initialisation and sampling (0)",
    "device": "auto, cpu, cuda or cuda:<number> (auto)",
    "precision": "float32, or bf16 or tf32 on CUDA (float32)",
    "spmm": "sparse kernel, for comparisons (auto)",
    "logger": "none or wandb; see logger.mode",
    "output_dir": "where runs go (outputs)",
    "fit.max_epochs": "and fit.patience, fit.batch_size, fit.lr, fit.metric",
    "rank.ks": "cut-offs of the metrics, such as [10,20]",
}

EXAMPLES = """examples:
  micrec train data=movielens model=micrec K=3
  micrec train -m data=movielens K=0,3,10 gamma=0,1 seed=0,1,2
  micrec train data=tables data.path=my_catalogue split=new_nodes model=inmo"""


def main(argv: list[str]) -> int:
    """Return 0 when every run of the command is complete.

    Raises:
        InputError: The settings or the data cannot be used.
    """
    if "-h" in argv or "--help" in argv:
        print(usage())
        return 0
    prepare()
    if not any(arg.startswith("-") for arg in argv):
        log_to_stderr()
        _tell(train_job(argv))
        return 0
    if {"-m", "--multirun"} & {*argv}:
        log_to_stderr()
        for sentence in without_effect(argv):
            logger.warning("%s", sentence)
    _hydra(argv)
    return 0


def train_job(overrides: Sequence[str], on_epoch: OnEpoch | None = None) -> Path:
    """Return the folder of the run that these overrides describe, trained if needed.

    Args:
        overrides: As on the command line, such as ``K=3``.
        on_epoch: Called with each line of ``history.jsonl``.

    Raises:
        InputError: The settings or the data cannot be used.
    """
    return _train(configs.composed(overrides), on_epoch=on_epoch)


def _train(
    settings: Mapping[str, Any],
    *,
    sweep: str | None = None,
    on_epoch: OnEpoch | None = None,
) -> Path:
    """Return the folder of the run with these resolved settings."""
    # these load torch, which the help need not wait for
    from micrec_pyg.cli.logging_wandb import Tracker
    from micrec_pyg.runs.experiment import experiment_of
    from micrec_pyg.runs.job import train
    from micrec_pyg.runs.listener import Call
    from micrec_pyg.runs.progress import Progress

    listeners = [Progress(), Tracker(settings["logger"], sweep)]
    if on_epoch is not None:
        listeners.append(Call(on_epoch))
    return train(experiment_of(settings), listeners)


def _tell(folder: Path) -> None:
    """Print the validation results of a run, what to do next, and its folder.

    The folder is the last line, and it stands there alone: scripts read it.
    """
    show(summary(folder))
    print(folder)


def _hydra(argv: list[str]) -> None:
    """Let Hydra run the jobs: it knows -m, launchers and its other flags."""
    configs.register_resolvers()
    folder = conf_dir()
    start = hydra.main(
        config_path=str(folder),
        config_name=configs.NAME,
        version_base=configs.VERSION_BASE,
    )(_task)
    try:
        with _command_line([*readable(argv), *_shared_lists(argv, folder)]):
            start()
    except (HydraException, OmegaConfBaseException) as error:
        raise explain(error, folder) from error


def usage() -> str:
    """Return the help page: keys, options of every group, examples."""
    width = max(map(len, KEYS)) + 2
    groups = options(conf_dir())
    lines = [
        "usage: micrec train [KEY=VALUE ...]           train one run",
        "       micrec train -m [KEY=VALUE,VALUE ...]  train every combination",
        "",
        "keys:",
        *(f"  {key:<{width}}{what}" for key, what in KEYS.items()),
        "",
        "options:",
        *(f"  {group:<{width}}{', '.join(names)}" for group, names in groups.items()),
        "",
        EXAMPLES,
        "",
        "A complete run is not trained again; an interrupted one continues. Encoders",
        "that download weights may do so with HF_HUB_OFFLINE=0 in the environment.",
    ]
    return "\n".join(lines)


def _task(config: Any) -> None:
    """Train one run; a launcher may call this in a process of its own."""
    prepare()
    hydra_config = HydraConfig.get()
    sweep = None
    if hydra_config.mode == RunMode.MULTIRUN:
        sweep = Path(hydra_config.sweep.dir).name
    choices = configs.current_choices()
    print(_train(configs.resolved(config, choices), sweep=sweep))


def _shared_lists(argv: list[str], folder: Path) -> list[str]:
    """Return the override that lets a sweep over K search neighbours only once."""
    asked = [arg.removeprefix("K=") for arg in argv if arg.startswith("K=")]
    given = any(arg.startswith("graph.knn_lists=") for arg in argv)
    default = yaml.safe_load((folder / "graph" / "default.yaml").read_text())
    largest = max(map(int, re.findall(r"\d+", " ".join(asked))), default=0)
    if given or largest <= default["knn_lists"]:
        return []
    return [f"graph.knn_lists={largest}"]


@contextmanager
def _command_line(argv: list[str]) -> Iterator[None]:
    """Give Hydra its arguments, and let its errors through instead of an exit."""
    before, full = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = ["micrec train", *argv]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        sys.argv = before
        if full is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = full
