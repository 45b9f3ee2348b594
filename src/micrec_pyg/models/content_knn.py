"""Content kNN: items whose content is like that of the items that a user took."""

from collections.abc import Mapping
from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, NotNegative, Positive, one_of
from micrec_pyg.models.base import Model
from micrec_pyg.nn.content import Content
from micrec_pyg.nn.spmm import product
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import INTERACTED_BY, DomainSize, Embeddings, Score, TrainStage

Profile = Annotated[str, one_of("mean", "max")]
"""What becomes of the similarities to all items of a user."""

BLOCK = 256
"""Items of users that are compared to all others at a time."""


class ContentKNN(Model):
    """Score an item by the similarity of its content to what the user took.

    s_ij is the weighted sum over the modalities of cos(x_i, x_j); a modality that one
    of both lacks adds 0. The score is the mean of s_ij over the items j of the user, or
    the largest. Nothing is learnt, so new users and new items are as all others.
    """

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        modalities: Mapping[str, NotNegative],
        profile: Profile,
        whiten: Count | None,
        floor: Positive,
    ) -> None:
        """Keep the settings.

        Args:
            sizes: Not used.
            streams: Not used: nothing is drawn.
            modalities: Weight of every modality by its name; others are not read.
            profile: ``mean`` or ``max``.
            whiten: Axes that a whitening over the training items of all domains
                keeps; None compares the vectors as they are.
            floor: Of the whitening (``fit_whitening``).
        """
        super().__init__()
        self.profile = profile
        self.content = Content(weights=modalities, dim=whiten, floor=floor)

    def prepare(self, train: TrainStage) -> None:
        """Whiten the content of the training items, if that is asked for."""
        self.content.fit(train.graphs)

    def forward(
        self,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None = None,
    ) -> dict[str, Embeddings]:
        """Return the content of items, and the mean of what users took."""
        vectors = self.content(graphs)
        return {
            domain: Embeddings(user=_mean(data, vectors[domain]), item=vectors[domain])
            for domain, data in graphs.items()
        }

    def scorer(
        self,
        domain: str,
        z: Mapping[str, Embeddings],
        graphs: Mapping[str, HeteroData],
    ) -> Score:
        """Return the mean similarities, which are inner products, or the largest."""
        if self.profile == "mean":
            return super().scorer(domain, z, graphs)
        taken = graphs[domain][INTERACTED_BY].adj_t
        item, start = taken.col_indices().long(), taken.crow_indices().long()
        vectors = z[domain].item

        def largest(asked: Int[Tensor, " rows"]) -> Float[Tensor, "rows items"]:
            count = start[asked + 1] - start[asked]
            row = torch.arange(len(asked), device=asked.device).repeat_interleave(count)
            first = (start[asked] - (count.cumsum(0) - count)).repeat_interleave(count)
            place = first + torch.arange(len(row), device=asked.device)
            found = vectors.new_full((len(asked), len(vectors)), -torch.inf)
            for some in torch.arange(len(row), device=asked.device).split(BLOCK):
                similar = vectors[item[place[some]]] @ vectors.T
                where = row[some].view(-1, 1).expand_as(similar)
                found.scatter_reduce_(0, where, similar, "amax")
            return found.masked_fill_((count == 0).view(-1, 1), 0.0)

        return largest


def _mean(data: HeteroData, vectors: Float[Tensor, "items d"]) -> Tensor:
    """Return the mean vector of every user's items; zero without any."""
    taken = data[INTERACTED_BY].adj_t
    count = taken.crow_indices().diff()
    share = (1.0 / count.clamp(min=1)).repeat_interleave(count)
    return product(taken, share, vectors)
