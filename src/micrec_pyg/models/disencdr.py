"""DisenCDR: what domains share about a user, apart from what each has by itself.

Cao et al., SIGIR 2022.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.data import HeteroData

from micrec_pyg.allowed import Count, Depth, PartialShare, Positive
from micrec_pyg.models.base import Model, Part
from micrec_pyg.nn.batch_rows import logits_of
from micrec_pyg.nn.bipartite_encoder import BipartiteEncoder, two_hops
from micrec_pyg.nn.gaussian import (
    Gaussian,
    divergence,
    from_standard,
    gaussian,
    standard_noise,
)
from micrec_pyg.nn.id_embedding import Unseen, answered, id_embeddings, training_rows
from micrec_pyg.nn.losses import balanced_cross_entropy, over_domains
from micrec_pyg.nn.mlp import dropout as dropped
from micrec_pyg.nn.people import (
    Accounts,
    all_linked,
    domains_linked,
    first_accounts,
    shares_of_interactions,
    sum_of_accounts,
)
from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import ITEM, USER, Batch, DomainSize, Embeddings, TrainStage

By = Mapping[str, Tensor]
"""A tensor by domain."""


class DisenCDR(Model):
    r"""Score by a vector of the domain plus one that all domains share.

    .. math::
        \hat y_{ui} = (z^s_u + z^D_u) \cdot z^D_i, \quad
        q(z^s_u): \mu_u = \sum_D \lambda^D_u \mu^D_u, \quad
        \lambda^D_u = \frac{n^D_u}{\sum_{D'} n^{D'}_u}

    All z are samples of normal distributions from graph encoders, at inference their
    means; n counts interactions. Layers of the shared encoder are mixed by lambda too,
    each rectified before. The divergences of the domain's own distributions and of q
    from N(0, 1) are losses, and that of q from what a domain says by itself.

    Deviation: lambda is that of the user, where the authors' code takes one number for
    all; any number of domains; a user of one domain alone has a lambda of 1 there, and
    q from that domain, as has one of domains that share fewer than two users in
    training; sigma is a softplus, which the authors' code exponentiates twice
    where it samples, with a prior of deviation 3.6; no epochs without the shared part
    at first. New nodes start at ``unseen``, in the shared encoder at 0.
    """

    terms: ClassVar[Mapping[str, Part]] = {
        "recommendation": "negatives",
        "specific": "negatives",
        "shared": "negatives",
        "informative": "negatives",
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
        dropout: PartialShare,
        num_negatives: Count,
    ) -> None:
        """Draw the vectors and the encoders of every domain.

        Args:
            sizes: Numbers of nodes, by domain.
            streams: Draw the start values, streams per domain.
            dim: Width of all vectors.
            std: Standard deviation of the start values.
            unseen: What unseen nodes get (``IdEmbedding``).
            num_layers: Layers of every encoder.
            dropout: Share of the numbers before a layer that a training step drops.
            num_negatives: Of each positive, in a step.
        """
        super().__init__()
        self.num_layers, self.dropout = num_layers, dropout
        self.num_negatives = num_negatives
        self.answers = answered(unseen)
        self.embedding = id_embeddings(
            sizes, dim=dim, std=std, unseen=unseen, streams=streams
        )
        self.domain = per_domain(
            sizes,
            lambda domain, size: _Domain(
                size=size,
                dim=dim,
                std=std,
                num_layers=num_layers,
                dropout=dropout,
                generator=streams("init", "encoders", domain),
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
        """Return the means of the distributions of every node, those of users added."""
        start = {d: self.embedding[module_key(d)](data) for d, data in graphs.items()}
        shared = {}
        for domain, data in graphs.items():
            row, table = data[USER].train_row, self._of(domain).shared
            known = table.index_select(0, row.clamp(min=0))
            shared[domain] = known * (row >= 0).view(-1, 1)
        found = self._encode(start, shared, graphs, streams)
        return {
            domain: Embeddings(
                user=each.user.mean + each.shared.mean, item=each.item.mean
            )
            for domain, each in found.items()
        }

    def losses(
        self, graphs: Mapping[str, HeteroData], batch: Batch, streams: RandomStreams
    ) -> dict[str, Tensor]:
        """Return the losses, all but ``shared`` summed over the domains.

        ``specific`` and ``informative`` are means over all users, the former over all
        items too, and ``shared`` is a mean over people.
        """
        start = {d: training_rows(self.embedding, d) for d in graphs}
        tables = {d: self._of(d).shared for d in graphs}
        found = self._encode(start, tables, graphs, streams)
        noise = {
            d: standard_noise(each.shared.mean, streams("noise", d, "shared"))
            for d, each in found.items()
        }
        logits, specific, informative = {}, {}, {}
        for domain, each in found.items():
            given, x = batch.negatives[domain], start[domain].user
            own = sum_of_accounts(noise, each.linked, first_accounts(each.linked))
            user = each.shared.sample(own) + _drawn(each.user, domain, USER, streams)
            item = _drawn(each.item, domain, ITEM, streams)
            logits[domain] = (logits_of(user.index_select(0, given.user), item, given),)
            specific[domain] = (from_standard(each.user), from_standard(each.item))
            drops = _drops(streams, domain, "alone")
            _, alone = self._of(domain).alone(x, graphs[domain], USER, drops)
            informative[domain] = (divergence(each.shared, alone),)
        return {
            "recommendation": over_domains(balanced_cross_entropy, logits),
            "specific": over_domains(lambda u, i: u.mean() + i.mean(), specific),
            "shared": _mean_over_people(found),
            "informative": over_domains(torch.mean, informative),
        }

    def _of(self, domain: str) -> "_Domain":
        return cast(_Domain, self.domain[module_key(domain)])

    def _encode(
        self,
        start: Mapping[str, Embeddings],
        shared: By,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None,
    ) -> dict[str, "_Found"]:
        """Return all distributions, by domain in alphabetical order.

        Args:
            start: Vectors of the encoders of single domains.
            shared: Those of users in the shared encoder, by domain.
            graphs: By domain.
            streams: Draw what is dropped.
        """
        names = sorted(graphs)  # gradients are float sums: in one order
        linked = all_linked(graphs, {n: getattr(self, module_key(n)) for n in names})
        share = {n: shares_of_interactions(n, linked[n], graphs) for n in names}

        def mixed(x: By) -> dict[str, Tensor]:
            return {n: sum_of_accounts(x, linked[n], share[n]) for n in names}

        x = {name: shared[name] for name in names}
        for number in range(self.num_layers - 1):
            out = self._across(number, x, graphs, streams)
            x = mixed({name: functional.relu(each[0]) for name, each in out.items()})
        last = self._across(self.num_layers - 1, x, graphs, streams)
        mean, raw = (mixed({n: o[side] for n, o in last.items()}) for side in (0, 1))
        found = {}
        for name in names:
            own, data = self._of(name), graphs[name]
            user, item = start[name].user, start[name].item
            found[name] = _Found(
                linked=linked[name],
                shared=gaussian(mean[name], raw[name]),
                user=own.user(user, data, USER, _drops(streams, name, "user"))[1],
                item=own.item(item, data, ITEM, _drops(streams, name, "item"))[1],
            )
        return found

    def _across(
        self,
        number: int,
        x: By,
        graphs: Mapping[str, HeteroData],
        streams: RandomStreams | None,
    ) -> dict[str, list[Tensor]]:
        """Return the outputs of a layer of the shared encoder, not mixed yet."""
        found = {}
        for name, each in x.items():
            kept = dropped(each, self.dropout, _drops(streams, name, "shared"))
            found[name] = self._of(name).across[number](kept, graphs[name], USER)
        return found


class _Domain(nn.Module):
    """The vectors of users in the shared encoder, and the encoders of a domain."""

    def __init__(
        self,
        *,
        size: DomainSize,
        dim: int,
        std: float,
        num_layers: int,
        dropout: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        start = torch.randn(
            size.num_users, dim, generator=generator, device=generator.device
        )
        self.shared = nn.Parameter(std * start)
        self.user, self.item, self.alone = (
            BipartiteEncoder(
                dim, num_layers=num_layers, dropout=dropout, generator=generator
            )
            for _ in range(3)
        )
        self.across = two_hops(dim, num_layers, generator)


@dataclass(frozen=True, eq=False)
class _Found:
    """The distributions of one domain."""

    linked: Accounts
    shared: Gaussian
    """q; a user of several domains has the same in all."""
    user: Gaussian
    item: Gaussian


def _drops(
    streams: RandomStreams | None, domain: str, part: str
) -> torch.Generator | None:
    return None if streams is None else streams("dropout", domain, part)


def _drawn(q: Gaussian, domain: str, part: str, streams: RandomStreams) -> Tensor:
    return q.sample(standard_noise(q.mean, streams("noise", domain, part)))


def _mean_over_people(found: Mapping[str, _Found]) -> Float[Tensor, ""]:
    """Return the mean divergence of q from N(0, 1), every person counted once."""
    share = [
        1 / torch.stack([has for _, has in each.linked.values()]).sum(0)
        for each in found.values()
    ]
    total = [
        (from_standard(each.shared) * own).sum()
        for each, own in zip(found.values(), share, strict=True)
    ]
    return torch.stack(total).sum() / torch.cat(share).sum()
