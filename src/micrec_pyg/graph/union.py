"""All domains as one: users merged by raw id, items side by side.

A control: what plain sharing of users gives, without any cross-domain model. The
model is trained on the one graph; validation and test still rank every domain by
itself, so a run compares user by user with one on the domains' own graphs.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
import torch
from jaxtyping import Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.data.splits.parts import PARTS
from micrec_pyg.graph.node_rows import places
from micrec_pyg.schema import (
    ITEM,
    USER,
    Domain,
    EdgeSplit,
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


def rows_in_union(
    merged: Merged, domain: str, own: HeteroData, data: HeteroData
) -> dict[str, Int[Tensor, " _"]]:
    """Return by node type the row in the union's graph of each row of a domain's own.

    Args:
        merged: What ``merge`` returned.
        domain: Its name.
        own: Its own graph, at some stage.
        data: The union's graph at the same stage.
    """
    vocabulary = merged.domain.interactions
    sides = {USER: len(vocabulary.users), ITEM: len(vocabulary.items)}
    return {
        node: places(data[node].n_id, size)[merged.place[domain][node][own[node].n_id]]
        for node, size in sides.items()
    }


def people_in_union(
    merged: Merged, people: Mapping[str, Int[Tensor, " _"]]
) -> Int[Tensor, " users"]:
    """Return the person of every user of the union.

    Args:
        merged: What ``merge`` returned.
        people: By domain, the person of every user of its vocabulary.
    """
    person = torch.full((len(merged.domain.interactions.users),), -1)
    for name, mine in people.items():
        person[merged.place[name][USER]] = mine
    return person


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
        for part in PARTS
    }
    rules = {split.select for split in splits.values()}
    return EdgeSplit(**parts, **seen, select="new" if "new" in rules else "seen")


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
