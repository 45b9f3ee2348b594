"""UniCDR: what a user is in one domain, and in all (Cao et al., WSDM 2023)."""

from collections.abc import Mapping
from typing import ClassVar, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, PartialShare, Positive, Share
from micrec_pyg.models.base import Model, Part
from micrec_pyg.nn.losses import balanced_cross_entropy, over_domains
from micrec_pyg.nn.mlp import dropout as dropped
from micrec_pyg.nn.mlp import glorot
from micrec_pyg.nn.people import accounts, all_accounts, all_users
from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.nn.spmm import product
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import (
    INTERACTED_BY,
    USER,
    Batch,
    DomainSize,
    Embeddings,
    Triplets,
)


class UniCDR(Model):
    r"""Score by a vector of the domain plus one that all domains share.

    .. math::
        s_u = \lambda e_u + (1 - \lambda) W_D \bar q_{N_u}, \quad
        c_u = \lambda g_u + (1 - \lambda) W \bar q_{N_u^*}, \quad
        \hat y_{ui} = (s_u + c_u) \cdot q_i

    The bars are means of the vectors of the items of a history: that of the domain,
    and those of the same person in all domains. Training masks: s reads a few items
    without the one that is asked for, c reads those of the other domains alone. A
    critic for each domain tells c of a user from c of another, given s.

    New users have no e and g: their histories answer.

    Deviation: the items of a training history are drawn with replacement; g of a
    person is the mean of a vector for each domain, which Adam moves as it would one.
    """

    terms: ClassVar[Mapping[str, Part]] = {
        "recommendation": "negatives",
        "critic": "negatives",
    }

    answers: frozenset[str] = frozenset({USER})

    divisible: ClassVar[frozenset[Part]] = frozenset()
    """The critic compares every user of a batch with another one of it."""

    reads_other_domains: ClassVar[bool] = True

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        dim: Count,
        std: Positive,
        own_share: Share,
        history: Count,
        dropout: PartialShare,
        num_negatives: Count,
    ) -> None:
        """Draw the parameters of every domain.

        Args:
            sizes: Numbers of nodes, by domain.
            streams: Draw the start values, a stream per domain.
            dim: Width of all vectors.
            std: Standard deviation of the start values of e, g and q.
            own_share: lambda.
            history: Items of each domain's history that a training step reads.
            dropout: Share of the numbers of s, c and q that a training step drops.
            num_negatives: Of each positive, in a step.
        """
        super().__init__()
        self.own_share, self.history = own_share, history
        self.dropout, self.num_negatives = dropout, num_negatives
        self.domain = per_domain(
            sizes,
            lambda domain, size: _Domain(
                size=size, dim=dim, std=std, generator=streams("init", domain)
            ),
        )
        self.shared = glorot(dim, dim, streams("init", "shared"), bias=False)

    def forward(
        self,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None = None,
    ) -> dict[str, Embeddings]:
        """Return s + c of every user, by whole histories, and q of every item."""
        own = {d: self._history(d, data) for d, data in graphs.items()}
        z = {}
        for domain, data in graphs.items():
            row = data[USER].train_row
            e = _rows(self._of(domain).user, row)
            s = self._mix(e, self._of(domain).aggregate, *own[domain])
            totals, counts = [], []
            for name, (account, has) in all_accounts(domain, graphs).items():
                place = torch.where(has, account, -1)
                totals.append(_rows(own[name][0], place))
                counts.append(_rows(own[name][1], place))
            total, count = torch.stack(totals).sum(0), torch.stack(counts).sum(0)
            g = self._shared_id(domain, all_users(data), graphs)
            c = self._mix(g, self.shared, total, count)
            z[domain] = Embeddings(user=s + c, item=self._of(domain).item)
        return z

    def losses(
        self, graphs: Mapping[str, HeteroData], batch: Batch, streams: RandomStreams
    ) -> dict[str, Tensor]:
        """Return ``recommendation`` and ``critic``, each summed over the domains."""
        recommendation, critic = {}, {}
        # In one order: gradients of what the domains share are float sums.
        for domain, given in sorted(batch.negatives.items()):
            mine = self._of(domain)
            s, c = (
                dropped(x, self.dropout, streams("dropout", domain))
                for x in self._views(domain, given, graphs, streams)
            )
            asked = torch.cat([given.pos.view(-1, 1), given.neg], dim=1)
            q = mine.item.index_select(0, asked.flatten()).view(*asked.shape, -1)
            q = dropped(q, self.dropout, streams("dropout", domain))
            logits = (q @ (s + c).unsqueeze(2)).squeeze(2)
            recommendation[domain] = (logits,)
            if len(s) == 1:  # nobody else to tell the user from
                continue
            shift = torch.randint(
                1,
                len(s),
                (1,),
                generator=streams("shift", domain),
                device=s.device,
            )
            others = (torch.arange(len(s), device=s.device) + shift) % len(s)
            critic[domain] = (mine.tell(s, c), mine.tell(s.index_select(0, others), c))
        total = over_domains(balanced_cross_entropy, recommendation)
        none = torch.zeros_like(total)
        return {
            "recommendation": total,
            "critic": over_domains(_told_apart, critic) if critic else none,
        }

    def _of(self, domain: str) -> "_Domain":
        return cast(_Domain, self.domain[module_key(domain)])

    def _views(
        self,
        domain: str,
        given: Triplets,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams,
    ) -> tuple[Tensor, Tensor]:
        """Return s and c of the users of a batch, by masked histories."""
        e = self._of(domain).user.index_select(0, given.user)
        g = self._shared_id(domain, given.user, graphs)
        totals, counts = [torch.zeros_like(e)], [torch.zeros_like(e[:, :1])]
        for name, (row, has) in accounts(domain, given.user, graphs).items():
            column, valid = self._draw(
                graphs[name], row, streams("history", domain, name)
            )
            valid &= column != given.pos.view(-1, 1) if name == domain else has[:, None]
            kept = valid.float()
            q = self._of(name).item.index_select(0, column.flatten())
            total = (q.view(*column.shape, -1) * kept.unsqueeze(2)).sum(1)
            if name == domain:
                own = total, kept.sum(1, keepdim=True)
            else:
                totals.append(total)
                counts.append(kept.sum(1, keepdim=True))
        s = self._mix(e, self._of(domain).aggregate, *own)
        total, count = torch.stack(totals).sum(0), torch.stack(counts).sum(0)
        return s, self._mix(g, self.shared, total, count)

    def _draw(
        self, data: HeteroData, user: Tensor, generator: torch.Generator
    ) -> tuple[Int[Tensor, "users history"], Bool[Tensor, "users history"]]:
        """Return items of the histories of users, and which of them are there."""
        edges = data[INTERACTED_BY].adj_t
        crow = edges.crow_indices().long()
        start = crow.index_select(0, user).view(-1, 1)
        count = crow.index_select(0, user + 1).view(-1, 1) - start
        share = torch.rand(
            len(user),
            self.history,
            dtype=torch.float64,
            generator=generator,
            device=user.device,
        )
        last = edges.values().numel() - 1
        place = (start + (share * count).long()).clamp(max=last)
        column = edges.col_indices().long().index_select(0, place.flatten())
        return column.view_as(place), (count > 0).expand_as(place).clone()

    def _history(self, domain: str, data: HeteroData) -> tuple[Tensor, Tensor]:
        """Return the sum of q over every user's history, and its length."""
        edges, item = data[INTERACTED_BY].adj_t, self._of(domain).item
        ones = torch.ones_like(edges.values())
        count = edges.crow_indices().diff().view(-1, 1).float()
        return product(edges, ones, item), count

    def _shared_id(
        self, domain: str, user: Tensor, graphs: Mapping[str, HeteroData]
    ) -> Float[Tensor, "users dim"]:
        """Return g of the people behind users; 0 for whom training never saw."""
        parts, counts = [], []
        for name, (row, has) in accounts(domain, user, graphs).items():
            place = graphs[name][USER].train_row.index_select(0, row)
            place = torch.where(has, place, -1)
            parts.append(_rows(self._of(name).shared, place))
            counts.append((place >= 0).view(-1, 1))
        count = torch.stack(counts).sum(0).clamp(min=1)
        return torch.stack(parts).sum(0) / count

    def _mix(
        self, own: Tensor, layer: nn.Module, total: Tensor, count: Tensor
    ) -> Tensor:
        """Return a vector of its own and the mean of a history, mixed by lambda."""
        mean: Tensor = layer(total / count.clamp(min=1))
        return self.own_share * own + (1 - self.own_share) * mean


class _Domain(nn.Module):
    """The parameters of one domain."""

    def __init__(
        self, *, size: DomainSize, dim: int, std: float, generator: torch.Generator
    ) -> None:
        super().__init__()

        def start(rows: int) -> nn.Parameter:
            drawn = torch.randn(rows, dim, generator=generator, device=generator.device)
            return nn.Parameter(std * drawn)

        self.user, self.shared = start(size.num_users), start(size.num_users)
        self.item = start(size.num_items)
        self.aggregate = glorot(dim, dim, generator, bias=False)
        self.critic = glorot(dim, dim, generator, bias=False)
        self.critic_bias = nn.Parameter(torch.zeros(1, device=generator.device))

    def tell(
        self, s: Float[Tensor, "users dim"], c: Float[Tensor, "users dim"]
    ) -> Float[Tensor, " users"]:
        """Return the logit that s and c are of one user, s B c + b."""
        found: Tensor = (self.critic(s) * c).sum(1) + self.critic_bias
        return found


def _rows(table: Tensor, row: Tensor) -> Tensor:
    """Return rows of a table, 0 where there is none."""
    return table.index_select(0, row.clamp(min=0)) * (row >= 0).view(-1, 1)


def _told_apart(
    same: Float[Tensor, " users"], other: Float[Tensor, " users"]
) -> Float[Tensor, ""]:
    """Return the cross-entropy of pairs of one user plus that of others."""
    return functional.softplus(-same).mean() + functional.softplus(other).mean()
