"""Splits saved as Parquet by raw id, and read back with a check of their content.

A saved split is a folder: ``<domain>.parquet`` per domain, and ``card.json`` with the
statistics and the SHA-256 of each domain's content.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from micrec_pyg.data.splits.parts import PARTS, Domains, raw_pairs
from micrec_pyg.data.splits.statistics import statistics
from micrec_pyg.schema import EdgeSplit, InputError, Interactions
from micrec_pyg.storage.seals import check, remedy, seal
from micrec_pyg.storage.writing import write_folder, write_json

CARD = "card.json"
IN_RUN = "artefact/split"
"""Where a run folder keeps its split."""
COLUMNS = {"part": pl.String, "user": pl.String, "item": pl.String}


def save_split(
    splits: Mapping[str, EdgeSplit], domains: Domains, folder: Path, *, protocol: str
) -> None:
    """Write a split to a new folder, whole or not at all.

    The tables have the columns part, user and item, raw strings in alphabetical
    order: a row per edge (its part is a name in ``PARTS``), and a row per
    node of the training graph (seen_user, seen_item) with the other id null.

    Args:
        splits: what to save.
        domains: what was split.
        folder: must not exist yet.
        protocol: name of the split, for the card.
    """
    tables = _tables(splits, domains)
    counts = statistics(splits, domains)
    card = {
        "schema": 1,
        "protocol": protocol,
        "domains": {
            name: {
                "sha256": _digest(table, splits[name].select),
                "select": splits[name].select,
                **counts[name],
            }
            for name, table in tables.items()
        },
    }

    def fill(target: Path) -> None:
        for name, table in tables.items():
            table.write_parquet(target / f"{name}.parquet")
        write_json(target / CARD, card)
        seal(target)

    write_folder(folder, fill)


def split_digests(splits: Mapping[str, EdgeSplit], domains: Domains) -> dict[str, str]:
    """Return the sha256 of each domain's split: of its sorted table, as CSV.

    Neither the order of the rows of the data nor that of the domains matters.
    """
    return {
        name: _digest(table, splits[name].select)
        for name, table in _tables(splits, domains).items()
    }


def check_split(
    splits: Mapping[str, EdgeSplit], domains: Domains, folder: Path
) -> None:
    """Check that a split is the saved one.

    Raises:
        InputError: it is another, or none is saved there.
    """
    saved = {name: sha256 for name, (sha256, _) in _saved(folder).items()}
    now = split_digests(splits, domains)
    names = sorted({*saved, *now})
    changed = [name for name in names if saved.get(name) != now.get(name)]
    if changed:
        raise InputError(
            f"the split of {', '.join(changed)} is not the one saved in {folder}: the "
            "data, the split's files or the program have changed; restore them, or "
            "delete the run's folder and train again"
        )


def load_split(domains: Domains, *, path: str) -> dict[str, EdgeSplit]:
    """Return a saved split, in the indices and the order of the given domains.

    Args:
        domains: the data that was split, its rows in any order.
        path: folder of a run, or of the split itself.

    Raises:
        InputError: a file is missing, was changed, or belongs to other data.
    """
    root = Path(path).expanduser()
    folder = root / IN_RUN if (root / IN_RUN).is_dir() else root
    saved = _saved(folder)
    with remedy("restore the file, or make the split again"):
        check(folder)
    if sorted(saved) != sorted(domains):
        raise InputError(
            f"{folder}: holds the domains {sorted(saved)}, the data has "
            f"{sorted(domains)}"
        )
    splits = {}
    for name, domain in domains.items():
        file = folder / f"{name}.parquet"
        try:
            table = pl.read_parquet(file, glob=False)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise InputError(f"{file}: cannot be read as a split: {error}") from error
        digest, select = saved[name]
        if dict(table.schema) != COLUMNS or _digest(table, select) != digest:
            raise InputError(
                f"{file}: its content is not what was saved (SHA-256 in {CARD}); "
                "restore the file, or make the split again"
            )
        splits[name] = _edge_split(table, domain.interactions, file, select)
    return splits


def _saved(folder: Path) -> dict[str, tuple[str, str]]:
    """Return the digest and the rule of selection of each domain from the card."""
    card = folder / CARD
    try:
        content: Any = json.loads(card.read_text(encoding="utf-8"))
        return {
            name: (str(row["sha256"]), str(row.get("select", "seen")))
            for name, row in content["domains"].items()
        }
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(
            f"{card} is missing: no split is saved there; a run of an older version "
            "has none, so delete its folder and train it again"
        ) from error
    except (
        *(ValueError, LookupError, TypeError, AttributeError),
        RecursionError,
    ) as error:
        raise InputError(f"{card}: not the card of a split: {error!r}") from error


def _tables(
    splits: Mapping[str, EdgeSplit], domains: Domains
) -> dict[str, pl.DataFrame]:
    """Return each domain's split as a sorted table of raw ids."""
    return {
        name: _table(split, domains[name].interactions)
        for name, split in splits.items()
    }


def _table(split: EdgeSplit, data: Interactions) -> pl.DataFrame:
    """Return one domain's split as a sorted table of raw ids."""
    users, items = data.users.ids, data.items.ids
    frames = []
    for part in PARTS:
        user, item = getattr(split, part).tolist()
        frames.append(_rows(part, users.gather(user), items.gather(item)))
    seen = users.filter(pl.Series(split.seen_user.numpy()))
    frames.append(_rows("seen_user", seen, None))
    seen = items.filter(pl.Series(split.seen_item.numpy()))
    frames.append(_rows("seen_item", None, seen))
    return pl.concat(frames).sort("part", "user", "item")


def _rows(part: str, user: pl.Series | None, item: pl.Series | None) -> pl.DataFrame:
    """Return rows of one part; None stands for empty ids."""
    return pl.DataFrame(
        {"user": user, "item": item}, schema={"user": pl.String, "item": pl.String}
    ).select(pl.lit(part).alias("part"), "user", "item")


def _digest(table: pl.DataFrame, select: str) -> str:
    """Return the sha256 of a table's content, and of the rule unless it is seen."""
    rule = "" if select == "seen" else f"select={select}\n"
    return hashlib.sha256((table.write_csv() + rule).encode()).hexdigest()


def _edge_split(
    table: pl.DataFrame, data: Interactions, file: Path, select: str
) -> EdgeSplit:
    """Return one domain's split, checked against its interactions."""
    saved = table.filter(pl.col("part").is_in(PARTS))
    found = raw_pairs(data).join(
        saved, on=["user", "item"], how="left", maintain_order="left"
    )["part"]
    seen_user = data.users.index(table.filter(part="seen_user")["user"])
    seen_item = data.items.index(table.filter(part="seen_item")["item"])
    same = len(found) == saved.height == len(data.user) and not found.null_count()
    if not same or (torch.cat([seen_user, seen_item]) < 0).any():
        raise InputError(f"{file}: made for other interactions; make the split again")
    mine: dict[str, Any] = {
        part: data.edges[:, torch.from_numpy((found == part).to_numpy())]
        for part in PARTS
    }
    return EdgeSplit(
        **mine,
        seen_user=_flags(seen_user, len(data.users)),
        seen_item=_flags(seen_item, len(data.items)),
        select=select,
    )


def _flags(index: Int[Tensor, " _"], length: int) -> Bool[Tensor, " nodes"]:
    """Return which nodes are listed."""
    flags = torch.zeros(length, dtype=torch.bool)
    flags[index] = True
    return flags
