"""Pairs that could be neighbours, by blocked matrix products.

A pair is proposed if its float32 score could still be among the best, given the
rounding error.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from micrec_pyg.blas import multiply

INPUT_ERROR = {"highest": 0.0, "high": 2.0**-10, "medium": 2.0**-7}
"""Rounding of the factors that ``torch.set_float32_matmul_precision`` allows."""


@dataclass(frozen=True, eq=False)
class Searched:
    """Nodes that are searched through, as columns of matrix products."""

    nodes: Int[Tensor, " nodes"]
    vectors: Float[Tensor, "padded width"]
    """Filled up with zero rows to a multiple of ``tile``."""
    tile: int
    """Columns that share one maximum."""

    @classmethod
    def of(
        cls,
        nodes: Int[Tensor, " nodes"],
        width: int,
        k: int,
    ) -> "Searched":
        """Return nodes with tiles for lists of k; its vectors are still zero."""
        # At least 16 k tiles, so that few of the k best share one.
        tile = max(1, min(64, len(nodes) // (16 * k)))
        padded = len(nodes) + -len(nodes) % tile
        return cls(nodes, torch.zeros(padded, width, device=nodes.device), tile)

    @property
    def padded(self) -> int:
        """Number of columns."""
        return len(self.vectors)

    def propose(
        self,
        queries: Float[Tensor, "queries width"],
        k: int,
        *,
        least: Float[Tensor, " queries"],
        buffer: Float[Tensor, " size"],
    ) -> tuple[Int[Tensor, " pairs"], Int[Tensor, " pairs"]]:
        """Return (query, node) pairs, all k best of each query among them.

        The k-th largest tile maximum is a lower bound of the k-th best score:
        k different tiles reach it. Reading maxima is far cheaper than a top-k of
        the whole row.

        Args:
            queries: Scaled vectors.
            k: Length of the lists.
            least: What a score must reach to count, rounding aside.
            buffer: Takes the scores.
        """
        shape = (len(queries), self.tile, self.padded // self.tile)
        scores = buffer[: len(queries) * self.padded].view(len(queries), self.padded)
        multiply(queries, self.vectors.T, scores)
        tiles = scores.view(shape)
        best = tiles.amax(dim=1)
        if best.shape[1] > k:
            bound = best.topk(k, dim=1).values[:, -1].clamp(min=0)
        else:
            bound = best.new_zeros(len(queries))
        bound = torch.maximum(bound, least) - rounding(self.vectors.shape[1])
        row, tile = (best >= bound[:, None]).nonzero(as_tuple=True)
        score = tiles[row, :, tile]
        # Padding scores exactly 0, and so do orthogonal sparse vectors, which would
        # pile up where there are fewer than k positive scores.
        hit, lane = ((score >= bound[row][:, None]) & (score != 0)).nonzero(
            as_tuple=True
        )
        return row[hit], self.nodes[lane * shape[2] + tile[hit]]


def rounding(width: int) -> float:
    """Return the largest difference between two scores that are equal on paper.

    A float32 inner product of unit vectors is off by at most width x 2^-24; the
    scaling of both factors adds a few roundings more.
    """
    factors = INPUT_ERROR[torch.get_float32_matmul_precision()]
    return 2 * ((width + 8) * 2.0**-24 + 2 * factors)
