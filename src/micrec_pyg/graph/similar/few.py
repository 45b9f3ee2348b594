"""Exact nearest neighbours of a few nodes among many that are there already.

The same lists as ``search.neighbor_lists`` would give these nodes, ties included:
products only propose, and candidates are scored by the definition in float64.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from micrec_pyg.blas import multiply
from micrec_pyg.graph.similar.blocks import blocks_of
from micrec_pyg.graph.similar.modalities import Modality
from micrec_pyg.graph.similar.neighbor_lists import NeighborLists, best_pairs
from micrec_pyg.graph.similar.proposals import rounding
from micrec_pyg.graph.similar.search import SCALE_BLOCK, TINY, vector_norms
from micrec_pyg.schema import Feature

FEW = 16
"""Rows up to which a product has the long table first, several times as fast on some
CPUs (docs/speed.md)."""


@dataclass(frozen=True, eq=False)
class Compared:
    """Nodes with what decides their similarity, computed once for all questions."""

    modalities: Sequence[Modality]
    """What ``weighted`` returned; at least one."""
    inverse: Sequence[Float[Tensor, " nodes"]]
    """By modality 1 / length in float64; 0 for a zero vector, whose cosines are 0."""

    @classmethod
    def of(cls, modalities: Sequence[Modality]) -> "Compared":
        """Return nodes with their lengths."""
        return cls(modalities, [inverse_norms(m.values) for m in modalities])

    def __len__(self) -> int:
        """Return how many nodes there are."""
        return len(self.modalities[0].mask)

    @property
    def width(self) -> int:
        """Return how many numbers a node has."""
        return sum(m.values.shape[1] for m in self.modalities)

    def take(self, rows: Int[Tensor, " rows"]) -> "Compared":
        """Return some of the nodes, in the order given."""
        return Compared(
            [
                replace(m, values=m.values[rows], mask=m.mask[rows])
                for m in self.modalities
            ],
            [inverse[rows] for inverse in self.inverse],
        )

    def replaced(
        self,
        rows: Int[Tensor, " rows"],
        features: Mapping[str, Feature],
        size: int,
    ) -> "Compared":
        """Return all nodes after some of them differ; new ones stand behind the others.

        Args:
            rows: Which differ or are new.
            features: Theirs, by modality; those of other modalities are not read.
            size: How many nodes there are now.
        """
        if not len(rows) and size == len(self):
            return self
        modalities, lengths = [], []
        for m, inverse in zip(self.modalities, self.inverse, strict=True):
            feature = features[m.name]
            values = torch.where(feature.mask[:, None], feature.values.float(), 0.0)
            modalities.append(
                replace(
                    m,
                    values=_put(m.values, rows, values, size),
                    mask=_put(m.mask, rows, feature.mask, size),
                )
            )
            lengths.append(_put(inverse, rows, inverse_norms(values), size))
        return Compared(modalities, lengths)

    def scores(self, there: "Compared") -> Float[Tensor, "rows nodes"]:
        """Return the similarities of all pairs by float32 products.

        Args:
            there: The other nodes of each pair, with the same modalities.
        """
        shape = (len(self), len(there))
        total = self.inverse[0].new_zeros(shape, dtype=torch.float32)
        weight, product = torch.zeros_like(total), torch.empty_like(total)
        for mine, other, one, two in zip(
            self.modalities, there.modalities, self.inverse, there.inverse, strict=True
        ):
            scaled = mine.values * (mine.weight * one).float()[:, None]
            total += _products(scaled, other.values, product).mul_(two.float())
            weight += mine.weight * (mine.mask[:, None] & other.mask).float()
        return total.div_(weight.clamp_(min=torch.finfo(torch.float32).tiny))

    def similarity(
        self, rows: Int[Tensor, " pairs"], there: "Compared", col: Int[Tensor, " pairs"]
    ) -> Float[Tensor, " pairs"]:
        """Return s(row, col) as it is defined, in float64, rounded to float32."""
        step = max(1, blocks_of(rows.device).refined // self.width)
        parts = zip(rows.split(step), col.split(step), strict=True)
        return torch.cat([self._exact(a, there, b) for a, b in parts])

    def _exact(self, a: Tensor, there: "Compared", b: Tensor) -> Tensor:
        total = torch.zeros(len(a), dtype=torch.float64, device=a.device)
        weight = torch.zeros_like(total)
        for mine, other, one, two in zip(
            self.modalities, there.modalities, self.inverse, there.inverse, strict=True
        ):
            dot = (mine.values[a].double() * other.values[b]).sum(dim=1)
            total += mine.weight * dot * one[a] * two[b]
            weight += mine.weight * (mine.mask[a] & other.mask[b]).double()
        return torch.where(weight > 0, total / weight.clamp(min=TINY), 0.0).float()


def few_neighbors(
    asked: Compared,
    there: Compared,
    *,
    k: int,
    oneself: Int[Tensor, " asked"] | None = None,
) -> NeighborLists:
    """Return the k most similar of the nodes that are there, for every asked one.

    Args:
        asked: The nodes that ask, with the modalities of ``there`` in their order.
        there: The nodes that are searched.
        k: Columns of the result, at least one.
        oneself: The row of each asked node in ``there``, which is never in its list;
            None where they are not there.
    """
    rows = torch.arange(len(asked), device=asked.inverse[0].device)
    found = []
    step = max(1, blocks_of(rows.device).scores // max(1, len(there)))
    for block in rows.split(step):
        mine = None if oneself is None else oneself[block]
        found.append(_block(asked.take(block), there, mine, k))
    return NeighborLists(
        torch.cat([lists.index for lists in found]),
        torch.cat([lists.similarity for lists in found]),
    )


def inverse_norms(values: Float[Tensor, "nodes width"]) -> Float[Tensor, " nodes"]:
    """Return 1 / length in float64; 0 for a zero vector, whose cosines are 0."""
    length = vector_norms(values)
    return torch.where(length > TINY, 1 / length, 0.0)


def unit_rows(values: Float[Tensor, "nodes width"]) -> Float[Tensor, "nodes width"]:
    """Return every row with the length 1, whatever it was; a zero vector stays one."""
    parts = values.split(SCALE_BLOCK)
    # their lengths may be beyond float32
    return torch.cat([(p * inverse_norms(p)[:, None]).float() for p in parts])


def _products(
    few: Float[Tensor, "rows width"],
    many: Float[Tensor, "nodes width"],
    out: Float[Tensor, "rows nodes"],
) -> Float[Tensor, "rows nodes"]:
    """Return ``out``, which holds few @ many.T afterwards."""
    if len(few) > FEW or few.device.type != "cpu":
        return multiply(few, many.T, out)
    # Two columns at least: with one, the library takes its product with a vector.
    columns = few.repeat(2, 1) if len(few) == 1 else few
    return out.copy_(torch.mm(many, columns.T)[:, : len(few)].T)


def _put(old: Tensor, rows: Tensor, new: Tensor, size: int) -> Tensor:
    """Return a table of more rows, some of which are new."""
    found = old.new_empty(size, *old.shape[1:])
    found[: len(old)] = old
    found[rows.to(old.device)] = new.to(old)
    return found


def _block(
    asked: Compared, there: Compared, oneself: Tensor | None, k: int
) -> NeighborLists:
    total = asked.scores(there)
    if oneself is not None:
        total.scatter_(1, oneself[:, None], 0.0)
    bound = total.new_zeros(len(asked))
    if total.shape[1] > k:
        bound = total.topk(k, dim=1).values[:, -1].clamp(min=0)
    close = (total >= (bound - rounding(there.width))[:, None]) & (total != 0)
    row, col = close.nonzero(as_tuple=True)
    similarity = asked.similarity(row, there, col)
    return best_pairs(row, col, similarity, shape=(len(asked), k))
