"""How well new users and new items are answered with few of their edges.

The same model, test pairs and candidates for every number of edges: only the edges on
which messages flow change. A new node keeps the first n support edges of an order that
follows from seed and raw ids, so the edges of 2 contain those of 1. What is taken away
stays known: it is never recommended.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from micrec_pyg.data.splits.parts import uniform_by_hash
from micrec_pyg.graph.build import test_stage
from micrec_pyg.graph.to_device import to_device
from micrec_pyg.models.base import Model
from micrec_pyg.runs.evaluate import count_test, finished_run, open_run
from micrec_pyg.runs.experiment import Experiment
from micrec_pyg.runs.inputs import Inputs
from micrec_pyg.schema import ITEM, USER, EdgeSplit, InputError, Interactions
from micrec_pyg.storage.reading import read_parquet
from micrec_pyg.storage.writing import write_parquet

FILE = "support_edges_{most}.parquet"
"""In the folder of a run: what ``measure_support`` found, a file per largest number of
edges, which decides what nodes are judged."""

EARLIER = "support_edges.parquet"
"""The only file of earlier versions, of any largest number."""

SIDES = (USER, ITEM)
GROUPS: Mapping[str, str] = {USER: "new_user", ITEM: "new_item"}
"""Whose candidates and users count, see docs/metrics.md."""

logger = logging.getLogger(__name__)


def measure_support(folder: Path, counts: Sequence[int]) -> pl.DataFrame:
    """Return the accuracy of new nodes by the number of support edges they keep.

    Judged are the test pairs of the new nodes that have at least the largest number
    of edges, so that every number is exact. The result is kept with the run, and read
    where it has all that is asked for. Every measurement counts as one evaluation of
    the test set.

    Args:
        folder: Of a finished run on a split with new nodes.
        counts: Numbers of edges.

    Returns:
        Columns side (user, item), domain, edges, group, nodes (new ones that are
        judged), users, metric, value.

    Raises:
        InputError: The run has no support edges, or no new node has so many.
    """
    most = max(counts)
    found = _kept(folder, most)
    if _has(found, counts):
        return _of(found, counts)
    with finished_run(folder) as metrics:
        found = _kept(folder, most)
        if _has(found, counts):  # another job has measured meanwhile
            return _of(found, counts)
        experiment, inputs, model = open_run(folder)
        count_test(folder, metrics, experiment, inputs)
        rows = [
            row
            for side in SIDES
            for count in sorted({*counts, *found["edges"]})
            for row in _rows(experiment, inputs, model, side, count, most)
        ]
        if not rows:
            raise InputError(
                f"{folder}: no new user or item has {most} support edges and a "
                "test pair; give smaller numbers, or a run on split=new_nodes"
            )
        table = pl.DataFrame(rows, infer_schema_length=None)
        write_parquet(folder / FILE.format(most=most), table)
    return _of(table, counts)


def _kept(folder: Path, most: int) -> pl.DataFrame:
    """Return what was measured on the nodes with so many edges; no row if nothing was.

    Only such nodes have a row of that number.
    """
    for name in (FILE.format(most=most), EARLIER):
        path = folder / name
        if path.is_file():
            found = read_parquet(path)
            if found["edges"].max() == most:
                return found
    return pl.DataFrame(schema={"edges": pl.Int64})


def _has(table: pl.DataFrame, counts: Sequence[int]) -> bool:
    return {*counts} <= {*table["edges"]}


def _of(table: pl.DataFrame, counts: Sequence[int]) -> pl.DataFrame:
    return table.filter(pl.col("edges").is_in(list(counts)))


def thinned(
    data: Interactions, split: EdgeSplit, side: str, count: int, *, seed: int
) -> EdgeSplit:
    """Return a split whose new nodes of one side keep at most so many support edges.

    Args:
        data: Of the domain.
        split: Of the domain.
        side: ``user`` or ``item``.
        count: Edges that each new node keeps.
        seed: Of the order of a node's edges; beside it raw ids alone decide.
    """
    new = ~(split.seen_user if side == USER else split.seen_item)
    node = split.support[SIDES.index(side)]
    place = _places(data, split.support, node, seed)
    kept = ~new[node] | (place < count)
    return replace(
        split,
        support=split.support[:, kept],
        silent=torch.cat([split.silent, split.support[:, ~kept]], dim=1),
    )


def judged_nodes(split: EdgeSplit, side: str, least: int) -> Bool[Tensor, " nodes"]:
    """Return the new nodes of one side with at least so many support edges."""
    seen = split.seen_user if side == USER else split.seen_item
    ends = split.support[SIDES.index(side)]
    return ~seen & (torch.bincount(ends, minlength=len(seen)) >= least)


def _places(
    data: Interactions, edges: Int[Tensor, "2 n"], node: Int[Tensor, " n"], seed: int
) -> Int[Tensor, " n"]:
    """Return the place of each edge among those of its node, in a random order."""
    pairs = pl.DataFrame(
        {
            "user": data.users.ids.gather(edges[0].numpy()),
            "item": data.items.ids.gather(edges[1].numpy()),
        }
    ).select(id=pl.concat_str("user", "item", separator="\t"))["id"]
    lot = torch.from_numpy(uniform_by_hash(pairs, f"{seed}/support"))
    frame = pl.DataFrame({"node": node.numpy(), "lot": lot.numpy()})
    place = frame.select(pl.col("lot").rank("ordinal").over("node") - 1)
    return torch.from_numpy(place["lot"].cast(pl.Int64).to_numpy(writable=True))


def _rows(
    experiment: Experiment,
    inputs: Inputs,
    model: Model,
    side: str,
    count: int,
    most: int,
) -> list[dict[str, object]]:
    """Return the results of one side and number of edges."""
    splits, nodes = {}, {}
    for name, split in inputs.splits.items():
        judged = judged_nodes(split, side, most)
        tested = judged[split.test[SIDES.index(side)]]
        nodes[name] = int(split.test[SIDES.index(side), tested].unique().numel())
        data = inputs.domains[name].interactions
        few = thinned(data, split, side, count, seed=experiment.seed)
        splits[name] = replace(few, test=split.test[:, tested])
    stage = test_stage(
        inputs.train, inputs.domains, splits, inputs.options, answers=model.answers
    )
    report = experiment.rank(
        model, to_device(stage, experiment.device), train=inputs.train
    )
    logger.info("%d support edges of new %ss: %s", count, side, nodes)
    found = []
    for domain, frame in report.per_user.items():
        own = frame.filter(group=GROUPS[side])
        names = [c for c in frame.columns if "@" in c]
        head = {"side": side, "domain": domain, "edges": count, "group": GROUPS[side]}
        sizes = {"nodes": nodes[domain], "users": own.height}
        means = own.select(pl.col(names).mean()).to_dicts()[0] if own.height else {}
        found += [
            {**head, **sizes, "metric": name, "value": value}
            for name, value in means.items()
            if value is not None
        ]
    return found
