"""Ours: a run of ``micrec train``, one epoch per turn."""

from typing import Any

from turns import EPOCHS_ALONE, Turns, arguments

from micrec_pyg.cli.process import prepare

prepare()  # before the first tensor: torch then asks for huge pages

from micrec_pyg.cli.train import train_job  # noqa: E402

turns = Turns()


def on_epoch(row: dict[str, Any]) -> None:
    """Report an epoch and wait; the first one is the warm-up."""
    turns.done(seconds=row["seconds"])


train_job([*arguments()["overrides"], *EPOCHS_ALONE], on_epoch)
