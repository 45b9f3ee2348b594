"""Scores that are inner products of two tables of vectors."""

import threading

from jaxtyping import Float, Int
from torch import Tensor

from micrec_pyg.blas import multiply
from micrec_pyg.schema import Score


class InnerProducts:
    """A function of user rows to the scores of every item."""

    def __init__(
        self, user: Float[Tensor, "users dim"], item: Float[Tensor, "items dim"]
    ) -> None:
        """Take the vectors of both sides, without their gradients."""
        self.user = user.detach()
        # The product is faster on a table whose transpose lies in order.
        self.item = item.detach().T.contiguous()

    def __call__(self, rows: Int[Tensor, " rows"]) -> Float[Tensor, "rows items"]:
        """Return the scores, in memory of their own."""
        return self._into(rows, self.user.new_empty(len(rows), self.item.shape[1]))

    def reusing(self) -> Score:
        """Return the same function; each call overwrites what the last one returned.

        The last one of its thread, that is. Fresh memory costs about as much as the
        product itself.
        """
        of_thread = threading.local()

        def score(rows: Int[Tensor, " rows"]) -> Float[Tensor, "rows items"]:
            shape = (len(rows), self.item.shape[1])
            buffer = getattr(of_thread, "buffer", self.user[:0, 0])
            if buffer.numel() < shape[0] * shape[1]:
                buffer = of_thread.buffer = buffer.new_empty(shape[0] * shape[1])
            return self._into(rows, buffer[: shape[0] * shape[1]].view(shape))

        return score

    def _into(self, rows: Tensor, out: Tensor) -> Tensor:
        return multiply(self.user.index_select(0, rows), self.item, out)


def reusing(score: Score) -> Score:
    """Return a function that may overwrite what its thread's last call returned."""
    return score.reusing() if isinstance(score, InnerProducts) else score
