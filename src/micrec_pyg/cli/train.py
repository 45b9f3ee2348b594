"""``micrec train``: one run, or with -m a sweep through Hydra's own multirun."""

import argparse
import json
import logging
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf.errors import OmegaConfBaseException

from micrec_pyg.cli import config as configs
from micrec_pyg.cli.config_errors import explain, listed, options
from micrec_pyg.cli.lost_jobs import launch, numbered
from micrec_pyg.cli.overrides import places_of, readable, written
from micrec_pyg.cli.process import log_to_stderr, prepare, show
from micrec_pyg.cli.sentences import DONE, FAILED, entry
from micrec_pyg.cli.sweep_axes import axes_of, without_effect
from micrec_pyg.cli.sweep_jobs import AXES, LAUNCH, WORKERS, name_of, read, run_job
from micrec_pyg.cli.sweep_tables import tables
from micrec_pyg.cli.together import refuse_several, together
from micrec_pyg.cli.train_output import summary
from micrec_pyg.cli.workers import ctrl_c_for_this_process, leave_ctrl_c_to_parent
from micrec_pyg.runs.build import conf_dir
from micrec_pyg.runs.identity import unread_keys
from micrec_pyg.schema import InputError
from micrec_pyg.storage.failures import explained

logger = logging.getLogger(__name__)

OnEpoch = Callable[[dict[str, Any]], None]

KEYS = {
    "data": "data set, or tables with data.path=FOLDER for your own",
    "split": "protocol",
    "features": "encoders of text and images",
    "model": "what is trained",
    "K": "multimodal neighbours per node, 0 = none (3)",
    "w": "weight of text against images in [0, 1] (0.9)",
    "gamma": "strength of the contrastive loss of domains, 0 = off (1.0)",
    "overlap_ratio": "share of the shared users that training links, in [0, 1] (1.0)",
    "overlap": "links, or the control random_pairs (links)",
    "neighbors": "features, or the control cooccurrence (features)",
    "seed": "of split, initialisation and sampling (0)",
    "device": "auto, cpu, cuda or cuda:<number> (auto)",
    "precision": "float32, or bf16 or tf32 on CUDA (float32)",
    "spmm": "sparse kernel, for comparisons (auto)",
    "blas": "library of dense products on a CPU, likewise (auto)",
    "logger": "none or wandb; see logger.mode",
    "output_dir": "where runs go (outputs)",
    "fit.max_epochs": "and fit.patience, fit.batch_size, fit.lr, fit.metric",
    "rank.ks": "cut-offs of the metrics, such as [10,20]",
}

MULTIRUN = {"-m", "--multirun"}
"""The flag of a sweep, as Hydra has it."""

EXAMPLES = """examples:
  micrec train data=movielens model=micrec K=3
  micrec train -m data=movielens K=0,3,10 gamma=0,1 seed=0,1,2
  micrec train data=tables data.path=my_catalogue split=new_nodes model=inmo
  torchrun --nproc-per-node 4 -m micrec_pyg train data=movielens model=lightgcn"""


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
        with together() as tells:
            settings = configs.composed(argv)
            if idle := unread_keys(settings, [arg.partition("=")[0] for arg in argv]):
                logger.warning("without effect in this run: %s", ", ".join(idle))
            folder = _train(settings)
            if tells:
                _tell(folder)
        return 0
    refuse_several("micrec train with -m or another flag")
    if MULTIRUN & {*argv}:
        log_to_stderr()
        return _sweep(argv)
    if any(arg.partition("=")[0] == "--jobs" for arg in argv):
        raise InputError("--jobs is for the runs of a sweep; add -m")
    _hydra(argv)
    return 0


def _sweep(argv: list[str]) -> int:
    """Return 0 when every job of a sweep is done, else 1, and tell what came of it."""
    for sentence in without_effect(argv):
        logger.warning("%s", sentence)
    argv, jobs = _without_jobs(argv)
    # Hydra takes settings on one side of its flags only.
    argv = sorted(argv, key=lambda arg: arg not in MULTIRUN)
    given = places_of(argv)
    folder = given.get("hydra.sweep.dir")
    if folder is None:
        folder = f"{given.get('output_dir', 'outputs')}/sweeps/{name_of(argv)}"
        argv = [*argv, f"hydra.sweep.dir={written(folder)}"]
    if jobs > 1:
        argv = [*argv, "hydra/launcher=joblib", f"hydra.launcher.n_jobs={jobs}"]
    os.environ[AXES] = json.dumps(axes_of(argv))
    os.environ[WORKERS] = str(jobs)
    os.environ[LAUNCH] = str(time.time())
    try:
        aside = ctrl_c_for_this_process() if jobs > 1 else nullcontext()
        # Hydra writes into the folder too, and its errors name no file
        with aside, explained(Path(folder)):
            lost = launch(lambda: _hydra(argv), Path(folder))
    finally:
        for name in (AXES, WORKERS, LAUNCH):
            os.environ.pop(name, None)
        code = _tell_sweep(Path(folder))
    if lost:
        show(f"{numbered(lost)} left no result; the same command runs what is left\n")
    return FAILED if lost else code


def _without_jobs(argv: Sequence[str]) -> tuple[list[str], int]:
    """Return arguments without ``--jobs N``, and N.

    Raises:
        InputError: N is no number.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--jobs", nargs="?", default="1", const="")
    given, rest = parser.parse_known_args(argv)
    if not re.fullmatch("[1-9][0-9]{0,3}", given.jobs):
        raise InputError(f"--jobs {given.jobs}: give the number of jobs at a time")
    return rest, int(given.jobs)


def _tell_sweep(folder: Path) -> int:
    """Print what the jobs of a sweep came to; return 1 if one of them failed."""
    if not any(folder.glob("job-*.json")):
        return FAILED  # not one came to its end: what stopped them is told by itself
    from micrec_pyg.cli.sweep import write_jobs  # loads what makes tables

    jobs = read(folder)
    write_jobs(jobs, folder)
    again = shlex.join(["micrec", "sweep", str(folder)])
    show("\n".join([*tables(jobs), f"again: {again}", ""]))
    return FAILED if any(job.error for job in jobs) else DONE


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
    from micrec_pyg.cli.tracking.tracker import Tracker
    from micrec_pyg.process_group import is_first, joined
    from micrec_pyg.runs.experiment import experiment_of
    from micrec_pyg.runs.job import train
    from micrec_pyg.runs.listener import Call
    from micrec_pyg.runs.progress import Progress

    with joined():
        tracker = Tracker(settings["logger"], sweep)
        listeners = [Progress(), tracker]
        if on_epoch is not None:
            listeners.append(Call(on_epoch))
        folder = train(experiment_of(settings), listeners)
        if is_first():
            tracker.complete(folder)
    return folder


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
        several = bool(MULTIRUN & {*argv})
        given = readable(argv, sweep=several)
        with _command_line([*given, *_shared_lists(argv, folder)]):
            start()
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
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
        *(entry(name, ", ".join(listed(all_)), width) for name, all_ in groups.items()),
        "",
        EXAMPLES,
        "",
        "A complete run is not trained again; an interrupted one continues. Encoders",
        "that download weights may do so with HF_HUB_OFFLINE=0 in the environment.",
    ]
    return "\n".join(lines)


def _task(config: Any) -> float | None:
    """Train one run; a launcher may call this in a process of its own.

    In a sweep it returns the metric that selects, which a sweeper may maximise.
    """
    prepare()
    leave_ctrl_c_to_parent()
    hydra_config = HydraConfig.get()
    choices = configs.current_choices()
    if hydra_config.mode != RunMode.MULTIRUN:
        print(_train(configs.resolved(config, choices)))
        return None
    sweep = Path(hydra_config.sweep.dir)
    return run_job(
        lambda: _train(configs.resolved(config, choices), sweep=sweep.name),
        sweep=sweep,
        number=hydra_config.job.num,
        overrides=hydra_config.overrides.task,
        metric=config.fit.metric,
    )


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
