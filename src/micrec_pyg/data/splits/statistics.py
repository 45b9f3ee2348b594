"""What a split holds, counted, and which future its test is exposed to."""

from collections.abc import Mapping
from typing import Any

import polars as pl
from jaxtyping import Bool, Int
from torch import Tensor

from micrec_pyg.data.splits.edge_table import edge_table
from micrec_pyg.data.splits.leak import measured_class
from micrec_pyg.data.splits.parts import PARTS, Domains
from micrec_pyg.schema import EdgeSplit


def statistics(
    splits: Mapping[str, EdgeSplit], domains: Domains
) -> dict[str, dict[str, Any]]:
    """Return {domain: counts}, of whole numbers, texts and None alone.

    ``edges`` and ``time`` (first and last, None without any) are by part. ``users``
    and ``items`` count all nodes, seen and new ones (in the training graph or not) and
    those without an edge in the graph of the test; ``users`` further those with and
    without a test edge. ``leak`` is the measured leak class of the domain's test edges
    against the known edges of all domains, None where nothing has a time.
    """
    table = edge_table(domains, splits)
    found = {}
    for name, split in splits.items():
        mine = table.filter(domain=name)
        graph = split.known_at_test
        users = _nodes(graph[0], split.seen_user)
        tested = len(split.test[0].unique())
        leak = measured_class(
            table.filter((pl.col("part") != "test") | (pl.col("domain") == name))
        )
        found[name] = {
            "edges": {part: getattr(split, part).shape[1] for part in PARTS},
            "time": {part: _range(mine.filter(part=part)["time"]) for part in PARTS},
            "users": {
                **users,
                "with_test": tested,
                "without_test": users["all"] - tested,
            },
            "items": _nodes(graph[1], split.seen_item),
            "leak": None if leak is None else leak.label,
        }
    return found


def _nodes(ends: Int[Tensor, " _"], seen: Bool[Tensor, " nodes"]) -> dict[str, int]:
    """Return how many nodes there are, are seen, are new, and have no edge."""
    total, old = len(seen), int(seen.sum())
    return {
        "all": total,
        "seen": old,
        "new": total - old,
        "without_edge": total - len(ends.unique()),
    }


def _range(time: pl.Series) -> list[Any] | None:
    """Return the first and the last time, None where there is none."""
    return None if time.null_count() == len(time) else [time.min(), time.max()]
