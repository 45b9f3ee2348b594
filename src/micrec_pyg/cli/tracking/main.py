"""``micrec wandb``: send runs to Weights & Biases, and build their dashboard."""

import argparse
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from micrec_pyg.cli.evaluate import find
from micrec_pyg.cli.process import log_to_stderr, prepare, show
from micrec_pyg.cli.sentences import DONE, fail
from micrec_pyg.cli.sweep_jobs import read as read_sweep
from micrec_pyg.cli.tracking.push import push
from micrec_pyg.cli.tracking.session import failures_of_wandb, mark_of
from micrec_pyg.cli.tracking.sync import sync
from micrec_pyg.runs.build import conf_dir
from micrec_pyg.runs.files import read_config

logger = logging.getLogger(__name__)

GIVEN = ("mode", "project", "entity", "group")
"""Options of the setting ``logger`` that the command line may change."""


def main(argv: list[str]) -> int:
    """Return 0 when all runs are sent, or the dashboard is built; 1 where wandb fails.

    Raises:
        InputError: There is no such run or project, or a log cannot be sent.
    """
    given = _parser().parse_args(argv)
    prepare()
    log_to_stderr()
    try:
        given.run(given)
    except failures_of_wandb() as error:
        return fail(
            f"wandb failed: {str(error).rstrip('. ')}; the same command may be given "
            "again, after `wandb login` where there was no access"
        )
    return DONE


def _push(given: argparse.Namespace) -> None:
    changes = {k: getattr(given, k) for k in GIVEN if getattr(given, k) is not None}
    for folder, sweep in runs_in(given.folder):
        push(folder, {**options_of(folder, sweep), **changes})
        logger.info("%s: in %s", folder, folder / "wandb")


def _sync(given: argparse.Namespace) -> None:
    logger.info("%d logs sent", sync(Path(given.folder)))


def _publish(given: argparse.Namespace) -> None:
    # it loads what makes the tables, which sending runs does not need
    from micrec_pyg.cli.tracking.publish import publish

    runs = None if given.runs is None else Path(given.runs)
    for address in publish(given.project, entity=given.entity, runs=runs):
        show(f"{address}\n")


def runs_in(name: str) -> list[tuple[Path, str | None]]:
    """Return the finished runs of a folder or a sweep, each with the sweep's name.

    Raises:
        InputError: There is none.
    """
    folder = Path(name)
    if not any(folder.glob("job-*.json")):
        return [(run, None) for run in find([name])]
    jobs = [job.folder for job in read_sweep(folder) if job.folder is not None]
    return [(run, folder.name) for run in find(jobs)]


def options_of(folder: Path, sweep: str | None) -> Mapping[str, Any]:
    """Return the setting ``logger`` under which a run is sent.

    That is what was used before, else the run's own, else that of logger=wandb.
    """
    mark = mark_of(folder)
    if mark is not None:
        return dict(mark["options"])
    text = (conf_dir() / "logger" / "wandb.yaml").read_text(encoding="utf-8")
    own = read_config(folder).get("logger", {})
    options = {**yaml.safe_load(text), **(own if own.get("name") == "wandb" else {})}
    return {**options, "group": options["group"] or sweep}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "micrec wandb",
        description="Send runs to Weights & Biases, and build their dashboard.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser(
        "push",
        help="make the wandb runs of finished runs, also of those trained without it",
    )
    one.add_argument("folder", metavar="DIR", help="of a run, of runs, or of a sweep")
    one.add_argument("--mode", choices=["offline", "online"])
    for option in GIVEN[1:]:
        one.add_argument(f"--{option}", help="(default: as before, or logger=wandb's)")
    one.set_defaults(run=_push)
    two = commands.add_parser("sync", help="send what runs wrote without a network")
    two.add_argument("folder", metavar="DIR", help="of a run, or of many")
    two.set_defaults(run=_sync)
    three = commands.add_parser(
        "publish", help="build the dashboard of a project, or build it anew"
    )
    three.add_argument("project", metavar="PROJECT", help="name at wandb, with runs")
    three.add_argument("--entity", help="user or team (default: who is logged in)")
    three.add_argument(
        "--runs",
        metavar="DIR",
        help="also a report page, with the tables of the evaluated runs of this folder",
    )
    three.set_defaults(run=_publish)
    return parser
