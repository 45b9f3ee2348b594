"""EASE (Steck, WWW 2019): a linear model with a closed form."""

from collections.abc import Mapping
from typing import cast

from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, Positive
from micrec_pyg.models.base import Model
from micrec_pyg.nn.item_to_item import ItemToItem
from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import USER, DomainSize, Embeddings, Score, TrainStage


class EASE(Model):
    """Score x B, with x the 0/1 row of a user's items and B fitted in training.

    B minimises |X - X B|^2 + lambda |B|^2 under a zero diagonal: B_ij = -P_ij / P_jj,
    with P = (X^T X + lambda I)^-1. A new user is a row; a new item has no weights.
    """

    answers: frozenset[str] = frozenset({USER})

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        ridge: Positive,
        max_dense: Count,
    ) -> None:
        """Name what every domain is fitted on.

        Args:
            sizes: Of the domains.
            streams: Not used: nothing is drawn.
            ridge: lambda.
            max_dense: Rows of the largest dense matrix that may be inverted; where
                both users and items are more, the solution is an iteration's.
        """
        super().__init__()
        self.weights = per_domain(
            sizes,
            lambda domain, size: ItemToItem(
                sizes={domain: size},
                ridge=ridge,
                row_decay=0.0,
                content=None,
                fit_on="train",
                max_dense=max_dense,
            ),
        )

    def prepare(self, train: TrainStage) -> None:
        """Take the training pairs of every domain."""
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

    def _of(self, domain: str) -> ItemToItem:
        return cast(ItemToItem, self.weights[module_key(domain)])
