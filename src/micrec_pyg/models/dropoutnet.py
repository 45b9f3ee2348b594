"""DropoutNet: towers that learn to do without the vector of a node.

Volkovs et al., NeurIPS 2017.
"""

from collections.abc import Mapping
from typing import ClassVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, Positive, Share, Widths
from micrec_pyg.models.base import Model, Part
from micrec_pyg.nn.batch_rows import asked, take
from micrec_pyg.nn.id_embedding import id_embeddings, training_rows
from micrec_pyg.nn.item_content import content, mean_content, width_of
from micrec_pyg.nn.losses import l2_loss, over_domains
from micrec_pyg.nn.means import mean_of_others
from micrec_pyg.nn.mlp import MLP
from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.nn.ranking import RankingLoss
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import ITEM, USER, Batch, DomainSize, Embeddings, Triplets

Sides = dict[str, Tensor]
"""A table of users and one of items."""


class DropoutNet(Model):
    r"""Score by towers over a vector and the content of a node.

    .. math::
        \min \sum_{u,i} \big( e_u \cdot e_i
        - f_U([\tilde e_u, c_u]) \cdot f_I([\tilde e_i, c_i]) \big)^2

    e are the vectors of a factorisation, which this loss does not move; c_i is the
    content of an item, c_u the mean of a user's. Half of those that training drops
    have 0 for their vector, the others the mean vector of their items or users in the
    graph, as new nodes have at inference: 0 where they have no edge. Where the ranking
    loss reads cosines, e is of length 1.

    Deviation: the factorisation is learnt beside the towers, not before them; pairs
    are positives and uniform negatives, not a teacher's best; no batch normalisation.
    """

    terms: ClassVar[Mapping[str, Part]] = {
        "ranking": "triplets",
        "l2": "triplets",
        "distance": "negatives",
    }
    divisible: ClassVar[frozenset[Part]] = frozenset(
        {"triplets"}
    )  # others draw per row

    loss: RankingLoss

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        dim: Count,
        std: Positive,
        hidden: Widths,
        dropout: Share,
        num_negatives: Count,
        loss: RankingLoss,
    ) -> None:
        """Draw the vectors and the towers of every domain.

        Args:
            sizes: Numbers of nodes and widths of the content, by domain.
            streams: Draw the start values, a stream per domain and tower.
            dim: Width of the vectors and of the outputs of the towers.
            std: Standard deviation of the start values of the vectors.
            hidden: Widths of the hidden layers of a tower.
            dropout: Share of the users, and of the items, whose vector is dropped.
            num_negatives: Of each positive, in the loss of the towers.
            loss: The ranking loss of the factorisation.
        """
        super().__init__()
        self.loss, self.dropout, self.num_negatives = loss, dropout, num_negatives
        self.modalities = {d: sorted(size.widths) for d, size in sizes.items()}
        self.embedding = id_embeddings(
            sizes, dim=dim, std=std, unseen="zero", streams=streams
        )
        self.tower = per_domain(
            sizes,
            lambda domain, size: nn.ModuleDict(
                {
                    kind: MLP(
                        [dim + width_of(size, size.widths), *hidden, dim],
                        activation=torch.tanh,
                        generator=streams("init", "tower", domain, kind),
                    )
                    for kind in (USER, ITEM)
                }
            ),
        )

    def forward(
        self,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None = None,
    ) -> dict[str, Embeddings]:
        """Return the outputs of the towers for every node."""
        z = {}
        for domain, data in graphs.items():
            tables = {domain: self.embedding[module_key(domain)](data)}
            e = self.loss.scored(tables)[domain]
            means, contents = _means(data, e), self._contents(domain, data)
            sides = {}
            for kind, own in ((USER, e.user), (ITEM, e.item)):
                known = (data[kind].train_row >= 0).view(-1, 1)
                vector = torch.where(known, own, means[kind])
                sides[kind] = self._output(domain, kind, vector, contents[kind])
            z[domain] = Embeddings(user=sides[USER], item=sides[ITEM])
        return z

    def losses(
        self, graphs: Mapping[str, HeteroData], batch: Batch, streams: RandomStreams
    ) -> dict[str, Tensor]:
        """Return ``ranking`` and ``l2`` of the factorisation, and ``distance``."""
        found = {}
        if pairs := {**batch.triplets, **batch.pool}:
            rows = asked(Batch(triplets=batch.triplets, pool=batch.pool))
            vectors = {
                name: rows[name].triplets(
                    take(training_rows(self.embedding, name), rows[name])
                )
                for name in pairs
            }
            found["ranking"] = self.loss(vectors, batch)
            found["l2"] = over_domains(l2_loss, vectors)
        if batch.negatives:
            errors = [
                self._distance(name, given, graphs[name], streams)
                for name, given in sorted(batch.negatives.items())
            ]
            found["distance"] = torch.stack(errors).sum()
        return found

    def _distance(
        self, domain: str, given: Triplets, data: HeteroData, streams: RandomStreams
    ) -> Float[Tensor, ""]:
        """Return the mean squared error of the scores of the towers."""
        e = training_rows(self.embedding, domain)
        tables = {domain: Embeddings(user=e.user.detach(), item=e.item.detach())}
        table = self.loss.scored(tables)[domain]
        items = torch.cat([given.pos.view(-1, 1), given.neg], dim=1)
        rows = {USER: given.user, ITEM: items.flatten()}
        of_all = {USER: table.user, ITEM: table.item}
        own = {kind: of_all[kind].index_select(0, row) for kind, row in rows.items()}
        means, contents = _means(data, table), self._contents(domain, data)
        told = {}
        for kind, row in rows.items():
            # what a node may be told of itself: nothing, a mean, its own vector
            states = torch.stack(
                [torch.zeros_like(means[kind]), means[kind], of_all[kind]]
            )
            chance = torch.rand(
                len(row), generator=streams("dropout", domain, kind), device=row.device
            )
            state = (chance >= self.dropout / 2).long() + (chance >= self.dropout)
            place = state * len(contents[kind]) + row
            if len(row) > 2 * len(contents[kind]):
                outputs = self._output(domain, kind, states, contents[kind])
                told[kind] = outputs.flatten(0, 1).index_select(0, place)
            else:
                told[kind] = self._output(
                    domain,
                    kind,
                    states.flatten(0, 1).index_select(0, place),
                    contents[kind].index_select(0, row),
                )
        wanted, found = (_scores(each, items.shape) for each in (own, told))
        return (wanted - found).square().mean()

    def _output(
        self,
        domain: str,
        kind: str,
        vector: Float[Tensor, "*states nodes dim"],
        about: Float[Tensor, "nodes width"],
    ) -> Float[Tensor, "*states nodes dim"]:
        """Return the outputs of a tower for nodes, or for several vectors of each.

        Content is much wider than a vector: the first layer reads that of each node
        once.
        """
        tower = cast(MLP, cast(nn.ModuleDict, self.tower[module_key(domain)])[kind])
        dim, first = vector.shape[-1], cast(nn.Linear, tower.layers[0])
        told = functional.linear(about, first.weight[:, dim:], first.bias)
        return tower.after_first(
            told + functional.linear(vector, first.weight[:, :dim])
        )

    def _contents(self, domain: str, data: HeteroData) -> Sides:
        """Return c of every user and item."""
        names = self.modalities[domain]
        return {USER: mean_content(data, names), ITEM: content(data, names)}


def _means(data: HeteroData, e: Embeddings) -> Sides:
    """Return the mean vector of the items of every user, and the mirror image."""
    return {
        USER: mean_of_others(data, USER, e.item),
        ITEM: mean_of_others(data, ITEM, e.user),
    }


def _scores(
    sides: Mapping[str, Tensor], shape: tuple[int, ...]
) -> Float[Tensor, "users items"]:
    """Return the products of users with a row of items each."""
    items = sides[ITEM].view(*shape, -1)
    found: Tensor = (items @ sides[USER].unsqueeze(2)).squeeze(2)
    return found
