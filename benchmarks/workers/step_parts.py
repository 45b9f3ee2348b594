"""Ours: in which operations an epoch's steps spend their time, by torch's profiler."""

from typing import Any

from turns import EPOCHS_ALONE, Turns, arguments

from micrec_pyg.cli.process import prepare

prepare()  # before the first tensor: torch then asks for huge pages

from torch.profiler import ProfilerActivity, profile  # noqa: E402

from micrec_pyg.cli.train import train_job  # noqa: E402

PARTS = {"products": "embedding_bag", "Adam": "adam"}
"""What the names of the operations of each part contain."""

turns = Turns()
profiler = profile(activities=[ProfilerActivity.CPU])


def on_epoch(row: dict[str, Any]) -> None:
    """Watch the epochs after the first; report each."""
    if row["epoch"] > 0:
        profiler.stop()
        turns.done(shares=shares())
    profiler.start()


def shares() -> dict[str, float]:
    """Return the share of each part of an epoch, in percent."""
    took = {e.key.lower(): e.self_cpu_time_total for e in profiler.key_averages()}
    total = sum(took.values())
    return {
        part: 100 * sum(t for key, t in took.items() if name in key) / total
        for part, name in PARTS.items()
    }


train_job([*arguments()["overrides"], *EPOCHS_ALONE], on_epoch)
