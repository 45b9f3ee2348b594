"""What a user can choose about training; ``conf/fit`` holds the values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from micrec_pyg.allowed import Count, Natural, NotNegative, PerHop
from micrec_pyg.schema import InputError
from micrec_pyg.training.optimizer import Schedule

LARGEST_LR = 100
"""Beyond it no optimiser learns: the first step already leaves all sense."""


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """Options of one training run.

    Raises:
        InputError: A value is impossible.
    """

    max_epochs: Natural
    """Most epochs; 0 keeps the start values."""
    patience: Count
    """Epochs without a better validation value before training stops, at the first
    validation from then on."""
    batch_size: Count
    """Triplets, or rows of users, per domain and step."""
    lr: float
    """Learning rate."""
    optimizer: Callable[..., torch.optim.Optimizer]
    """Named parameters, ``lr`` and ``recorded`` -> an optimiser; as ``adam``."""
    schedule: Schedule
    """Factor of the learning rate by epoch."""
    metric: str
    """Selects the best epoch: its mean over the domains' validation users."""
    eval_every: Count
    """Epochs between two validations."""
    checkpoint_every_s: NotNegative
    """Least seconds between two checkpoints; 0 writes one after every epoch."""
    cuda_graph: bool | Literal["auto"]
    """Whether a step on CUDA is recorded once and replayed; no effect on a CPU.
    ``auto`` records where the device allows it."""

    neighbors_per_hop: PerHop | None = None
    """Neighbours that are sampled around a batch at each hop, -1 for all; None trains
    on whole graphs, as runs of versions without this key did."""

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        least = {"max_epochs": 0, "patience": 1, "batch_size": 1, "eval_every": 1}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise InputError(
                    f"fit.{name}={getattr(self, name)}: give {bound} or more"
                )
        if not 0 < self.lr <= LARGEST_LR:
            raise InputError(
                f"fit.lr={self.lr}: give a number above 0, at most {LARGEST_LR}"
            )
        if self.checkpoint_every_s < 0:
            raise InputError(
                f"fit.checkpoint_every_s={self.checkpoint_every_s}: give 0 or more"
            )
        self.schedule(0)  # it refuses impossible values itself

    @property
    def lr_changes(self) -> bool:
        """Return whether an epoch has another learning rate than ``lr``."""
        return any(self.schedule(epoch) != 1 for epoch in range(self.max_epochs))
