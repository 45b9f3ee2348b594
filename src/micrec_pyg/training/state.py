"""Everything that a run needs to go on with the same bits."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from micrec_pyg.models.base import Model
from micrec_pyg.schema import RandomStreams
from micrec_pyg.training import checkpoint

CHECKPOINT = "checkpoint.safetensors"
HISTORY = "history.jsonl"


@dataclass(eq=False)
class RunState:
    """A run between two epochs."""

    model: Model
    optimizer: torch.optim.Optimizer | None
    """None where the model has no parameters."""
    streams: RandomStreams
    best: dict[str, Tensor]
    """State of the model after its best epoch."""
    best_epoch: int = 0
    best_value: float = float("-inf")
    best_val: dict[str, dict[str, float]] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    """A row per finished epoch."""
    fit_s: float = 0.0
    """Seconds of training, over all the times it was interrupted."""

    @property
    def epoch(self) -> int:
        """Return the number of finished epochs."""
        return len(self.history)

    def save(self, folder: Path) -> None:
        """Write ``checkpoint.safetensors``, then ``history.jsonl``, atomically."""
        tensors = {
            **_prefixed("model", self.model.state_dict()),
            **_prefixed("best", self.best),
            **_prefixed("stream", self.streams.state()),
        }
        if self.optimizer is not None:
            for index, state in self.optimizer.state_dict()["state"].items():
                tensors |= _prefixed(f"optimizer/{index}", state)
        meta = {
            "best_epoch": self.best_epoch,
            "best_value": self.best_value,
            "best_val": self.best_val,
            "history": self.history,
            "fit_s": self.fit_s,
        }
        checkpoint.save(folder / CHECKPOINT, tensors, meta)
        partial = folder / f".{HISTORY}.partial"
        partial.write_text("".join(json.dumps(row) + "\n" for row in self.history))
        os.replace(partial, folder / HISTORY)

    def load(self, folder: Path) -> None:
        """Go on from the checkpoint of this folder."""
        tensors, meta = checkpoint.load(folder / CHECKPOINT)
        device = self.streams.device
        states = {
            part: {k: v.to(device) for k, v in _under(part, tensors).items()}
            for part in ("model", "best")
        }
        self.model.load_state(states["model"])
        self.best = states["best"]
        self.streams.load(_under("stream", tensors))
        if self.optimizer is not None:
            saved = self.optimizer.state_dict()
            count = sum(len(group["params"]) for group in saved["param_groups"])
            moments = {i: _under(f"optimizer/{i}", tensors) for i in range(count)}
            saved["state"] = {i: state for i, state in moments.items() if state}
            self.optimizer.load_state_dict(saved)
        for name, value in meta.items():
            setattr(self, name, value)


def _prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}/{name}": value for name, value in tensors.items()}


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}/"
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
