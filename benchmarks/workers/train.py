"""Ours: a run of ``micrec train``, one epoch per turn."""

from typing import Any

from turns import Turns, arguments

from micrec_pyg.cli.process import prepare

prepare()  # before the first tensor: torch then asks for huge pages

from micrec_pyg.cli.jobs import train_job  # noqa: E402

ENDLESS = 10**6
NEVER_ASIDE = [
    f"fit.max_epochs={ENDLESS}",
    f"fit.eval_every={ENDLESS + 1}",
    f"fit.checkpoint_every_s={ENDLESS}",
]
"""Validation and checkpoints are not part of an epoch."""

turns = Turns()


def on_epoch(row: dict[str, Any]) -> None:
    """Report an epoch and wait; the first one is the warm-up."""
    turns.done(seconds=row["seconds"])


train_job([*arguments()["overrides"], *NEVER_ASIDE], on_epoch)
