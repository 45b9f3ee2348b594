"""One wandb run per run folder: opened by the same id however often, by one place."""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from micrec_pyg.cli.tracking.values import config_of, tags_of
from micrec_pyg.runs.files import read_json
from micrec_pyg.runs.identity import model_name
from micrec_pyg.storage.writing import write_json

logger = logging.getLogger(__name__)

FOLDER, MARK = "wandb", "run.json"
"""Where a run folder has what wandb writes, and the file there that says which run it
is at wandb: its id, the options, and how many test evaluations it has seen."""

DATA_DIR = "WANDB_DATA_DIR"
"""Environment variable of wandb: where files wait until they are sent."""

_NO_NAME = re.compile(r"[^\w.-]+", re.ASCII)


def is_on(options: Mapping[str, Any]) -> bool:
    """Return whether the setting ``logger`` wants wandb."""
    return options["name"] == "wandb" and options.get("mode") != "disabled"


def mark_of(folder: Path) -> dict[str, Any] | None:
    """Return what ``wandb/run.json`` says; None for a run that wandb does not know."""
    path = folder / FOLDER / MARK
    return read_json(path) if path.is_file() else None


def write_mark(folder: Path, /, **changes: Any) -> None:
    """Write what wandb knows of a run folder; what is not given stays."""
    write_json(folder / FOLDER / MARK, {**(mark_of(folder) or {}), **changes})


def begin(
    folder: Path,
    settings: Mapping[str, Any],
    options: Mapping[str, Any],
    data: Mapping[str, str],
) -> Any:
    """Return the open wandb run of a folder; all that it writes goes inside there.

    The run's id is the name of the folder, so that a run that goes on, or is tested
    later, is the same one at wandb. Within a sweep agent of wandb the agent decides.

    Args:
        folder: Of the run.
        settings: The content of its ``config.yaml``.
        options: The setting ``logger``, its group filled in.
        data: Digest of each domain's catalogue as read.
    """
    import wandb

    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    run = wandb.init(
        mode=options["mode"],
        project=options["project"],
        entity=options["entity"],
        group=options["group"],
        job_type=options["job_type"],
        id=name_at_wandb(folder.name),
        name=f"{model_name(settings)} {folder.name}",
        tags=[*tags_of(settings), *(options.get("tags") or [])],
        notes=options.get("notes"),
        dir=str(folder),
        config=config_of(settings, data),
        resume="allow",
        reinit="finish_previous",
        # what a command prints is read by scripts: nobody stands in between
        settings=wandb.Settings(console="off"),
    )
    write_mark(
        folder,
        id=run.id,
        folder=str(folder.resolve()),
        options=dict(options),
        tested=(mark_of(folder) or {}).get("tested", 0),
    )
    run.define_metric("epoch", hidden=True)
    for names, best in (("val/*", "max"), ("loss/*", "min")):
        run.define_metric(names, step_metric="epoch", summary=best)
    for names in ("lr", "seconds"):
        run.define_metric(names, step_metric="epoch")
    return run


def log_epoch(run: Any, values: Mapping[str, Any]) -> None:
    """Log the values of an epoch, unless the run has that epoch from an earlier time.

    Args:
        run: The open wandb run.
        values: With the number of the epoch.
    """
    epoch = int(values["epoch"])
    if epoch >= run.step:
        run.log(dict(values), step=epoch)


def name_at_wandb(text: str) -> str:
    """Return a text that wandb takes as an id or as the name of an artifact."""
    return _NO_NAME.sub("-", text)[:128]


@contextmanager
def waiting_files(folder: Path) -> Iterator[None]:
    """Let files that wait until they are sent lie in the run folder.

    By default they lie in the user's home, and a folder that is copied to a machine
    with a network lacks them.
    """
    before = os.environ.get(DATA_DIR)
    os.environ[DATA_DIR] = str(folder.resolve() / FOLDER / "data")
    try:
        yield
    finally:
        os.environ.pop(DATA_DIR)
        if before is not None:
            os.environ[DATA_DIR] = before


def failures_of_wandb() -> tuple[type[Exception], ...]:
    """Return what wandb raises where its server or its service fails or refuses."""
    import wandb
    from wandb.sdk.lib.service.service_connection import WandbApiFailedError
    from wandb.sdk.lib.service.service_token import WandbServiceConnectionError
    from wandb.sdk.mailbox.mailbox_handle import ServerResponseError

    return (
        wandb.Error,
        WandbApiFailedError,
        WandbServiceConnectionError,
        ServerResponseError,
    )


@contextmanager
def tolerant() -> Iterator[None]:
    """Turn any failure of wandb into a warning: it never stops a run.

    Its errors have no common base, hence all are caught here, and only here.
    """
    try:
        yield
    except Exception as error:
        logger.warning("wandb failed, the run goes on without it: %s", error)
