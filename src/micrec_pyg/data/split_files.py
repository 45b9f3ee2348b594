"""Splits saved as Parquet by raw id, and read back with a check of their content."""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from micrec_pyg.data.split import Domains
from micrec_pyg.schema import EdgeSplit, InputError, Interactions

EDGES = ("train", "support", "val", "test")
SCHEMA = {"domain": pl.String, "part": pl.String, "user": pl.String, "item": pl.String}


def save_split(splits: Mapping[str, EdgeSplit], domains: Domains, path: Path) -> str:
    """Write a split to a Parquet file and return its digest.

    Columns domain, part, user, item, all raw strings. Parts are train, support, val
    and test, one row per edge, then seen_user and seen_item, one row per node with
    the other id null. The digest is stored in the file's metadata.
    """
    table = _table(splits, domains)
    digest = _digest(table)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(suffix=".part", dir=path.parent)
    os.close(handle)
    try:
        table.write_parquet(temporary, metadata={"digest": digest})
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return digest


def split_digest(splits: Mapping[str, EdgeSplit], domains: Domains) -> str:
    """Return the sha256 of a split: of its table, written as CSV.

    The order of the domains does not matter.
    """
    return _digest(_table(splits, domains))


def load_split(domains: Domains, *, path: str) -> dict[str, EdgeSplit]:
    """Return a saved split, in the indices of the given domains.

    Raises:
        InputError: the file is missing, was changed, or belongs to other data.
    """
    file = Path(path).expanduser()
    try:
        table = pl.read_parquet(file)
        stored = pl.read_parquet_metadata(file).get("digest")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{file}: cannot be read as a split: {error}") from error
    if dict(table.schema) != SCHEMA or _digest(table) != stored:
        raise InputError(f"{file}: its content is not what was saved; make it again")
    saved = table["domain"].unique().sort().to_list()
    if saved != sorted(domains):
        raise InputError(
            f"{file}: holds the domains {saved}, the data has {sorted(domains)}"
        )
    return {
        name: _edge_split(
            table.filter(pl.col("domain") == name),
            domain.interactions,
            f"{file}: {name}",
        )
        for name, domain in domains.items()
    }


def _table(splits: Mapping[str, EdgeSplit], domains: Domains) -> pl.DataFrame:
    """Return a split as one table of raw ids, domains in alphabetical order."""
    frames = []
    for name in sorted(splits):
        split, data = splits[name], domains[name].interactions
        users, items = data.users.ids, data.items.ids
        pieces = [
            (part, users.gather(edges[0].tolist()), items.gather(edges[1].tolist()))
            for part, edges in _edge_parts(split).items()
        ]
        seen_users = users.filter(pl.Series(split.seen_user.numpy()))
        seen_items = items.filter(pl.Series(split.seen_item.numpy()))
        pieces.append(("seen_user", seen_users, _nulls(seen_users)))
        pieces.append(("seen_item", _nulls(seen_items), seen_items))
        frames += [
            pl.DataFrame({"user": user, "item": item}).select(
                pl.lit(name).alias("domain"), pl.lit(part).alias("part"), "user", "item"
            )
            for part, user, item in pieces
        ]
    return pl.concat(frames)


def _edge_parts(split: EdgeSplit) -> dict[str, Int[Tensor, "2 _"]]:
    """Return the edges of a split by the name of their part."""
    return {part: getattr(split, part) for part in EDGES}


def _nulls(like: pl.Series) -> pl.Series:
    """Return as many empty ids."""
    return pl.Series([None], dtype=pl.String).new_from_index(0, len(like))


def _digest(table: pl.DataFrame) -> str:
    """Return the sha256 of a table's content."""
    return hashlib.sha256(table.write_csv().encode()).hexdigest()


def _edge_split(table: pl.DataFrame, data: Interactions, where: str) -> EdgeSplit:
    """Return one domain's split, checked against its interactions."""
    edges = {part: _edges(table, part, data) for part in EDGES}
    together = torch.cat(list(edges.values()), dim=1)
    width = len(data.items)
    mine = (data.user * width + data.item).sort().values
    theirs = (together[0] * width + together[1]).sort().values
    seen_user = data.users.index(_part(table, "seen_user")["user"])
    seen_item = data.items.index(_part(table, "seen_item")["item"])
    unknown = (torch.cat([together.flatten(), seen_user, seen_item]) < 0).any()
    if unknown or not torch.equal(mine, theirs):
        raise InputError(f"{where}: made for other interactions; make the split again")
    return EdgeSplit(
        **edges,
        seen_user=_flags(seen_user, len(data.users)),
        seen_item=_flags(seen_item, len(data.items)),
    )


def _part(table: pl.DataFrame, part: str) -> pl.DataFrame:
    """Return the rows of one part."""
    return table.filter(pl.col("part") == part)


def _edges(table: pl.DataFrame, part: str, data: Interactions) -> Int[Tensor, "2 _"]:
    """Return the edges of one part as indices, -1 for an unknown id."""
    rows = _part(table, part)
    return torch.stack([data.users.index(rows["user"]), data.items.index(rows["item"])])


def _flags(index: Int[Tensor, " _"], length: int) -> Bool[Tensor, " nodes"]:
    """Return which nodes are listed."""
    flags = torch.zeros(length, dtype=torch.bool)
    flags[index] = True
    return flags
