"""How parameters move: the optimiser, and the learning rate of every epoch."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from micrec_pyg.allowed import Count, Natural, NotNegative, PositiveShare
from micrec_pyg.schema import InputError
from micrec_pyg.training.row_adam import RowAdam

Schedule = Callable[[int], float]
"""An epoch, counted from 0 -> the factor of the learning rate in it."""


def adam(
    named_parameters: Iterable[tuple[str, torch.nn.Parameter]],
    *,
    lr: float | Tensor,
    recorded: bool,
    weight_decay: NotNegative,
    rates: Mapping[str, NotNegative],
) -> Optimizer:
    """Return Adam, fused, with a group of parameters for each learning rate.

    Args:
        named_parameters: Of the model, with their names.
        lr: Learning rate; a tensor where a recorded step must read a new one.
        recorded: Whether the step is recorded as a CUDA graph.
        weight_decay: Added to the gradient, times the parameter.
        rates: Factors of ``lr``, by the first parts of parameters' names, such as
            {"templates": 0.1}; the longest that fits counts, others have 1.

    Raises:
        InputError: A value is impossible, or no parameter has such a name.
    """
    groups = _groups(named_parameters, lr, weight_decay, rates)
    return torch.optim.Adam(
        groups, lr=lr, weight_decay=weight_decay, fused=True, capturable=recorded
    )


def row_adam(
    named_parameters: Iterable[tuple[str, torch.nn.Parameter]],
    *,
    lr: float | Tensor,
    recorded: bool,
    weight_decay: NotNegative,
    rates: Mapping[str, NotNegative],
) -> Optimizer:
    """Return Adam with one second moment per row, for tables that fill the memory.

    Arguments and errors are those of ``adam``; ``recorded`` changes nothing.
    """
    groups = _groups(named_parameters, lr, weight_decay, rates)
    return RowAdam(groups, lr=lr, weight_decay=weight_decay)


def _groups(
    named_parameters: Iterable[tuple[str, torch.nn.Parameter]],
    lr: float | Tensor,
    weight_decay: float,
    rates: Mapping[str, float],
) -> list[dict[str, Any]]:
    """Return a group of parameters for each learning rate."""
    if not 0 <= weight_decay < math.inf:
        raise InputError(
            f"fit.optimizer.weight_decay={weight_decay}: give a number of 0 or more"
        )
    return [
        {"params": params, "lr": lr * factor}
        for factor, params in _by_rate(dict(named_parameters), rates)
    ]


def _by_rate(
    named: Mapping[str, torch.nn.Parameter], rates: Mapping[str, float]
) -> list[tuple[float, list[torch.nn.Parameter]]]:
    """Return every factor with its parameters, in the order of the parameters."""
    used: dict[str, list[torch.nn.Parameter]] = {}
    for name, parameter in named.items():
        fitting = [start for start in rates if f"{name}.".startswith(f"{start}.")]
        used.setdefault(max(fitting, key=len, default=""), []).append(parameter)
    for start, factor in rates.items():
        if start not in used:
            valid = sorted({name.split(".")[0] for name in named})
            raise InputError(
                f"fit.optimizer.rates.{start}: no parameter has a name that begins so; "
                f"they begin with {', '.join(valid)}"
            )
        if not 0 <= factor < math.inf:
            raise InputError(
                f"fit.optimizer.rates.{start}={factor}: give a number of 0 or more"
            )
    return [(rates.get(start, 1.0), params) for start, params in used.items()]


def schedule(epoch: int, *, warm_up: Natural, decay: Count | None) -> float:
    """Return the factor of the learning rate in an epoch.

    It rises in equal steps to 1, reached at epoch ``warm_up``, and then falls to 0
    along half a cosine. It depends on the epoch alone, so a resumed run needs no
    other state.

    Args:
        epoch: Counted from 0.
        warm_up: Epochs below 1; 0 starts at 1.
        decay: Epochs from 1 to 0; None stays at 1.

    Raises:
        InputError: A value is impossible.
    """
    if warm_up < 0:
        raise InputError(f"fit.schedule.warm_up={warm_up}: give 0 or more")
    if decay is not None and decay < 1:
        raise InputError(
            f"fit.schedule.decay={decay}: give 1 or more, or null for no decay"
        )
    if epoch < warm_up:
        return (epoch + 1) / (warm_up + 1)
    if decay is None:
        return 1.0
    return (1 + math.cos(math.pi * min((epoch - warm_up) / decay, 1))) / 2


def one_drop(epoch: int, *, at: Natural, factor: PositiveShare) -> float:
    """Return the factor of the learning rate in an epoch: 1, then a smaller one.

    Args:
        epoch: Counted from 0.
        at: First epoch of the smaller rate.
        factor: From there on.

    Raises:
        InputError: A value is impossible.
    """
    if at < 0 or not 0 < factor <= 1:
        raise InputError(
            f"fit.schedule.at={at} and factor={factor}: give 0 or more, and a number "
            "above 0, at most 1"
        )
    return float(factor) if epoch >= at else 1.0


def set_rate(optimizer: Optimizer, factor: float) -> None:
    """Give every group its first learning rate times a factor, in place."""
    for group in optimizer.param_groups:
        first = group.setdefault("initial_lr", float(group["lr"]))
        if isinstance(group["lr"], Tensor):  # what a recorded step reads
            group["lr"].fill_(first * factor)
        else:
            group["lr"] = first * factor
