"""CDRIB: a user is recommended by what the other domains know (Cao et al., ICDE 2022).

arXiv 2203.16863.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, Depth, PartialShare, Positive, Share, Widths
from micrec_pyg.models.base import Model, Part
from micrec_pyg.nn.batch_rows import logits_of
from micrec_pyg.nn.bipartite_encoder import BipartiteEncoder
from micrec_pyg.nn.gaussian import from_standard, standard_noise
from micrec_pyg.nn.id_embedding import (
    Unseen,
    answered,
    id_embeddings,
    training_rows,
)
from micrec_pyg.nn.losses import balanced_cross_entropy, over_domains
from micrec_pyg.nn.mlp import MLP
from micrec_pyg.nn.people import (
    Accounts,
    accounts,
    all_users,
    domains_linked,
    linked_alone,
    sum_of_accounts,
)
from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import (
    ITEM,
    USER,
    Batch,
    DomainSize,
    Embeddings,
    TrainStage,
)


class CDRIB(Model):
    r"""Encode every domain by itself; a user of several is scored by the other ones.

    .. math::
        z_u = [x^1_u ; \dots ; x^{L-1}_u ; \mu_u + \sigma_u \odot \epsilon], \quad
        \hat y_{ui} = \bar z'_u \cdot z_i

    x are the layers of a graph encoder of the domain, the last of which is a
    distribution, likewise for items; at inference the mean takes its place. The bar is
    the mean over the other domains that know the user and share at least two users in
    training, or z_u where there is none.
    The information regularizers are the divergences from N(0, 1), and a critic for
    every two domains tells the two vectors of one user from those of two.

    Deviation: any number of domains; own z enters by ``own_share``, where the paper
    has 0; sigma is a softplus, without the bounds of the authors' code, whose prior has
    a deviation of 2.5; the critic sees up to 2,048 shared users and is trained by
    cross-entropy, not by a hinge. New users and items start at ``unseen``.
    """

    terms: ClassVar[Mapping[str, Part]] = {
        "recommendation": "negatives",
        "user_information": "negatives",
        "item_information": "negatives",
        "critic": "overlap",
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
        num_layers: Depth,
        hidden: Widths,
        own_share: Share,
        dropout: PartialShare,
        num_negatives: Count,
    ) -> None:
        """Draw the vectors and encoders of every domain, and a critic of every two.

        Args:
            sizes: Numbers of nodes, by domain.
            streams: Draw the start values, a stream per domain, encoder and critic.
            dim: Width of a layer.
            std: Standard deviation of the start values.
            unseen: What unseen nodes get (``IdEmbedding``).
            num_layers: L.
            hidden: Widths of the hidden layers of the critics.
            own_share: Share of z of the domain itself in the vector of a user whom
                other domains know too.
            dropout: Share of the numbers before a layer that a training step drops.
            num_negatives: Of each positive, in a step.
        """
        super().__init__()
        self.own_share, self.num_negatives = own_share, num_negatives
        self.answers = answered(unseen)
        self.embedding = id_embeddings(
            sizes, dim=dim, std=std, unseen=unseen, streams=streams
        )
        self.encoder = per_domain(
            sizes,
            lambda domain, _: nn.ModuleDict(
                {
                    kind: BipartiteEncoder(
                        dim,
                        num_layers=num_layers,
                        dropout=dropout,
                        generator=streams("init", "encoder", domain, kind),
                    )
                    for kind in (USER, ITEM)
                }
            ),
        )
        self.critic = per_domain(
            sizes,
            lambda first, _: per_domain(
                {second: size for second, size in sizes.items() if second > first},
                lambda second, _: MLP(
                    [2 * num_layers * dim, *hidden, 1],
                    activation=functional.relu,
                    generator=streams("init", "critic", first, second),
                ),
            ),
        )

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
        """Return z of every item, and of users what the domains say about them."""
        start = {d: self.embedding[module_key(d)](data) for d, data in graphs.items()}
        z = self._encode(start, graphs, streams).z
        found = {}
        for domain, own in z.items():
            user = self._users(domain, all_users(graphs[domain]), z, graphs)
            found[domain] = Embeddings(user=user, item=own.item)
        return found

    def losses(
        self, graphs: Mapping[str, HeteroData], batch: Batch, streams: RandomStreams
    ) -> dict[str, Tensor]:
        """Return all but ``critic`` summed over the domains, and it over the pairs.

        The divergences are means over all users, and over all items.
        """
        start = {d: training_rows(self.embedding, d) for d in graphs}
        encoded, found = self._encode(start, graphs, streams), {}
        if batch.negatives:
            logits = {}
            for domain, given in sorted(batch.negatives.items()):
                user = self._users(domain, given.user, encoded.z, graphs)
                item = encoded.z[domain].item
                logits[domain] = (logits_of(user, item, given),)
            found["recommendation"] = over_domains(balanced_cross_entropy, logits)
            for kind, information in encoded.information.items():
                found[f"{kind}_information"] = over_domains(torch.mean, information)
        if batch.overlap:
            found["critic"] = self._critic_loss(encoded.z, batch, streams)
        return found

    def _encode(
        self,
        start: Mapping[str, Embeddings],
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None,
    ) -> "_Encoded":
        """Return z of every node, and how far its distribution is from the prior."""
        z = {}
        information: dict[str, dict[str, tuple[Tensor]]] = {USER: {}, ITEM: {}}
        for domain in sorted(graphs):  # gradients are float sums: in one order
            sides, encoders = {}, cast(nn.ModuleDict, self.encoder[module_key(domain)])
            for kind, x in ((USER, start[domain].user), (ITEM, start[domain].item)):
                drops = None if streams is None else streams("dropout", domain, kind)
                layers, last = encoders[kind](x, graphs[domain], kind, drops)
                information[kind][domain] = (from_standard(last),)
                drawn = last.mean
                if streams is not None:
                    noise = standard_noise(last.mean, streams("noise", domain, kind))
                    drawn = last.sample(noise)
                sides[kind] = torch.cat([*layers, drawn], dim=1)
            z[domain] = Embeddings(user=sides[USER], item=sides[ITEM])
        return _Encoded(z, information)

    def _users(
        self,
        domain: str,
        user: Int[Tensor, " users"],
        z: Mapping[str, Embeddings],
        graphs: Mapping[str, HeteroData],
    ) -> Float[Tensor, "users width"]:
        """Return the vectors by which users of a domain are scored there."""
        linked = linked_alone(
            domain, accounts(domain, user, graphs), getattr(self, module_key(domain))
        )
        weights = self._weights(domain, linked, graphs)
        return sum_of_accounts({d: z[d].user for d in linked}, linked, weights)

    def _weights(
        self, domain: str, linked: Accounts, graphs: Mapping[str, HeteroData]
    ) -> dict[str, Float[Tensor, " users"]]:
        """Return what z of every domain counts for users of one of them.

        A domain knows a user whom training saw there, or who has an edge.
        """
        knows = {}
        for name, (row, has) in linked.items():
            store = graphs[name][USER]
            known = (store.train_row >= 0) | (store.degree > 0)
            knows[name] = (known.index_select(0, row) & has).float()
        own = knows.pop(domain)
        if not knows:
            return {domain: torch.ones_like(own)}
        others = torch.stack(list(knows.values())).sum(0)
        kept = torch.where(others > 0, self.own_share * own, 1.0)
        share = (1 - kept) / others.clamp(min=1)
        return {domain: kept, **{name: share * each for name, each in knows.items()}}

    def _critic_loss(
        self, z: Mapping[str, Embeddings], batch: Batch, streams: RandomStreams
    ) -> Float[Tensor, ""]:
        """Return how badly the critics tell who two vectors belong to.

        Of every pair of vectors of one user, each is paired once more with the vector
        of a random user of the other domain.
        """
        terms = []
        for pair in sorted(batch.overlap):
            critic = cast(nn.ModuleDict, self.critic[module_key(pair[0])])
            tables = [z[name].user for name in pair]
            rows = batch.overlap[pair]
            first, second = (
                table.index_select(0, row)
                for table, row in zip(tables, rows, strict=True)
            )
            other_first, other_second = (
                table.index_select(
                    0,
                    torch.randint(
                        len(table),
                        row.shape,
                        generator=streams("critic", *pair, name),
                        device=row.device,
                    ),
                )
                for name, table, row in zip(pair, tables, rows, strict=True)
            )
            tell = critic[module_key(pair[1])]
            same, not_second, not_first = (
                tell(torch.cat(both, dim=1)).squeeze(1)
                for both in (
                    (first, second),
                    (first, other_second),
                    (other_first, second),
                )
            )
            terms.append(
                functional.softplus(-same).mean()
                + functional.softplus(not_second).mean()
                + functional.softplus(not_first).mean()
            )
        return torch.stack(terms).sum()


@dataclass(frozen=True, eq=False)
class _Encoded:
    """What the encoders return, by domain."""

    z: Mapping[str, Embeddings]
    information: Mapping[str, Mapping[str, tuple[Tensor]]]
    """Divergences from N(0, 1) of the nodes, first by kind."""
