"""BiTGCF: graph layers of every domain that exchange their users.

Liu et al., CIKM 2020.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, Layers, PartialShare, Positive, Share
from micrec_pyg.models.base import Model, Part
from micrec_pyg.nn.batch_rows import asked, take
from micrec_pyg.nn.conv import WeightedSum
from micrec_pyg.nn.id_embedding import (
    Unseen,
    answered,
    id_embeddings,
    training_rows,
)
from micrec_pyg.nn.losses import cross_entropy, l2_loss, over_domains
from micrec_pyg.nn.mlp import dropout as dropped
from micrec_pyg.nn.people import (
    Accounts,
    all_linked,
    domains_linked,
)
from micrec_pyg.nn.per_domain import module_key
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import (
    INTERACTED_BY,
    INTERACTS,
    USER,
    Batch,
    DomainSize,
    Embeddings,
    TrainStage,
)


class BiTGCF(Model):
    r"""Propagate in every domain; after each layer, shared users mix.

    .. math::
        f(x_u) = x_u + m_u + x_u \odot m_u, \quad
        m_u = \sum_{i \in N_u} \frac{x_i}{\sqrt{d_u d_i}}

    and the mirror image for items. A user x of a domain who is x' in others becomes

    .. math::
        \frac{1}{2} \Big( \lambda x + (1 - \lambda) \bar x'
        + \frac{d x + \sum d' x'}{d + \sum d'} \Big)

    z is the start vector and the layers, each of length 1, side by side; the score is
    the inner product. New nodes start at ``unseen``; layers and exchange fill them.

    Deviation: with more than two domains, x' is the mean of the others; domains that
    share fewer than two users in training exchange nothing.
    """

    terms: ClassVar[Mapping[str, Part]] = {
        "cross_entropy": "negatives",
        "l2": "negatives",
    }

    reads_other_domains: ClassVar[bool] = True

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        dim: Count,
        std: Positive,
        unseen: Unseen,
        num_layers: Layers,
        own_share: Share,
        dropout: PartialShare,
        num_negatives: Count,
    ) -> None:
        """Draw the start vectors of every domain.

        Args:
            sizes: Numbers of nodes, by domain.
            streams: Draw the start values, a stream per domain.
            dim: Width of a layer.
            std: Standard deviation of the start values.
            unseen: What unseen nodes get (``IdEmbedding``).
            num_layers: Layers.
            own_share: lambda, what a shared user keeps.
            dropout: Share of a layer's numbers that a training step drops.
            num_negatives: Of each positive, in a step.
        """
        super().__init__()
        self.num_layers, self.own_share = num_layers, own_share
        self.dropout, self.num_negatives = dropout, num_negatives
        self.answers = answered(unseen)
        self.embedding = id_embeddings(
            sizes, dim=dim, std=std, unseen=unseen, streams=streams
        )
        self.sum = WeightedSum()
        for domain in sizes:
            self.register_buffer(module_key(domain), None)

    def prepare(self, train: TrainStage) -> None:
        """Note which domains share users."""
        for domain, linked in domains_linked(train).items():
            setattr(self, module_key(domain), linked)

    def forward(
        self,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None = None,
    ) -> dict[str, Embeddings]:
        """Return z of every node."""
        start = {d: self.embedding[module_key(d)](data) for d, data in graphs.items()}
        return self._z(start, graphs, streams)

    def losses(
        self, graphs: Mapping[str, HeteroData], batch: Batch, streams: RandomStreams
    ) -> dict[str, Tensor]:
        """Return ``cross_entropy`` of z and ``l2`` of the start vectors."""
        start = {d: training_rows(self.embedding, d) for d in graphs}
        z, logits, of_start = self._z(start, graphs, streams), {}, {}
        for domain, rows in sorted(asked(batch).items()):
            user, pos, neg = rows.negatives(take(z[domain], rows))
            scores = (torch.cat([pos.unsqueeze(1), neg], 1) @ user.unsqueeze(2))[..., 0]
            logits[domain] = (scores[:, :1], scores[:, 1:])
            user, pos, neg = rows.negatives(take(start[domain], rows))
            of_start[domain] = (user, pos, neg.flatten(0, 1))
        return {
            "cross_entropy": over_domains(cross_entropy, logits),
            "l2": over_domains(l2_loss, of_start),
        }

    def _z(
        self,
        start: Mapping[str, Embeddings],
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None,
    ) -> dict[str, Embeddings]:
        """Return z of every node of all domains, which depend on each other."""
        names = sorted(graphs)  # gradients are float sums: in one order
        linked = all_linked(graphs, {n: getattr(self, module_key(n)) for n in names})
        x = {name: start[name] for name in names}
        layers = {name: [x[name]] for name in names}
        for _ in range(self.num_layers):
            x = {n: self._layer(n, x[n], graphs[n], streams) for n in names}
            mixed = {n: self._exchange(n, x, linked[n], graphs) for n in names}
            x = {n: Embeddings(user=mixed[n], item=x[n].item) for n in names}
            for name in names:
                layers[name].append(
                    Embeddings(
                        user=functional.normalize(x[name].user, dim=1),
                        item=functional.normalize(x[name].item, dim=1),
                    )
                )
        return {
            name: Embeddings(
                user=torch.cat([layer.user for layer in found], dim=1),
                item=torch.cat([layer.item for layer in found], dim=1),
            )
            for name, found in layers.items()
        }

    def _layer(
        self,
        domain: str,
        x: Embeddings,
        data: HeteroData,
        streams: RandomStreams | None,
    ) -> Embeddings:
        """Return f of every node."""
        to_user, to_item = data[INTERACTED_BY].adj_t, data[INTERACTS].adj_t
        sides = []
        for kind, own, sources, there, back in (
            ("user", x.user, x.item, to_user, to_item),
            ("item", x.item, x.user, to_item, to_user),
        ):
            message = self.sum(sources, there, back)
            generator = None if streams is None else streams("dropout", domain, kind)
            sides.append(
                dropped(own + message + own * message, self.dropout, generator)
            )
        return Embeddings(user=sides[0], item=sides[1])

    def _exchange(
        self,
        domain: str,
        x: Mapping[str, Embeddings],
        linked: Accounts,
        graphs: Mapping[str, HeteroData],
    ) -> Tensor:
        """Return the users of a domain after those with other accounts mixed."""
        own = x[domain].user
        others, number, weighted, weight = [], [], [], []
        for name, (row, has) in linked.items():
            there = own if name == domain else x[name].user.index_select(0, row)
            present = has.view(-1, 1).float()
            degree = graphs[name][USER].degree.index_select(0, row).view(-1, 1)
            if name != domain:
                others.append(there * present)
                number.append(present)
            weighted.append(there * (degree * present))
            weight.append(degree * present)
        if not others:
            return own
        count = torch.stack(number).sum(0)
        mean = torch.stack(others).sum(0) / count.clamp(min=1)
        by_degree = torch.stack(weighted).sum(0)
        by_degree = by_degree / torch.stack(weight).sum(0).clamp(min=1)
        mixed = (self.own_share * own + (1 - self.own_share) * mean + by_degree) / 2
        return torch.where(count > 0, mixed, own)
