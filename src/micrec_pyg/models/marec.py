"""MARec: EASE, and content for the items that nobody took.

Monteil et al., RecSys 2024, arXiv 2404.13298.
"""

from collections.abc import Mapping
from typing import cast

from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, Positive
from micrec_pyg.models.base import Model
from micrec_pyg.nn.aligned_items import AlignedItems
from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import DomainSize, Embeddings, Score, TrainStage


class MARec(Model):
    r"""Score x B: EASE for old items, alignment with content for new ones.

    .. math::
        P = (X^T X + \lambda I)^{-1}, \quad
        B_{old} = P X^T X - P\, \mathrm{diag}(\gamma), \quad
        B_{new} = a P X^T X \sum_m \mu_m G_m

    with gamma for a zero diagonal, and G the cosines of the content of modality m. mu
    is a regression of X on X G. This is the paper's closed form where it aligns the
    items without any click; alpha and beta of the paper are one factor a there.

    Deviation: items with few clicks are not aligned (the paper: up to the percentile
    10 of clicks); content has length 1, so that the shrinkage of the cosines is a
    factor that mu takes up; no products of modalities.
    """

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        ridge: Positive,
        alignment: Positive,
        taken_weight: Positive,
        max_dense: Count,
    ) -> None:
        """Name what every domain is fitted on.

        Args:
            sizes: Of the domains.
            streams: Not used: nothing is drawn.
            ridge: lambda.
            alignment: a.
            taken_weight: Weight of a pair that is there against one that is not, in
                the regression of mu.
            max_dense: Rows of the largest dense matrix that may be inverted; where
                both users and items are more, the solution is an iteration's.
        """
        super().__init__()
        self.items = per_domain(
            sizes,
            lambda domain, size: AlignedItems(
                domain=domain,
                size=size,
                ridge=ridge,
                alignment=alignment,
                taken_weight=taken_weight,
                max_dense=max_dense,
            ),
        )

    def prepare(self, train: TrainStage) -> None:
        """Take the training pairs of every domain, and fit mu."""
        for domain in train.graphs:
            self._of(domain).fit(train.graphs)

    def scorer(
        self,
        domain: str,
        z: Mapping[str, Embeddings],
        graphs: Mapping[str, HeteroData],
    ) -> Score:
        """Return x B of the users' items in the graph at hand."""
        return self._of(domain).scorer(domain, graphs)

    def _of(self, domain: str) -> AlignedItems:
        return cast(AlignedItems, self.items[module_key(domain)])
