"""Stages are built on the CPU and moved as a whole to the device of a run."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch_geometric.data import HeteroData

from micrec_pyg.graph.share_memory import share_equal
from micrec_pyg.schema import Task, TestStage, TrainStage, ValidStage

Stage = TypeVar("Stage", TrainStage, ValidStage, TestStage)


def to_device(stage: Stage, device: str) -> Stage:
    """Return a stage whose graphs and pairs lie on a device.

    A graph that stands in the stage twice is moved once.
    """
    if torch.device(device).type == "cpu":
        return stage
    moved: dict[int, HeteroData] = {}

    def move(data: HeteroData) -> HeteroData:
        if id(data) not in moved:
            # a graph moves in place, and stages share graphs: move a copy
            moved[id(data)] = share_equal(copy.copy(data).to(device))
        return moved[id(data)]

    maps: dict[str, Any] = {
        part: {key: edges.to(device) for key, edges in getattr(stage, part).items()}
        for part in ("labels", "overlap", "person")
        if hasattr(stage, part)
    }
    return replace(
        stage,
        graphs={name: move(data) for name, data in stage.graphs.items()},
        tasks=_tasks(stage.tasks, move, device),
        **maps,
    )


def pairs_to_device(stage: TrainStage, device: str) -> TrainStage:
    """Return a stage whose labels and shared users lie on a device, its graphs not."""
    return replace(
        stage,
        labels={name: pairs.to(device) for name, pairs in stage.labels.items()},
        overlap={pair: rows.to(device) for pair, rows in stage.overlap.items()},
    )


def _tasks(
    tasks: Mapping[str, Task], move: Callable[[HeteroData], HeteroData], device: str
) -> dict[str, Task]:
    """Return the tasks with everything moved."""
    return {
        domain: replace(
            task,
            data=move(task.data),
            known=task.known.to(device),
            hidden=task.hidden.to(device),
            user=None if task.user is None else task.user.to(device),
            item=None if task.item is None else task.item.to(device),
        )
        for domain, task in tasks.items()
    }
