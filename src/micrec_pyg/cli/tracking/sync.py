"""``micrec wandb sync``: send the logs that runs wrote without a network."""

import subprocess
import sys
from pathlib import Path

from micrec_pyg.cli.tracking.session import FOLDER, mark_of
from micrec_pyg.schema import InputError


def sync(root: Path) -> int:
    """Return how many logs were sent; those sent before are left out.

    Args:
        root: Folder of a run, or of many.

    Raises:
        InputError: There is no log, a run has moved since, or wandb refuses.
    """
    found = logs(root)
    waiting = [log for log in found if not _is_sent(log)]
    if not found:
        raise InputError(
            f"no log of wandb under '{root}'; train with logger=wandb, or make one of "
            f"a finished run: micrec wandb push {root}"
        )
    for folder in dict.fromkeys(log.parents[1] for log in waiting):
        _check_place(folder)
    if waiting:
        _run(["sync", "--yes", *map(str, waiting)])
    return len(waiting)


def logs(root: Path) -> list[Path]:
    """Return the folders of the logs that runs wrote offline, oldest first."""
    found = {path.parent for path in root.rglob(f"{FOLDER}/offline-run-*/*.wandb")}
    return sorted(found, key=lambda path: path.name)


def _is_sent(log: Path) -> bool:
    return any(log.glob("*.wandb.synced"))


def _check_place(folder: Path) -> None:
    """Refuse a run that has moved: its log has the old paths of its files."""
    mark = mark_of(folder)
    if mark is not None and mark["folder"] != str(folder.resolve()):
        raise InputError(
            f"{folder} was at {mark['folder']} when its log was written, which names "
            f"files there; give: micrec wandb push {folder} --mode online"
        )


def _run(arguments: list[str]) -> None:
    """Run wandb's own command, whose output is the user's to see.

    Raises:
        InputError: It failed.
    """
    done = subprocess.run([sys.executable, "-m", "wandb", *arguments])
    if done.returncode:
        raise InputError(
            "wandb could not send the logs, see its words above; `wandb login` may be "
            "needed"
        )
