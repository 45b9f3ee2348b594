"""What a person did in other domains, as a part of their vector in this one."""

from collections.abc import Callable, Mapping
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from micrec_pyg.nn.conv import WeightedSum
from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.nn.spmm import product
from micrec_pyg.nn.template_rows import as_node_rows
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import (
    INTERACTED_BY,
    INTERACTS,
    ITEM,
    ITEM_TEMPLATE,
    USER,
    DomainSize,
    Embeddings,
)

Shared = Mapping[tuple[str, str], Int[Tensor, "2 _shared"]]
"""By (source, target) domain: the rows there of the users whom both have."""

START = (0.0, -0.5, 0.5)
"""a, b, c of both gates."""


class HistoryTransfer(nn.Module):
    r"""Return what one domain D' says about the users whom it shares with D.

    .. math::
        t_u = [n'_u > 0] \left( \sigma(a_1 + b_1 \log(1 + n_u) + c_1 \log(1 + n'_u))
        M h_{u'} + \sigma(a_2 + b_2 \log(1 + n_u) + c_2 \log(1 + n'_u))
        \frac{1}{n'_u} \sum_{j \in N_{u'}} (\tilde e_j + c_j) \right)

    u is a user of D and u' the same person in D'; n and n' are their numbers of edges
    in the two graphs at hand. The gates start so that the other domain counts more
    the more a person did there, and less the more they did here. M starts at 0;
    :math:`\tilde e_j` is a second vector of every template item j of D', what it says
    about its users in D; c_j is its content as D sees it. It is 0 where no shared user
    of training took j, so that it never learnt anything.
    """

    shared: Tensor
    """Rows of the shared users of the training graphs."""

    def __init__(
        self, *, size: DomainSize, dim: int, std: float, generator: torch.Generator
    ) -> None:
        """Draw the second vectors of items from N(0, std^2).

        Args:
            size: Of D'.
            dim: Width d.
            std: Standard deviation of the start values.
            generator: Draws the start values.
        """
        super().__init__()
        drawn = torch.randn(
            size.num_item_templates, dim, generator=generator, device=generator.device
        )
        self.item = nn.Parameter(std * drawn)
        self.matrix = nn.Parameter(torch.zeros(dim, dim, device=generator.device))
        start = torch.tensor((START, START), device=generator.device)
        self.gate = nn.Parameter(start)
        self.sum = WeightedSum()
        self.register_buffer("shared", None)

    def forward(
        self,
        source: HeteroData,
        target: HeteroData,
        shared: Int[Tensor, "2 shared"],
        h: Float[Tensor, "users dim"],
        content: Float[Tensor, "items dim"] | None,
    ) -> Float[Tensor, "shared dim"]:
        """Return t of the shared users.

        Args:
            source: The graph of D'.
            target: The graph of D.
            shared: Their rows in D' and in D.
            h: Of all users of D', before anything is transferred to them.
            content: c of all items of D'; None leaves it out.
        """
        there, here = shared
        known = source[USER].degree.index_select(0, there).float()
        known_here = target[USER].degree.index_select(0, here).float()
        of_user, of_items = self._gates(known_here, known)
        mean = self._sums(source, content).index_select(0, there)
        mean = mean * (of_items / known.clamp(min=1)).view(-1, 1)
        own = h.index_select(0, there) @ self.matrix
        return torch.addcmul(mean, own, of_user.view(-1, 1))

    def keep(self, shared: Int[Tensor, "2 _shared"], source: HeteroData) -> None:
        """Keep the shared users of training, and set to 0 what they cannot teach.

        A second vector of an item that none of them took gets no gradient: it would
        stay a random number, which a new user who took the item would be told.
        """
        self.shared = shared
        is_shared = torch.zeros(source[USER].num_nodes, 1, device=shared.device)
        is_shared[shared[0]] = 1
        users = source[INTERACTS].adj_t
        taught = product(users, (users.values() > 0).float(), is_shared).flatten() > 0
        items, templates = source[ITEM].n_id, source[ITEM_TEMPLATE].n_id
        taught = taught.index_select(0, torch.searchsorted(items, templates))
        with torch.no_grad():
            self.item.mul_(taught.view(-1, 1))

    def _gates(self, here: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """Return both gates of users with these numbers of edges, 0 without there."""
        known = torch.stack([torch.ones_like(here), here.log1p(), there.log1p()])
        gates = torch.sigmoid(self.gate @ known) * (there > 0)
        of_user, of_items = gates.unbind()
        return of_user, of_items

    def _sums(self, source: HeteroData, content: Tensor | None) -> Tensor:
        """Return the sum over the items of every user of D'."""
        items = as_node_rows(source, ITEM, self.item)
        if content is not None:
            items = items + content
        matrix, back = source[INTERACTED_BY].adj_t, source[INTERACTS].adj_t
        kept = (matrix.values() > 0).float(), (back.values() > 0).float()
        sums: Tensor = self.sum(items, matrix, back, kept)
        return sums


class Transfer(nn.Module):
    """Add to the vectors of shared users what all other domains say about them.

    A ``HistoryTransfer`` for every ordered pair of domains.
    """

    def __init__(
        self,
        *,
        sizes: Mapping[str, DomainSize],
        streams: RandomStreams,
        dim: int,
        std: float,
    ) -> None:
        """Draw the parameters of every pair from a stream of its own.

        Args:
            sizes: By domain.
            streams: Draw the start values.
            dim: Width d.
            std: Standard deviation of the start values.
        """
        super().__init__()
        self.pairs = [(s, t) for t in sorted(sizes) for s in sorted(sizes) if s != t]
        self.targets = per_domain(
            sizes,
            lambda target, _: per_domain(
                {name: size for name, size in sizes.items() if name != target},
                lambda source, size: HistoryTransfer(
                    size=size,
                    dim=dim,
                    std=std,
                    generator=streams("init", "transfer", source, target),
                ),
            ),
        )

    def find_shared(self, graphs: Mapping[str, HeteroData]) -> None:
        """Keep the rows of the users whom the training graphs share.

        Second vectors that these users cannot teach are set to 0.
        """
        found = shared_users(graphs) if self.pairs else {}
        for source, target in self.pairs:
            self._of(source, target).keep(found[source, target], graphs[source])

    def of_training(self) -> Shared:
        """Return the rows that were kept: searching them again in each step waits."""
        return {pair: self._of(*pair).shared for pair in self.pairs}

    def forward(
        self,
        h: Mapping[str, Embeddings],
        graphs: Mapping[str, HeteroData],
        shared: Shared,
        content: Callable[[str, str], Tensor | None],
    ) -> dict[str, Embeddings]:
        """Return h with t of every other domain added; items stay.

        Args:
            h: By domain.
            graphs: By domain.
            shared: Rows of the shared users, by (source, target).
            content: Returns c of the source's items for (source, target).
        """
        users = {domain: side.user for domain, side in h.items()}
        for source, target in self.pairs:
            rows = shared.get((source, target))
            if rows is None or not rows.shape[1]:
                continue
            told = self._of(source, target)(
                graphs[source],
                graphs[target],
                rows,
                h[source].user,
                content(source, target),
            )
            users[target] = users[target].index_add(0, rows[1], told)
        return {d: Embeddings(user=users[d], item=h[d].item) for d in h}

    def _of(self, source: str, target: str) -> HistoryTransfer:
        by_source = cast(nn.ModuleDict, self.targets[module_key(target)])
        return cast(HistoryTransfer, by_source[module_key(source)])


def shared_users(
    graphs: Mapping[str, HeteroData],
) -> Shared:
    """Return the rows of the same persons for every ordered pair of domains.

    Row 0 holds places in the first domain, row 1 those of the same persons in the
    second one, ascending.
    """
    found = {}
    for target, data in graphs.items():
        person = data[USER].person
        for source, other in graphs.items():
            if source == target:
                continue
            known, row = other[USER].person.sort()
            place = torch.searchsorted(known, person).clamp(max=len(known) - 1)
            here = (known[place] == person).nonzero().flatten()
            found[source, target] = torch.stack([row[place[here]], here])
    return found
