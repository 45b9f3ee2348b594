"""An optimiser for tables of vectors that keeps one number for each row."""

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

EPSILON = 1e-8
"""Keeps the step of a row finite that has had no gradient."""


class RowWiseAdagrad(Optimizer):
    r"""Adagrad whose sum of squares is one number for each row of a table.

    .. math::
        s_r \mathrel{+}= \mathrm{mean}_c\, g_{rc}^2, \quad
        \theta_{rc} \mathrel{-}= \eta\, g_{rc} / (\sqrt{s_r} + \epsilon)

    Adam keeps two numbers for each number of a table, this one for each row. A row
    without a gradient stays as it is. A vector is a table of rows of one number.
    """

    def __init__(self, params: Any, *, lr: float | Tensor, weight_decay: float) -> None:
        """Take groups of parameters, as every optimiser of torch."""
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient; ``closure`` is not used."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group["lr"], group["weight_decay"])

    def _move(self, parameter: Tensor, lr: float | Tensor, decay: float) -> None:
        assert parameter.grad is not None
        grad = parameter.grad
        if decay:
            grad = grad.add(parameter, alpha=decay)
        rows = max(1, len(parameter)) if parameter.dim() else 1
        grad, values = grad.reshape(rows, -1), parameter.view(rows, -1)
        state = self.state[parameter]
        if not state:
            state["sum"] = parameter.new_zeros(rows)
        norm = torch.linalg.vector_norm(grad, dim=1)
        state["sum"].addcmul_(norm, norm, value=1 / max(1, grad.shape[1]))
        scale = -lr / (state["sum"].sqrt() + EPSILON)
        # no table of its own for the step
        values.addcmul_(grad, scale.view(-1, 1))
