"""Reports of an evaluation -> the tables, metrics and card of a run folder."""

import platform
import resource
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import polars as pl
import torch

from micrec_pyg import __version__
from micrec_pyg.evaluation.evaluate import Report
from micrec_pyg.evaluation.groups import shared_users
from micrec_pyg.grid import markdown
from micrec_pyg.runs.experiment import Experiment
from micrec_pyg.runs.grids import FEW, FEW_NOTE, grids
from micrec_pyg.runs.identity import sweep_axes
from micrec_pyg.runs.inputs import Inputs
from micrec_pyg.schema import USER, RankingStage

DATA = ["domain", "users", "items", "interactions", "digest"]
"""Columns of the data in a run card."""

PACKAGES = ("torch", "torch-geometric", "polars", "numpy")


def per_user(
    report: Report, stage: RankingStage, inputs: Inputs, *, part: str
) -> pl.DataFrame:
    """Return a row per domain, group and user, with raw ids, flags and metrics.

    Args:
        report: Of an evaluation.
        stage: The ranking task that was evaluated; gives rows their users.
        inputs: Give users their raw ids.
        part: "val" or "test".
    """
    frames = []
    for domain, frame in report.per_user.items():
        if frame.is_empty():
            continue
        users = stage.tasks[domain].data[USER]
        shared = shared_users(domain, users.num_nodes, stage.overlap)
        ids = inputs.domains[domain].interactions.users.ids
        nodes = pl.DataFrame(
            {
                "user_row": torch.arange(users.num_nodes).numpy(),
                "user_id": ids.gather(users.n_id.cpu().numpy()),
                "new_user": (users.train_row < 0).cpu().numpy(),
                "overlap_user": shared.numpy(),
            }
        )
        frames.append(
            frame.join(nodes, on="user_row", how="left", maintain_order="left").select(
                pl.lit(part).alias("part"),
                "domain",
                "user_id",
                "group",
                "new_user",
                "overlap_user",
                pl.exclude(
                    "domain", "user_id", "group", "new_user", "overlap_user", "user_row"
                ),
            )
        )
    # domains may have unlike modalities, and so unlike metrics of lists
    return pl.concat(frames, how="diagonal") if frames else pl.DataFrame()


def peak_memory(device: str) -> dict[str, float]:
    """Return this process's peak memory in MB, and the GPU's where it has one."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    found = {"peak_memory_mb": round(peak, 1)}
    if torch.device(device).type == "cuda":
        gpu = torch.cuda.max_memory_allocated(device) / 2**20
        found["peak_gpu_memory_mb"] = round(gpu, 1)
    return found


def versions() -> dict[str, str]:
    """Return the versions that results can depend on."""
    found = {"micrec_pyg": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def run_card(metrics: Mapping[str, Any], experiment: Experiment, inputs: Inputs) -> str:
    """Return a page about the run: what it used, what it found, how often it tested."""
    axes = {**sweep_axes(experiment.settings), "seed": metrics["seed"]}
    sweep = ", ".join(f"{key}={value}" for key, value in axes.items())
    used = ", ".join(f"{name} {number}" for name, number in metrics["versions"].items())
    lines = [
        f"# {metrics['model']} on {metrics['dataset']}",
        "",
        f"- settings: {sweep} (all: config.yaml)",
        f"- split: {metrics['split']}",
        f"- selection: {_selection(inputs)}",
        f"- epochs: {_epochs(metrics)}",
        f"- training: {metrics['timing']['fit_s']:.1f} s on {metrics['device']}, "
        f"{metrics['timing']['train_epoch_s']:.2f} s per epoch",
        f"- peak memory: {metrics['peak_memory_mb']:.0f} MB",
        f"- versions: {used}",
        f"- test evaluations: {metrics['test_evaluations']}",
        "",
        "## Data",
        "",
        *markdown([DATA, *_data(inputs)]),
    ]
    for part, title in (("val", "Validation"), ("test", "Test")):
        if part in metrics:
            lines += ["", f"## {title}"]
            tables = grids(metrics[part])
            rows = [line for table in tables for line in ("", *markdown(table))]
            lines += rows
            if any(FEW in row for row in rows):
                lines += ["", FEW_NOTE]
            if not tables:
                lines += ["", "nothing to rank"]
    return "\n".join(lines) + "\n"


def _epochs(metrics: Mapping[str, Any]) -> str:
    """Return in words how many epochs were trained, and which one was kept."""
    if not metrics["epochs"]:
        return "0, the start values were kept"
    return f"{metrics['epochs']}, best: number {metrics['best_epoch'] + 1}"


def _selection(inputs: Inputs) -> str:
    """Return in words which nodes the validation ranked."""
    if any(split.select == "new" for split in inputs.splits.values()):
        return "by all nodes, new ones too, on the graph grown as for the test"
    return "by the nodes of the training graph"


def _data(inputs: Inputs) -> list[list[str]]:
    rows = []
    for name, domain in inputs.domains.items():
        data = domain.interactions
        counts = [len(data.users), len(data.items), len(data.user)]
        rows.append([name, *(f"{count:,}" for count in counts), domain.digest[:16]])
    return rows
