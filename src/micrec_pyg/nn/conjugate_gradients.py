"""Solutions of a system over the people of a design matrix, by iterations."""

import logging

import torch
from jaxtyping import Float
from torch import Tensor

from micrec_pyg.nn.design_matrix import DesignMatrix, product

MOST = 100
"""Products after which the iterations end in any case."""
TINY = torch.finfo(torch.float32).tiny
"""Stands in for 0 where it divides 0."""

logger = logging.getLogger(__name__)


class ConjugateGradients:
    r"""Solves A u = x, with :math:`A = X^T X / \lambda + I` and X the rows of people.

    The diagonal of A scales the gradients (Jacobi): with a small ridge that halves the
    products.
    """

    def __init__(self, rows: DesignMatrix, ridge: float) -> None:
        """Keep both, and the squared lengths of the columns of X."""
        self.rows, self.ridge, self.has_told = rows, ridge, False
        size, device = len(rows.content), rows.content.device
        row = torch.arange(size, device=device).repeat_interleave(
            rows.takers.crow_indices().diff()
        )
        self.square = torch.zeros(size, device=device)
        self.square.index_add_(0, row, rows.takers.values().square())

    def solve(
        self, x: Float[Tensor, "items n"], tolerance: float
    ) -> tuple[Float[Tensor, "items n"], Float[Tensor, "items n"]]:
        """Return u near A^-1 x, and x - A u, of all columns side by side.

        Args:
            x: Right-hand sides.
            tolerance: The length of x - A u over that of x at which the iterations
                end, after ``MOST`` products at the latest; this is logged.
        """
        scale = 1 / (1 + self.square / self.ridge).view(-1, 1)
        found, left, way = torch.zeros_like(x), x.clone(), x * scale
        square, end = (left * way).sum(0), x.square().sum(0) * tolerance**2
        for _ in range(MOST):
            if bool((left.square().sum(0) <= end).all()):
                return found, left
            curved = product(self.rows.takers, product(self.rows.taken, way))
            curved.div_(self.ridge).add_(way)
            step = square / (way * curved).sum(0).clamp(min=TINY)
            found.addcmul_(way, step)
            left.addcmul_(curved, step, value=-1)
            scaled = left * scale
            before, square = square, (left * scaled).sum(0)
            way = way.mul_(square / before.clamp(min=TINY)).add_(scaled)
        self._tell(left.square().sum(0), end, tolerance)
        return found, left

    def _tell(self, left: Tensor, end: Tensor, tolerance: float) -> None:
        """Say once that the tolerance was not reached, and by how much."""
        times = float((left / end.clamp(min=TINY)).max().sqrt())
        if times > 1 and not self.has_told:
            self.has_told = True
            logger.warning(
                "closed form, ridge=%g: after %d products the residual is %.0e, wanted "
                "was %.0e; scores are inexact: give a larger ridge or max_dense",
                self.ridge,
                MOST,
                times * tolerance,
                tolerance,
            )
