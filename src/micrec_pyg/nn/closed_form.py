"""Item-to-item weights in closed form (EASE; Steck, WWW 2019), never written out.

Where there are fewer people than items, no item x item matrix is held. Y has a row
per person, over the items, and a row per axis of the items' content. With
P = (Y^T Y + lambda I)^-1 the weights are B_ij = -P_ij / P_jj, B_jj = 0, and the scores
of a row x are x B. Here everything follows from the other side,

    K = Y Y^T / lambda + I,    Y P = K^-1 Y / lambda,    lambda P_jj = 1 - h_j,
    h_j = Y_j^T K^-1 Y_j / lambda,
    (x B)_j = ( Y_j^T K^-1 Y x / lambda - h_j x_j ) / (1 - h_j).

Tables here have a column per user: Y x is a product from the left.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from micrec_pyg.nn.conjugate_gradients import ConjugateGradients
from micrec_pyg.nn.design_matrix import DesignMatrix, product, units
from micrec_pyg.schema import InputError

DOUBLE = 4096
"""Up to so many rows a matrix is inverted in double precision, which costs little."""
TOLERANCE = 1e-4
"""Conjugate gradients end at this relative residual."""
OF_UNITS, OF_CONTENT = 1e-3, 1e-6
"""The same residual where it counts by its square, and where all else follows."""
UNITS, UNITS_ON_CUDA = 64, 1024
"""Most unit vectors that are solved for at a time."""
CACHED = 2**21
"""Numbers of a table that stays in a CPU's cache while an iteration reads it."""
MANY = 2**31
"""More columns than there ever are."""


class Solver(ABC):
    """Solves K u = t for Y^T u, and knows 1 - h."""

    def __init__(self, rows: DesignMatrix, ridge: float) -> None:
        """Keep Y and lambda."""
        self.rows, self.ridge = rows, ridge

    @property
    def at_once(self) -> int:
        """How many columns are best solved at a time: here all."""
        return MANY

    @abstractmethod
    def solve(self, t: Float[Tensor, "rows n"]) -> Float[Tensor, "items n"]:
        """Return Y^T u."""

    @abstractmethod
    def rest(self) -> Float[Tensor, " items"]:
        """Return 1 - h, which is above 0."""

    def solve_own(
        self, row: Int[Tensor, " n"], y: Float[Tensor, "items n"]
    ) -> Float[Tensor, "items n"]:
        """Return the same for t = Y y, where y are some rows of Y."""
        return self.solve(self.rows.times(y))

    def solve_of(
        self, x: Float[Tensor, "items n"], t: Float[Tensor, "rows n"]
    ) -> Float[Tensor, "items n"]:
        """Return the same for t = Y x + s, where s are rows of items not in Y."""
        return self.solve(t)

    def unfold(
        self, t: Float[Tensor, "rows n"], solved: Float[Tensor, "items n"]
    ) -> Float[Tensor, "rows n"]:
        """Return u = t - Y (Y^T u) / lambda itself."""
        return t - self.rows.times(solved) / self.ridge


class PeopleSide(Solver):
    """By the dense H = 1 - K^-1: for fewer rows than items."""

    def __init__(self, rows: DesignMatrix, ridge: float) -> None:
        """Compute H."""
        super().__init__(rows, ridge)
        self.hat = _inverse(rows.gram(), ridge).mul_(-ridge)
        self.hat.diagonal().add_(1)
        self.hat = self.hat.float()

    def solve(self, t: Float[Tensor, "rows n"]) -> Float[Tensor, "items n"]:
        """Return Y^T u."""
        return self.rows.back(t - self.hat @ t)

    def solve_own(
        self, row: Int[Tensor, " n"], y: Float[Tensor, "items n"]
    ) -> Float[Tensor, "items n"]:
        """Return the same for rows of Y: u are columns of lambda H."""
        # torch's index_select copies the whole of H for columns
        return self.rows.back(self.hat[:, row] * self.ridge)

    def rest(self) -> Float[Tensor, " items"]:
        """Return 1 - h, from the parts of K^-1: people, content and both.

        Of X^T K^-1 of the people only what stands where X does is read.
        """
        inverse, people = -self.hat, len(self.rows.taken)
        inverse.diagonal().add_(1)
        content, takers = self.rows.content, self.rows.takers
        both = 2 * product(takers, inverse[:people, people:])
        h = ((both + content @ inverse[people:, people:]) * content).sum(1)
        for some, item, person, weight in self.rows.people():
            solved = product(takers, inverse[:people, some])
            h.index_add_(0, item, solved[item, person] * weight)
        return 1 - h / self.ridge


class ItemSolver(Solver):
    """By products with lambda P: Y^T K^-1 = lambda P Y^T."""

    def solve(self, t: Float[Tensor, "rows n"]) -> Float[Tensor, "items n"]:
        """Return Y^T u."""
        return self.shrink(self.rows.back(t))

    @abstractmethod
    def shrink(self, x: Float[Tensor, "items n"]) -> Float[Tensor, "items n"]:
        """Return lambda P x."""


class ItemSide(ItemSolver):
    """By the dense lambda P, for fewer items than rows."""

    def __init__(self, rows: DesignMatrix, ridge: float) -> None:
        """Compute lambda P."""
        super().__init__(rows, ridge)
        self.inverse = _inverse(rows.gram_of_items(), ridge).mul_(ridge).float()

    def shrink(self, x: Float[Tensor, "items n"]) -> Float[Tensor, "items n"]:
        """Return lambda P x."""
        return self.inverse @ x

    def rest(self) -> Float[Tensor, " items"]:
        """Return 1 - h, the diagonal of lambda P."""
        return self.inverse.diagonal()


def _inverse(
    gram: Float[Tensor, "size size"], ridge: float
) -> Float[Tensor, "size size"]:
    """Return (G + lambda)^-1; G is lost, so that three such matrices are the most.

    Raises:
        InputError: It has no inverse within the precision of the numbers.
    """
    gram = gram.double() if len(gram) <= DOUBLE else gram
    gram.diagonal().add_(ridge)
    factor, failed = torch.linalg.cholesky_ex(gram)
    if bool(failed):
        raise InputError(
            f"ridge={ridge:g}: the matrix of the closed form has no inverse with these "
            "settings; give a larger ridge, or other settings nearer to their defaults"
        )
    return torch.cholesky_inverse(factor)


class Iterations(ItemSolver):
    """By conjugate gradients over the people alone: no matrix of items x items.

    Content has few axes, which are solved for exactly and need no iteration. With X
    the rows of people and F the content (items x axes),

        A = X^T X / lambda + I,    W = A^-1 F,    S = I + F^T W / lambda,
        lambda P = A^-1 - W S^-1 W^T / lambda.

    The largest eigenvalues of Y^T Y are those of content, so A takes far fewer
    products than Y^T Y + lambda I would.
    """

    def __init__(self, rows: DesignMatrix, ridge: float) -> None:
        """Compute W, and S^-1 / lambda."""
        super().__init__(rows, ridge)
        self.gradients = ConjugateGradients(rows, ridge)
        self.smooth, _ = self.gradients.solve(rows.content, OF_CONTENT)
        inner = (rows.content.T @ self.smooth).double() / ridge
        inner.diagonal().add_(1)
        self.inner = torch.linalg.inv(inner).float() / ridge

    @property
    def at_once(self) -> int:
        """How many columns are best solved at a time; on CUDA all."""
        on_cuda = self.rows.content.is_cuda
        return MANY if on_cuda else max(CACHED // len(self.rows.content), 1)

    def shrink(self, x: Float[Tensor, "items n"]) -> Float[Tensor, "items n"]:
        """Return lambda P x, to a relative residual ``TOLERANCE`` of A."""
        content_part = self.smooth @ (self.inner @ (self.smooth.T @ x))
        return self.gradients.solve(x, TOLERANCE)[0].sub_(content_part)

    def solve_own(
        self, row: Int[Tensor, " n"], y: Float[Tensor, "items n"]
    ) -> Float[Tensor, "items n"]:
        """Return the same for t = Y y: lambda (y - lambda P y)."""
        return self.shrink(y).sub_(y).mul_(-self.ridge)

    def solve_of(
        self, x: Float[Tensor, "items n"], t: Float[Tensor, "rows n"]
    ) -> Float[Tensor, "items n"]:
        """Return lambda (x - lambda P (x - Y^T s / lambda)).

        Y^T Y x is far longer than x: to its length the residual would be relative.
        """
        others = self.rows.back(t - self.rows.times(x)) / self.ridge
        return self.shrink(x - others).sub_(x).mul_(-self.ridge)

    def rest(self) -> Float[Tensor, " items"]:
        """Return 1 - h, the diagonal of lambda P.

        That of A^-1 is e.u + u.r, with u the solution for a unit vector e and r what it
        leaves: too little by at most |r|^2, as no eigenvalue of A is below 1. h is
        kept in [0, |Y_j|^2 / (lambda + |Y_j|^2)], where it is.
        """
        count, device = len(self.rows.content), self.rows.content.device
        most = UNITS_ON_CUDA if self.rows.content.is_cuda else UNITS
        found = []
        for some in torch.arange(count, device=device).split(min(self.at_once, most)):
            u, r = self.gradients.solve(units(some, count), OF_UNITS)
            found.append(u[some].diagonal() + (u * r).sum(0))
        h: Tensor = (
            1 - torch.cat(found) + (self.smooth @ self.inner * self.smooth).sum(1)
        )
        length = self.gradients.square + self.rows.content.square().sum(1)
        return 1 - h.clamp(min=0).minimum(length / (self.ridge + length))


def solver_of(rows: DesignMatrix, *, ridge: float, max_dense: int) -> Solver:
    """Return the cheapest exact solver that holds no larger dense matrix.

    Args:
        rows: Y.
        ridge: lambda, above 0.
        max_dense: Rows of the largest matrix to invert; if both people and items are
            more, the solver iterates.
    """
    kind = PeopleSide if len(rows) <= len(rows.content) else ItemSide
    size = min(len(rows), len(rows.content))
    return (kind if size <= max_dense else Iterations)(rows, ridge)


class ItemWeights:
    """B, never written out."""

    def __init__(
        self,
        rows: DesignMatrix,
        fitted: Bool[Tensor, " items"],
        *,
        ridge: float,
        max_dense: int,
    ) -> None:
        """Solve for what all rows share.

        Args:
            rows: Y, with the columns of all items.
            fitted: Which items are fitted. Another item takes no part in K. Its
                column of B is that of a fit to which it is added alone: the ridge
                regression of its column of Y on the columns of the fitted items.
            ridge: lambda.
            max_dense: See ``solver_of``.
        """
        self.solver = solver_of(rows.only(fitted), ridge=ridge, max_dense=max_dense)
        self.rows, self.ridge = rows, ridge
        self.all_fitted = bool(fitted.all())
        self.outside = rows.only(~fitted)
        self.fitted = fitted.view(-1, 1)
        self.rest = torch.where(self.fitted, self.solver.rest().view(-1, 1), 1.0)

    def scores(self, x: Float[Tensor, "items n"]) -> Float[Tensor, "items n"]:
        """Return the scores of rows x, a column each."""
        t = self.rows.times(x)
        fitted = torch.where(self.fitted, x, 0.0)
        return self._scores(x, self.solver.solve_of(fitted, t), t)

    def scores_of_fitted(
        self, person: Int[Tensor, " n"], x: Float[Tensor, "items n"]
    ) -> Float[Tensor, "items n"]:
        """Return the same where x are rows of Y, all of whose items are fitted."""
        return self._scores(x, self.solver.solve_own(person, x))

    def _scores(self, x: Tensor, solved: Tensor, t: Tensor | None = None) -> Tensor:
        found = solved / self.ridge
        if not self.all_fitted:
            u = self.solver.unfold(self.rows.times(x) if t is None else t, solved)
            found.add_(self.outside.back(u), alpha=1 / self.ridge)
        return found.addcmul_(1 - self.rest, x, value=-1).div_(self.rest)
