"""EASE-xc: a linear model in closed form over all domains, with content."""

from collections.abc import Mapping
from typing import ClassVar

from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, NotNegative, Positive
from micrec_pyg.models.base import Model
from micrec_pyg.nn.content import Content
from micrec_pyg.nn.item_to_item import FitOn, ItemToItem
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import DomainSize, Embeddings, Score, TrainStage


class EASExc(Model):
    """EASE with a row per person, the items of all domains as columns, and content.

    Y = [X ; F^T]. X has a row per person: 1 for each of the n items of any domain,
    scaled by n^(-tau / 2). F has a row per item: its whitened content, one space for
    all domains, of squared length alpha. P = (Y^T Y + lambda I)^-1, B_ij = -P_ij /
    P_jj, B_jj = 0, and the score of item i for person u is (x_u B)_i.

    So a new user is a row, a user without history in a domain is answered from the
    others, and an item without any edge by its content.
    """

    reads_other_domains: ClassVar[bool] = True

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        ridge: Positive,
        row_decay: NotNegative,
        content: Mapping[str, NotNegative],
        content_dim: Count,
        content_floor: Positive,
        fit_on: FitOn,
        max_dense: Count,
    ) -> None:
        """Name what it is fitted on.

        Args:
            sizes: Of the domains.
            streams: Not used: nothing is drawn.
            ridge: lambda.
            row_decay: tau.
            content: alpha of every modality by its name; others are not read.
            content_dim: Axes that the whitening keeps.
            content_floor: Of the whitening (``fit_whitening``).
            fit_on: ``train``: B is that of the training graphs, and a new item gets
                its column from content alone, as if it were added by itself.
                ``new_items``: the same, but the column of a new item also reads its
                edges to the people of the training graphs. ``graph``: B is computed
                anew on the graphs at hand, which at the test have the support edges
                too.
            max_dense: Rows of the largest dense matrix that may be inverted; where
                both persons and items are more, the solution is an iteration's.
        """
        super().__init__()
        self.weights = ItemToItem(
            sizes=sizes,
            ridge=ridge,
            row_decay=row_decay,
            content=Content(weights=content, dim=content_dim, floor=content_floor),
            fit_on=fit_on,
            max_dense=max_dense,
        )

    def prepare(self, train: TrainStage) -> None:
        """Take the training pairs, and whiten the content of the training items."""
        self.weights.fit(train.graphs)

    def scorer(
        self,
        domain: str,
        z: Mapping[str, Embeddings],
        graphs: Mapping[str, HeteroData],
    ) -> Score:
        """Return x B of a person's items in all graphs at hand."""
        return self.weights.scorer(domain, graphs)
