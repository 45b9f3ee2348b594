"""All domains as one: users merged by raw id, items side by side.

A control: what plain sharing of users gives, without any cross-domain model. The
model is trained on the one graph; validation and test still rank every domain by
itself, so a run compares user by user with one on the domains' own graphs.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields

import polars as pl
import torch
from jaxtyping import Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.graph.node_rows import places
from micrec_pyg.schema import (
    ITEM,
    USER,
    Domain,
    EdgeSplit,
    Embeddings,
    Feature,
    InputError,
    Interactions,
    Vocab,
)


@dataclass(frozen=True, eq=False)
class Merged:
    """All domains as one domain, and where the nodes of each are in it."""

    domain: Domain
    split: EdgeSplit
    """Seen are the users and items that any domain has seen."""
    place: Mapping[str, Mapping[str, Int[Tensor, " _"]]]
    """By domain and node type: for each vocabulary index that of the union."""


@dataclass(frozen=True, eq=False)
class UnionGraphs(Mapping[str, HeteroData]):
    """The graphs of all domains, and the one that a model gets in their place.

    As a mapping it has the domains' own graphs: who is ranked, what is known of
    them, which groups there are.
    """

    domains: Mapping[str, HeteroData]
    """Without similarity edges: no model reads them."""
    name: str
    data: HeteroData
    """The union's graph."""
    place: Mapping[str, Mapping[str, Int[Tensor, " _"]]]
    """By domain and node type: the union's row for each graph row of the domain."""

    def __getitem__(self, domain: str) -> HeteroData:
        """Return the domain's own graph."""
        return self.domains[domain]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the domains."""
        return iter(self.domains)

    def __len__(self) -> int:
        """Return the number of domains."""
        return len(self.domains)

    def pairs(self, pairs: Mapping[str, Int[Tensor, "2 _"]]) -> Int[Tensor, "2 _"]:
        """Return the (user, item) pairs of all domains in rows of the union."""
        return _merged_pairs(pairs, self.place)

    def embeddings(self, z: Embeddings) -> dict[str, Embeddings]:
        """Return the embeddings of every domain's nodes from those of the union."""
        return {
            domain: Embeddings(user=z.user[place[USER]], item=z.item[place[ITEM]])
            for domain, place in self.place.items()
        }

    def moved(self, move: Callable[[HeteroData], HeteroData]) -> "UnionGraphs":
        """Return the same with every graph moved, to where rows go as well."""
        data = move(self.data)
        device = data[USER].n_id.device
        return UnionGraphs(
            domains={name: move(graph) for name, graph in self.domains.items()},
            name=self.name,
            data=data,
            place={
                domain: {node: rows.to(device) for node, rows in place.items()}
                for domain, place in self.place.items()
            },
        )


def merge(domains: Mapping[str, Domain], splits: Mapping[str, EdgeSplit]) -> Merged:
    """Return the union of all domains; that of one domain is the domain itself.

    Its name is the domains' names, joined by "+". Items are called
    ``<domain>/<raw id>``. Times and ready splits are left out: the data is split.

    Raises:
        InputError: A modality has another width in another domain.
    """
    names = sorted(domains)
    data = {name: domains[name].interactions for name in names}
    users = Vocab(
        pl.concat([data[n].users.ids for n in names]).unique(maintain_order=True)
    )
    items = Vocab(pl.concat([_prefixed(n, data[n].items.ids) for n in names]))
    place = {
        n: {
            USER: users.index(data[n].users.ids),
            ITEM: items.index(_prefixed(n, data[n].items.ids)),
        }
        for n in names
    }
    edges = _merged_pairs({n: data[n].edges for n in names}, place)
    digests = "".join(domains[n].digest for n in names)
    domain = Domain(
        name="+".join(names),
        interactions=Interactions(
            user=edges[0], item=edges[1], users=users, items=items
        ),
        features=_features([domains[n] for n in names]),
        digest=hashlib.sha256(f"union {digests}".encode()).hexdigest(),
    )
    return Merged(domain, _split(splits, place, domain.interactions), place)


def union_graphs(
    graphs: Mapping[str, HeteroData], merged: Merged, data: HeteroData
) -> UnionGraphs:
    """Return the domains' graphs of one stage together with that of their union."""
    sides = {USER: merged.split.seen_user, ITEM: merged.split.seen_item}
    row = {node: places(data[node].n_id, len(seen)) for node, seen in sides.items()}
    return UnionGraphs(
        domains=dict(graphs),
        name=merged.domain.name,
        data=data,
        place={
            name: {
                node: row[node][merged.place[name][node][graph[node].n_id]]
                for node in sides
            }
            for name, graph in graphs.items()
        },
    )


def _prefixed(domain: str, ids: pl.Series) -> pl.Series:
    return pl.select(pl.lit(f"{domain}/") + ids).to_series()


def _merged_pairs(
    pairs: Mapping[str, Tensor], place: Mapping[str, Mapping[str, Tensor]]
) -> Int[Tensor, "2 _"]:
    """Return the (user, item) pairs of all domains at their places in the union."""
    return torch.cat(
        [
            torch.stack([place[name][USER][user], place[name][ITEM][item]])
            for name, (user, item) in sorted(pairs.items())
        ],
        dim=1,
    )


def _split(
    splits: Mapping[str, EdgeSplit],
    place: Mapping[str, Mapping[str, Tensor]],
    data: Interactions,
) -> EdgeSplit:
    seen_user = torch.zeros(len(data.users), dtype=torch.bool)
    seen_item = torch.zeros(len(data.items), dtype=torch.bool)
    for name in place:
        seen_user[place[name][USER][splits[name].seen_user]] = True
        seen_item[place[name][ITEM][splits[name].seen_item]] = True
    seen = {"seen_user": seen_user, "seen_item": seen_item}
    parts = {
        part: _merged_pairs({n: getattr(splits[n], part) for n in place}, place)
        for part in (field.name for field in fields(EdgeSplit))
        if part not in seen
    }
    return EdgeSplit(**parts, **seen)


def _features(domains: list[Domain]) -> dict[str, Feature]:
    """Return every modality of any domain, masked where a domain lacks it."""
    found = {}
    for modality in dict.fromkeys(m for domain in domains for m in domain.features):
        widths = {
            domain.name: domain.features[modality].values.shape[1]
            for domain in domains
            if modality in domain.features
        }
        if len(set(widths.values())) > 1:
            raise InputError(
                f"graph=union: the vectors of {modality} have different widths ("
                f"{', '.join(f'{n} {w}' for n, w in widths.items())}); one graph needs "
                "one encoder for all domains"
            )
        width = next(iter(widths.values()))
        parts = [
            domain.features.get(modality) or _missing(domain, width)
            for domain in domains
        ]
        found[modality] = Feature(
            values=torch.cat([part.values for part in parts]),
            mask=torch.cat([part.mask for part in parts]),
        )
    return found


def _missing(domain: Domain, width: int) -> Feature:
    num_items = len(domain.interactions.items)
    return Feature(
        torch.zeros(num_items, width), torch.zeros(num_items, dtype=torch.bool)
    )
