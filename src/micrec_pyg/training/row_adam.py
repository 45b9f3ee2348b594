"""Adam with one second moment per row: a table less in memory."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

BETAS = 0.9, 0.999
EPS = 1e-8


class RowAdam(Optimizer):
    r"""Adam (Kingma and Ba, arXiv 1412.6980) with the mean square of each row.

    .. math::
        m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad
        v_r \leftarrow \beta_2 v_r + (1 - \beta_2) \frac{1}{d} \sum_c g_{rc}^2

    A parameter [rows, d] keeps m and one number per row, where Adam keeps two tables.
    Each vector moves by one learning rate. What is no table has Adam's moments.
    Nothing waits for the device, so a step can be recorded.
    """

    def __init__(
        self, params: Iterable[Any], *, lr: float | Tensor, weight_decay: float
    ) -> None:
        """Choose the rate.

        Args:
            params: Parameters, or groups of them with an ``lr`` of their own.
            lr: Learning rate; a tensor where a recorded step must read a new one.
            weight_decay: Added to the gradient, times the parameter.
        """
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient, which is used up.

        Args:
            closure: Not supported; the losses are computed before.
        """
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    if not self.state[parameter]:
                        self.state[parameter] = _start(parameter)
                    _move(parameter, self.state[parameter], group)


def _start(parameter: Tensor) -> dict[str, Tensor]:
    per_row = parameter[:, 0] if parameter.dim() == 2 else parameter
    return {
        # not "step", which torch leaves on the CPU when a state is loaded
        "count": torch.zeros((), device=parameter.device),
        "mean": torch.zeros_like(parameter),
        "square": torch.zeros_like(per_row, memory_format=torch.contiguous_format),
    }


def _move(parameter: Tensor, state: dict[str, Tensor], group: dict[str, Any]) -> None:
    grad = parameter.grad
    assert grad is not None
    if group["weight_decay"]:
        grad.add_(parameter, alpha=group["weight_decay"])
    # float64, in which 1 less a power near 1 keeps its digits
    count = state["count"].add_(1).double()
    bias, square_bias = (1 - beta**count for beta in BETAS)
    state["mean"].lerp_(grad, 1 - BETAS[0])
    if parameter.dim() == 2:
        square = torch.linalg.vector_norm(grad, dim=1).square_().div_(grad.shape[1])
    else:
        square = grad.square()
    state["square"].lerp_(square, 1 - BETAS[1])
    scale = state["square"] / square_bias
    # the rate joins the divisor: all tables are passed through once
    divisor = scale.sqrt_().add_(EPS).mul_(bias / group["lr"])
    if parameter.dim() == 2:
        divisor = divisor[:, None]
    parameter.addcdiv_(state["mean"], divisor, value=-1)
