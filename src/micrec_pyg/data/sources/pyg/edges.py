"""The edges between users and items of a saved graph, as rows of interactions."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import Tensor

from micrec_pyg.data.sources.pyg.stores import Stores, is_dense
from micrec_pyg.schema import EdgeType, InputError

log = logging.getLogger(__name__)

MASKS = ("train_mask", "val_mask", "test_mask")
_OPTIONAL = {"rating": ("rating",), "timestamp": ("time", "timestamp")}
"""Our column, and the attributes that may hold it."""


@dataclass(frozen=True)
class Edges:
    """Which edges of a graph are the interactions."""

    file: Path
    user: str
    item: str | None
    relation: str | None
    ids: str | None
    test_labels: bool

    def find(self, stores: Stores) -> EdgeType:
        """Return the one edge type that is meant.

        Raises:
            InputError: there is none, or several.
        """
        kinds = [key for key in stores if isinstance(key, tuple) and len(key) == 3]
        fits = [
            kind
            for kind in kinds
            if kind[0] == self.user
            and kind[2] == (self.item or kind[2])
            and kind[2] != self.user
            and kind[1] == (self.relation or kind[1])
        ]
        if len(fits) != 1:
            wanted = f"({self.user}, {self.relation or '*'}, {self.item or '*'})"
            raise InputError(
                f"{self.file}: {len(fits)} edge types are {wanted}, one is needed; "
                f"found: {', '.join(str(kind) for kind in kinds)}; choose with "
                "data.user, data.item and data.relation"
            )
        return fits[0]

    def node_ids(self, stores: Stores, node: str) -> pl.Series:
        """Return the raw id of every node of a type (strings).

        Raises:
            InputError: their number is not known, or the ids are not one per node.
        """
        store = stores.get(node, {})
        if self.ids is None:
            count = _count(store)
            count = self._highest(stores, node) if count is None else count
            return pl.Series("id", range(count), dtype=pl.Int64).cast(pl.String)
        if self.ids not in store:
            raise InputError(
                f"{self.file}: {node} has no attribute {self.ids}; found: "
                f"{', '.join(store)}; correct data.ids"
            )
        raw = store[self.ids]
        values = raw.tolist() if is_dense(raw) else raw
        usable = isinstance(values, list) and all(
            isinstance(v, str | int) for v in values
        )
        if not usable or len({*map(str, values)}) != _count(store, len(values)):
            raise InputError(
                f"{self.file}: {node}.{self.ids}: a different text or whole number "
                "per node is needed"
            )
        return pl.Series("id", [*map(str, values)], dtype=pl.String)

    def read(self, store: Mapping[str, Any]) -> set[str]:
        """Return the attributes of the edges that ``edge_rows`` reads, or may."""
        found = {"edge_index", "e_id", *MASKS}
        for names in _OPTIONAL.values():
            found |= {*[name for name in names if name in store][:1]}
        if self.test_labels and not found & {*MASKS} & store.keys():
            found |= {"edge_label", "edge_label_index"}
        return found

    def _highest(self, stores: Stores, node: str) -> int:
        """Return one more than the highest number of a node in the edges."""
        kind = self.find(stores)
        row = 0 if kind[0] == node else 2
        found = [
            stores[kind][name][row // 2]
            for name in ("edge_index", "edge_label_index")
            if is_dense(stores[kind].get(name))
        ]
        return max((int(each.max()) + 1 for each in found if each.numel()), default=0)


def edge_rows(stores: Stores, chosen: Edges, kind: EdgeType) -> pl.DataFrame:
    """Return user, item and any of rating, timestamp, x_label of every edge.

    Raises:
        InputError: an attribute has the wrong form, or an edge leads nowhere.
    """
    store, where = stores[kind], f"{chosen.file}: {kind}"
    users, items = (chosen.node_ids(stores, kind[place]) for place in (0, 2))
    pairs = _pairs(store, "edge_index", where, len(users), len(items))
    columns = {}
    for column, names in _OPTIONAL.items():
        name = next((name for name in names if name in store), None)
        if name is not None:
            columns[column] = _values(store[name], f"{where}.{name}", pairs.shape[1])
    part = _parts(store, where, pairs.shape[1])
    if part is None and chosen.test_labels and "edge_label_index" in store:
        held = _pairs(store, "edge_label_index", where, len(users), len(items))
        part = torch.zeros(pairs.shape[1] + held.shape[1], dtype=torch.int64)
        part[pairs.shape[1] :] = 2
        columns = _with_labels(store, where, columns, held.shape[1])
        pairs = torch.cat([pairs, held], dim=1)
    if part is not None:
        columns["x_label"] = part
    numbers = [pl.Series(row.numpy()) for row in pairs]
    return pl.DataFrame(
        {
            "user": users.gather(numbers[0]),
            "item": items.gather(numbers[1]),
            **{name: values.numpy() for name, values in columns.items()},
        }
    )


def _count(store: Mapping[str, Any], default: int | None = None) -> int | None:
    """Return the number of nodes as their attributes tell it."""
    if isinstance(store.get("num_nodes"), int):
        return int(store["num_nodes"])
    matrices = [v for v in store.values() if isinstance(v, Tensor) and v.dim() > 1]
    return len(matrices[0]) if matrices else default


def _pairs(
    store: Mapping[str, Any], name: str, where: str, users: int, items: int
) -> Tensor:
    """Return edges as numbers of users and items, checked."""
    pairs = store.get(name)
    whole = is_dense(pairs) and pairs.dtype in (torch.int64, torch.int32)
    if not whole or not isinstance(pairs, Tensor) or pairs.shape[:-1] != (2,):
        raise InputError(f"{where}: {name}: two rows of whole numbers are needed")
    for row, (count, kind) in enumerate(((users, "users"), (items, "items"))):
        bad = ((pairs[row] < 0) | (pairs[row] >= count)).nonzero()
        if len(bad):
            at = int(bad[0])
            raise InputError(
                f"{where}: {name}: column {at} (from 0) names number "
                f"{int(pairs[row, at])} of {count} {kind}"
            )
    return torch.as_tensor(pairs, dtype=torch.int64)


def _values(values: object, where: str, count: int) -> Tensor:
    """Return one finite number per edge."""
    usable = is_dense(values) and not values.is_complex()
    if not usable or not isinstance(values, Tensor) or values.numel() != count:
        raise InputError(f"{where}: one number per edge is needed, {count} in all")
    bad = (~values.flatten().isfinite()).nonzero()
    if len(bad):
        raise InputError(f"{where}: number {int(bad[0])} (from 0) is not finite")
    half = values.dtype in (torch.float16, torch.bfloat16)
    return values.flatten().float() if half else values.flatten()


def _parts(store: Mapping[str, Any], where: str, count: int) -> Tensor | None:
    """Return the part of every edge by the masks, None without masks."""
    named = {n: _values(store[n], f"{where}.{n}", count) for n in MASKS if n in store}
    if not named:
        return None
    empty = torch.zeros(count, dtype=torch.bool)
    masks = torch.stack([named.get(name, empty).bool() for name in MASKS])
    bad = (masks.sum(dim=0) != 1).nonzero()
    if len(bad):
        raise InputError(
            f"{where}: edge {int(bad[0])} (from 0) and {len(bad) - 1} others are not "
            f"in exactly one of {', '.join(MASKS)}"
        )
    return masks.int().argmax(dim=0)


def _with_labels(
    store: Mapping[str, Any], where: str, columns: Mapping[str, Tensor], count: int
) -> dict[str, Tensor]:
    """Return the columns that the labelled edges have too, for all edges."""
    label = None
    if "edge_label" in store:
        label = _values(store["edge_label"], f"{where}.edge_label", count)
        label = _as_ratings(label, columns.get("rating"), where)
    kept = {}
    if "rating" in columns and label is not None:
        kept["rating"] = torch.cat([columns["rating"].double(), label.double()])
    for name in columns.keys() - kept.keys():
        log.warning("%s: %s is left out: edge_label_index has none", where, name)
    return kept


def _as_ratings(label: Tensor, rating: Tensor | None, where: str) -> Tensor | None:
    """Return the labels where they are ratings, None where they only mark edges.

    ``RandomLinkSplit`` labels real pairs 1 (or their class from 1 on) and pairs that
    never met 0, whatever the edges' ratings are.

    Raises:
        InputError: some pairs never met.
    """
    marks = bool(((label == 0) | (label == 1)).all())
    rated_zero = rating is not None and bool((rating == 0).any())
    if (label == 0).any() and (marks or not rated_zero):
        raise InputError(
            f"{where}: edge_label 0 marks pairs that never met; give "
            "data.test_labels=false, or save the real edges alone"
        )
    return None if marks and rating is not None and (rating != 1).any() else label
