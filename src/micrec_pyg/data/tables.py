"""The reader of the documented own-catalogue format (``docs/own_catalogue.md``)."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import torch

from micrec_pyg.data.domain_folder import DomainFolder, read_domain_folder
from micrec_pyg.data.interactions import to_interactions
from micrec_pyg.data.item_split import ItemSplit, assign, item_split
from micrec_pyg.data.table_files import find_table
from micrec_pyg.schema import Catalogue, Feature, InputError, Interactions, Vocab

log = logging.getLogger(__name__)


def tables(
    *,
    path: str,
    domains: Sequence[str] | None,
    text_fields: Sequence[str] | None,
    text_sep: str,
    rating_min: int | float | None,
    duplicates: str,
    split_by: Mapping[str, object] | None,
) -> dict[str, Catalogue]:
    """Return the catalogues of a data set in the own-catalogue format.

    Args:
        path: folder with one subfolder per domain.
        domains: which subfolders to read; None reads all, in alphabetical order.
        text_fields: columns of the items table that make an item's text, joined in
            this order; None takes all text columns in file order, [] takes none.
        text_sep: what stands between two fields; empty fields are left out.
        rating_min: least rating that counts as an interaction; None keeps all and
            needs no rating column.
        duplicates: which row of a repeated (user, item) pair stays: ``first``,
            ``last`` (by time, then by place in the file), or ``error``.
        split_by: {field, sep, domains: {name: [values] or None}} divides the items
            of every folder into several domains by a column (see ``ItemSplit``).

    Raises:
        InputError: anything in the options or files that cannot be used.
    """
    for option, value in (("domains", domains), ("text_fields", text_fields)):
        if isinstance(value, str):
            raise InputError(f"{option}={value} is one text; needed: [{value}]")
    root = Path(path).expanduser()
    division = None if split_by is None else item_split(split_by)
    options = {
        "text_fields": None if text_fields is None else list(text_fields),
        "text_sep": text_sep,
        "rating_min": None if rating_min is None else float(rating_min),
        "duplicates": duplicates,
        # a list, not a mapping: the order of the domains has a meaning here
        "split_by": None if division is None else division.key(),
    }
    folders = _folders(root, domains)
    catalogues: dict[str, Catalogue] = {}
    for folder in folders:
        content = read_domain_folder(folder, need_rating=rating_min is not None)
        texts = _text(content, text_fields, text_sep)
        for name, part in _parts(content, division, len(folders) > 1).items():
            try:
                cleaned = to_interactions(
                    part.rows,
                    part.items["item"],
                    rating_min=rating_min,
                    duplicates=duplicates,
                )
            except InputError as error:
                raise InputError(f"domain '{name}' ({folder}): {error}") from error
            catalogues[name] = _catalogue(name, part, texts, cleaned, options)
            counts = {k: n for k, n in catalogues[name].dropped.items() if n}
            log.info("domain %s: dropped or incomplete: %s", name, counts or "nothing")
    return catalogues


def _catalogue(
    name: str,
    part: DomainFolder,
    texts: pl.DataFrame,
    cleaned: tuple[Interactions, Mapping[str, int]],
    options: Mapping[str, object],
) -> Catalogue:
    """Return one domain with everything in the order of its item vocabulary."""
    interactions, dropped = cleaned
    items = interactions.items
    return Catalogue(
        name=name,
        interactions=interactions,
        text=_lookup(items, texts, "text"),
        images=_lookup(items, part.images, "image"),
        vectors={m: _feature(items, table) for m, table in part.vectors.items()},
        digest=_digest(name, part.digest, options),
        dropped={**dropped, **part.counts},
    )


def _folders(root: Path, domains: Sequence[str] | None) -> list[Path]:
    """Return the domain folders to read."""
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; give path=<folder of the data set>")
    found = sorted(
        folder.name
        for folder in root.iterdir()
        if folder.is_dir() and find_table(folder, "interactions") is not None
    )
    if not found:
        hint = "each domain is a subfolder with interactions.(tsv|csv|parquet|jsonl)"
        if find_table(root, "interactions") is not None:
            hint = "an interactions table lies here itself: move it into a subfolder"
        raise InputError(f"{root}: no domain found; {hint}")
    wanted = found if domains is None else list(domains)
    unknown = [name for name in wanted if name not in found]
    if unknown or not wanted:
        raise InputError(
            f"{root}: domains {unknown or '[]'} cannot be read; "
            f"valid: {', '.join(found)}"
        )
    return [root / name for name in wanted]


def _parts(
    content: DomainFolder, division: ItemSplit | None, several: bool
) -> dict[str, DomainFolder]:
    """Return the domains that a folder becomes: itself, or its divisions."""
    folder = content.path.name
    if division is None:
        return {folder: content}
    divided = assign(content, division)
    return {f"{folder}_{k}" if several else k: part for k, part in divided.items()}


def _text(
    content: DomainFolder, fields: Sequence[str] | None, separator: str
) -> pl.DataFrame:
    """Return item and text; the text is null where every field is empty."""
    table = content.items
    if fields is None:
        fields = [
            name
            for name, dtype in table.schema.items()
            if dtype == pl.String and name != "item"
        ]
    missing = [name for name in fields if name not in table.columns]
    if missing:
        raise InputError(
            f"{content.path}: text field {', '.join(missing)} is not in the items "
            f"table; found: {', '.join(table.columns)}; needed: {', '.join(fields)}"
        )
    if not fields:
        return table.select("item", text=pl.lit(None, pl.String))
    cells = [
        pl.col(f).cast(pl.String).str.strip_chars().replace("", None) for f in fields
    ]
    joined = pl.concat_str(cells, separator=separator, ignore_nulls=True)
    return table.select("item", text=joined.replace("", None))


def _lookup(vocab: Vocab, table: pl.DataFrame, column: str) -> pl.Series:
    """Return a column in the order of the vocabulary, null for unknown items."""
    asked = pl.DataFrame({"item": vocab.ids})
    return asked.join(table, on="item", how="left", maintain_order="left")[column]


def _feature(vocab: Vocab, table: pl.DataFrame) -> Feature:
    """Return precomputed vectors in the order of the vocabulary."""
    width = int(table["vector"].list.len()[0])
    values = torch.zeros(len(vocab), width)
    place = vocab.index(table["item"])
    known = place >= 0
    rows = table["vector"].list.to_array(width).to_numpy(writable=True)
    values[place[known]] = torch.from_numpy(rows)[known]
    mask = torch.zeros(len(vocab), dtype=torch.bool)
    mask[place[known]] = True
    return Feature(values, mask)


def _digest(name: str, content: str, options: Mapping[str, object]) -> str:
    """Return the sha256 of one catalogue's inputs and options."""
    key = json.dumps(["own-catalogue 1", name, content, options], sort_keys=True)
    return hashlib.sha256(key.encode()).hexdigest()
