"""Everything that a run needs to go on: with the same bits on a CPU."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from micrec_pyg.models.base import Model
from micrec_pyg.process_group import first_before_others, from_first, is_first
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import DamagedFileError, InputError
from micrec_pyg.storage.parts import remove_stale_parts
from micrec_pyg.storage.seals import drop_damaged
from micrec_pyg.storage.tensors import read_tensors, write_tensors
from micrec_pyg.storage.writing import write_text

CHECKPOINT = "checkpoint.safetensors"
HISTORY = "history.jsonl"
PLAIN = ("best_epoch", "best_value", "best_val", "history", "fit_s")
"""What a checkpoint holds beside tensors: fields of ``RunState``."""


@dataclass(eq=False)
class RunState:
    """A run between two epochs."""

    model: Model
    optimizer: torch.optim.Optimizer | None
    """None where the model has no parameters."""
    streams: RandomStreams
    best: dict[str, Tensor]
    """State of the model after its best epoch, in memory of the host."""
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
        """Write ``checkpoint.safetensors``, then ``history.jsonl``, each whole.

        Of several processes with one run, the first one alone writes.
        """
        if not is_first():
            return
        tensors = {
            **_prefixed("model", self.model.state_dict()),
            **_prefixed("best", self.best),
            **_prefixed("stream", self.streams.state()),
        }
        if self.optimizer is not None:
            for index, state in self.optimizer.state_dict()["state"].items():
                tensors |= _prefixed(f"optimizer/{index}", state)
        meta = {name: getattr(self, name) for name in PLAIN}
        write_tensors(folder / CHECKPOINT, tensors, {"run": folder.name, **meta})
        self._write_history(folder)

    def load(self, folder: Path) -> bool:
        """Go on from the checkpoint of this folder; return whether there is one.

        A damaged one is dropped with a warning: training starts anew, and comes to
        the same end.

        Raises:
            InputError: Another process has found another checkpoint.
        """
        there = first_before_others(lambda: self._load(folder))
        if from_first(lambda: self.epoch) != self.epoch:
            raise InputError(
                f"{folder} is not the same folder in all processes of the run; give an "
                "output_dir on a disk that all of them share"
            )
        return there

    def _load(self, folder: Path) -> bool:
        remove_stale_parts(folder)
        path = folder / CHECKPOINT
        if not path.exists():
            return False
        try:
            tensors, meta = read_tensors(path)
            self._check(path, tensors, meta)
        except DamagedFileError as error:
            drop_damaged(path, error)
            return False
        device = self.streams.device
        state = _under("model", tensors)
        self.model.load_state({name: v.to(device) for name, v in state.items()})
        self.best = _under("best", tensors)
        self.streams.load(_under("stream", tensors))
        if self.optimizer is not None:
            saved = self.optimizer.state_dict()
            count = sum(len(group["params"]) for group in saved["param_groups"])
            moments = {i: _under(f"optimizer/{i}", tensors) for i in range(count)}
            saved["state"] = {i: state for i, state in moments.items() if state}
            self.optimizer.load_state_dict(saved)
        for name in PLAIN:
            setattr(self, name, meta[name])
        if is_first():  # a kill may have come between the two files
            self._write_history(folder)
        return True

    def _check(
        self, path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]
    ) -> None:
        """Refuse the checkpoint of another run before anything is changed."""
        if meta.keys() - {"run"} != set(PLAIN):
            raise DamagedFileError(f"{path} is no checkpoint")
        # earlier versions wrote no name
        if meta.get("run", path.parent.name) != path.parent.name:
            raise DamagedFileError(f"{path} belongs to the run {meta['run']}")
        # buffers have the shapes that ``prepare`` gave them
        own = {name: value.shape for name, value in self.model.named_parameters()}
        for prefix in ("model", "best"):
            found = {k: v.shape for k, v in _under(prefix, tensors).items()}
            if {k: found.get(k) for k in own} != own:
                raise DamagedFileError(f"{path} belongs to another model")

    def _write_history(self, folder: Path) -> None:
        lines = [json.dumps(row) + "\n" for row in self.history]
        write_text(folder / HISTORY, "".join(lines))


def _prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}/{name}": value for name, value in tensors.items()}


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}/"
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
