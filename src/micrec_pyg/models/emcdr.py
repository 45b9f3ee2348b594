"""EMCDR: factorise every domain, and map users from one domain to another.

Man et al., IJCAI 2017.
"""

from collections.abc import Mapping
from typing import ClassVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, Natural, Positive
from micrec_pyg.models.base import Model, Part
from micrec_pyg.nn.batch_rows import NodeRows, asked, take
from micrec_pyg.nn.id_embedding import id_embeddings, training_rows
from micrec_pyg.nn.losses import l2_loss, over_domains
from micrec_pyg.nn.means import mean_of_others
from micrec_pyg.nn.mlp import MLP
from micrec_pyg.nn.people import all_accounts, domains_linked
from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.nn.ranking import RankingLoss
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import (
    INTERACTED_BY,
    USER,
    Batch,
    DomainSize,
    Embeddings,
    TrainStage,
)

Told = tuple[Float[Tensor, "_ dim"], Float[Tensor, "_ 1"]]
"""Vectors of users, and 1 where they say anything, else 0."""


class EMCDR(Model):
    r"""Score by matrix factorisation; a user who is new here is mapped from elsewhere.

    .. math::
        \min_f \sum_{u \in D \cap D'} | f_{D' D}(e'_u) - e_u |^2

    e are the vectors of the factorisations, which this loss does not move. f is a
    network with one hidden layer of tanh, or linear. A new user of D gets the mean of
    f over the other domains that share users with D in training.

    Deviation: any number of domains, each a source and a target; f is learnt beside
    the factorisations, not after them. Where training does not know a user, here or
    elsewhere, the mean vector of their items stands in for e, which enters the mean.
    """

    terms: ClassVar[Mapping[str, Part]] = {
        "ranking": "triplets",
        "l2": "triplets",
        "mapping": "overlap",
    }

    answers: frozenset[str] = frozenset({USER})

    reads_other_domains: ClassVar[bool] = True

    loss: RankingLoss

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        dim: Count,
        std: Positive,
        hidden: Natural,
        loss: RankingLoss,
    ) -> None:
        """Draw the vectors of every domain, and the networks of every two.

        Args:
            sizes: Numbers of nodes, by domain.
            streams: Draw the start values, a stream per domain and per network.
            dim: Width of the vectors.
            std: Standard deviation of their start values.
            hidden: Width of the hidden layer of f; 0 is a linear f.
            loss: The ranking loss of the factorisations.
        """
        super().__init__()
        self.loss, self.names = loss, sorted(sizes)
        self.embedding = id_embeddings(
            sizes, dim=dim, std=std, unseen="zero", streams=streams
        )
        widths = [dim, hidden, dim] if hidden else [dim, dim]
        self.mapping = per_domain(
            sizes,
            lambda target, _: per_domain(
                {name: size for name, size in sizes.items() if name != target},
                lambda source, _: MLP(
                    widths,
                    activation=torch.tanh,
                    generator=streams("init", "mapping", source, target),
                ),
            ),
        )
        for domain in sizes:
            self.register_buffer(module_key(domain), None)

    def prepare(self, train: TrainStage) -> None:
        """Note which domains share users, in alphabetical order of the domains."""
        for domain, linked in domains_linked(train).items():
            setattr(self, module_key(domain), linked)

    def forward(
        self,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None = None,
    ) -> dict[str, Embeddings]:
        """Return the vectors of every node, those of new users mapped."""
        told = {name: self._told(name, data) for name, data in graphs.items()}
        z = {
            name: Embeddings(
                user=self._users(name, told, graphs),
                item=self.embedding[module_key(name)](data).item,
            )
            for name, data in graphs.items()
        }
        return self.loss.scored(z)

    def losses(
        self, graphs: Mapping[str, HeteroData], batch: Batch, streams: RandomStreams
    ) -> dict[str, Tensor]:
        """Return ``ranking`` and ``l2``, summed over the domains, and ``mapping``.

        The last is summed over the two directions of every pair of domains.
        """
        found, rows = {}, asked(batch)
        e = {
            name: take(training_rows(self.embedding, name), each)
            for name, each in rows.items()
        }
        if pairs := {**batch.triplets, **batch.pool}:
            vectors = {name: rows[name].triplets(e[name]) for name in pairs}
            found["ranking"] = self.loss(vectors, batch)
            found["l2"] = over_domains(l2_loss, vectors)
        if batch.overlap:
            found["mapping"] = self._mapping_loss(e, rows, batch)
        return found

    def _mapping_loss(
        self, e: Mapping[str, Embeddings], rows: Mapping[str, NodeRows], batch: Batch
    ) -> Float[Tensor, ""]:
        terms = []
        for pair in sorted(batch.overlap):
            user = {
                name: rows[name].shared_users(e[name], pair).detach() for name in pair
            }
            for source, target in (pair, pair[::-1]):
                error = self._map(source, target, user[source]) - user[target]
                terms.append(error.square().sum(1).mean())
        return torch.stack(terms).sum()

    def _map(
        self, source: str, target: str, user: Float[Tensor, "users dim"]
    ) -> Float[Tensor, "users dim"]:
        """Return f of users of the source."""
        networks = cast(nn.ModuleDict, self.mapping[module_key(target)])
        mapped: Tensor = networks[module_key(source)](user)
        return mapped

    def _told(self, domain: str, data: HeteroData) -> Told:
        """Return e of the users of a domain; of new ones, the mean of their items."""
        e: Embeddings = self.embedding[module_key(domain)](data)
        known = (data[USER].train_row >= 0).view(-1, 1)
        user = torch.where(known, e.user, mean_of_others(data, USER, e.item))
        edges = data[INTERACTED_BY].adj_t.crow_indices().diff().view(-1, 1)
        return user, (known | (edges > 0)).float()

    def _users(
        self, domain: str, told: Mapping[str, Told], graphs: Mapping[str, HeteroData]
    ) -> Float[Tensor, "users dim"]:
        """Return the vectors of the users of a domain, those of new ones mapped."""
        total, count = told[domain]
        own, train_row = total, graphs[domain][USER].train_row
        linked = all_accounts(domain, graphs)
        shares = self.get_buffer(module_key(domain)).tolist()
        for source in (n for n, yes in zip(self.names, shares, strict=True) if yes):
            row, has = linked[source]
            e, says = (each.index_select(0, row) for each in told[source])
            says = says * has.view(-1, 1)
            total = total + says * self._map(source, domain, e)
            count = count + says
        known = (train_row >= 0).view(-1, 1)
        return torch.where(known, own, total / count.clamp(min=1))
