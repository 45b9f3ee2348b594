"""Every edge of a split as one table, by raw id, with its part and its time."""

from collections.abc import Mapping

import polars as pl
import torch

from micrec_pyg.data.splits.parts import PARTS, Domains
from micrec_pyg.schema import EdgeSplit, Interactions


def edge_table(domains: Domains, splits: Mapping[str, EdgeSplit]) -> pl.DataFrame:
    """Return every edge of the splits by raw id, with its part and time."""
    return pl.concat(
        [
            _edges(name, domains[name].interactions, split)
            for name, split in splits.items()
        ]
    )


def _edges(name: str, data: Interactions, split: EdgeSplit) -> pl.DataFrame:
    """Return the edges of one domain."""
    edges = [getattr(split, part) for part in PARTS]
    user, item = torch.cat(edges, dim=1)
    part = torch.repeat_interleave(
        torch.arange(len(PARTS)), torch.tensor([e.shape[1] for e in edges])
    )
    time = data.time
    known = pl.DataFrame(
        {"u": data.user.numpy(), "i": data.item.numpy(), "data": True}
    ).with_columns(
        pl.lit(None, pl.Int64).alias("time")
        if time is None
        else pl.Series("time", time.numpy())
    )
    rows = pl.DataFrame({"u": user.numpy(), "i": item.numpy(), "p": part.numpy()})
    # with a repeated pair the latest counts: it is the one that can betray
    latest = known.sort("time").unique(["u", "i"], keep="last")
    return rows.join(latest, on=["u", "i"], how="left", maintain_order="left").select(
        pl.lit(name).alias("domain"),
        pl.Series("part", PARTS).gather(rows["p"]),
        data.users.ids.gather(rows["u"]).alias("user"),
        data.items.ids.gather(rows["i"]).alias("item"),
        "time",
        pl.col("data").fill_null(False),
    )
