"""Item-to-item weights whose columns of new items are aligned with content (MARec)."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.nn.closed_form import ItemWeights
from micrec_pyg.nn.design_matrix import DesignMatrix
from micrec_pyg.nn.histories import histories
from micrec_pyg.nn.item_content import content
from micrec_pyg.nn.item_to_item import Fit, ItemToItem
from micrec_pyg.schema import ITEM, USER, DomainSize

BLOCK = 1024
"""Users at a time."""


class AlignedItems(ItemToItem):
    """The weights of EASE in one domain, and content for items without training edges.

    mu, a number for each modality, is fitted once to the training pairs.
    """

    def __init__(
        self,
        *,
        domain: str,
        size: DomainSize,
        ridge: float,
        alignment: float,
        taken_weight: float,
        max_dense: int,
    ) -> None:
        """Name the state, which ``fit`` makes.

        Args:
            domain: Its name.
            size: Number of items, and the modalities.
            ridge: lambda.
            alignment: Factor of the scores of new items.
            taken_weight: Weight of a pair that is there against one that is not, in
                the fit of mu.
            max_dense: See ``solver_of``.
        """
        super().__init__(
            sizes={domain: size},
            ridge=ridge,
            row_decay=0.0,
            content=None,
            fit_on="train",
            max_dense=max_dense,
        )
        self.domain, self.modalities = domain, sorted(size.widths)
        self.alignment, self.taken_weight = alignment, taken_weight
        self.mu: Tensor
        self.register_buffer("mu", None)

    def fit(self, graphs: Mapping[str, HeteroData]) -> None:
        """Remember the training pairs, and fit mu to them."""
        super().fit(graphs)
        data = graphs[self.domain]
        found = regression(data, self.modalities, self.taken_weight)
        self.mu = found.to(data[ITEM].n_id.device)

    def beside(self, graphs: Mapping[str, HeteroData]) -> list[Tensor]:
        """Return the vectors of every modality, and mu times their alignment."""
        data = graphs[self.domain]
        vectors = [content(data, [name]) for name in self.modalities]
        return [*vectors, self.alignment * self.mu]

    def weights(self, rows: DesignMatrix, fit: Fit) -> "AlignedWeights":
        """Return B, with columns for the new items."""
        weights = AlignedWeights(
            rows, fit.fitted, ridge=self.ridge, max_dense=self.max_dense
        )
        *vectors, factors = fit.beside
        weights.align(vectors, factors)
        return weights


class AlignedWeights(ItemWeights):
    r"""B with :math:`a P X^T X \sum_m \mu_m G_m` for items without training edges.

    G are the cosines of contents, and P = (X^T X + lambda I)^-1.
    """

    def align(
        self,
        vectors: Sequence[Float[Tensor, "items _width"]],
        factors: Float[Tensor, " modalities"],
    ) -> None:
        """Take over the contents.

        Args:
            vectors: Of every modality, of length 1.
            factors: a mu.
        """
        taken = self.rows.takers.crow_indices().diff() > 0
        self.bare = (~taken).nonzero().flatten()
        self.parts = [
            (
                factor * each.index_select(0, self.bare),
                torch.where(taken.view(-1, 1), each, 0.0),
            )
            for factor, each in zip(factors, vectors, strict=True)
        ]

    def _scores(self, x: Tensor, solved: Tensor, t: Tensor | None = None) -> Tensor:
        smooth = solved / self.ridge  # P X^T X x
        found = super()._scores(x, solved, t)
        total = smooth.new_zeros(len(self.bare), smooth.shape[1])
        for bare, taken in self.parts:
            total = torch.addmm(total, bare, taken.T @ smooth)
        return found.index_copy_(0, self.bare, total)


def regression(
    data: HeteroData, modalities: Sequence[str], taken_weight: float
) -> Float[Tensor, " modalities"]:
    r"""Return mu, which explains who took what by what is like their other items.

    .. math::
        \min_{\mu, b} \sum_{u,i} w_{ui} \Big( x_{ui} - b
        - \sum_m \mu_m \sum_{j \neq i} x_{uj} \cos(f_{jm}, f_{im}) \Big)^2

    Args:
        data: The training graph.
        modalities: m.
        taken_weight: w of the pairs with x = 1; of the others it is 1.
    """
    vectors = [content(data, [name]) for name in modalities]
    history = histories(data)
    size = len(modalities) + 1
    moments = torch.zeros(size, size, dtype=torch.float64)
    target = torch.zeros(size, dtype=torch.float64)
    for some in torch.arange(data[USER].num_nodes).split(BLOCK):
        x = history.rows(some.to(data[ITEM].n_id.device))
        columns = [torch.ones_like(x)]
        for f in vectors:
            own = x * f.square().sum(1)
            columns.append((x @ f) @ f.T - own)
        w = 1 + (taken_weight - 1) * x
        for a in range(size):
            weighted = columns[a] * w
            target[a] += (weighted * x).sum(dtype=torch.float64).cpu()
            for b in range(a + 1):
                term = (weighted * columns[b]).sum(dtype=torch.float64).cpu()
                moments[a, b] += term
                if a != b:
                    moments[b, a] += term
    # a modality that nobody has, or that all have alike, explains nothing
    solved = torch.linalg.pinv(moments, hermitian=True) @ target
    return cast(Tensor, solved[1:].float())
