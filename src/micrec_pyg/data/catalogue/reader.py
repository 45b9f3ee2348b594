"""The reader of the documented own-catalogue format (``docs/own_catalogue.md``)."""

import dataclasses
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import torch

from micrec_pyg.data.catalogue.divide_items import ItemSplit, divide_items
from micrec_pyg.data.catalogue.domain_folder import DomainFolder, read_domain_folder
from micrec_pyg.data.catalogue.facts import index_facts
from micrec_pyg.data.catalogue.filter_options import Filters
from micrec_pyg.data.catalogue.filters import RawDomain, apply_filters
from micrec_pyg.data.catalogue.interactions import list_items, to_interactions
from micrec_pyg.data.catalogue.link_users import link_users
from micrec_pyg.data.catalogue.reading_options import ReadingOptions
from micrec_pyg.data.files.columns import check_columns
from micrec_pyg.data.files.tables import find_table
from micrec_pyg.schema import TEXT, Catalogue, Feature, InputError, Vocab

log = logging.getLogger(__name__)


def read_tables(
    path: Path,
    options: ReadingOptions,
    *,
    columns: Mapping[str, str] | None = None,
    links_in: Path | None = None,
) -> dict[str, Catalogue]:
    """Return the catalogues of a data set in the own-catalogue format.

    Args:
        path: folder with one subfolder per domain.
        options: what is read, and how.
        columns: {user, item, rating, timestamp, order, x_label: name of the column}
            where the tables use other names; None takes these and guesses the rest.
        links_in: folder in which the paths of link tables begin; None: ``path``.

    Raises:
        InputError: anything in the options or files that cannot be used.
    """
    check_columns(columns)
    contents = []
    for folder in domain_folders(path, options.domains):
        need = options.rating_min is not None
        content = read_domain_folder(folder, need_rating=need, columns=columns)
        assert content is not None  # errors are raised
        contents.append(content)
    joined = ""
    if options.links is not None:
        contents, joined = _link(contents, options.links, links_in or path)
    parts: dict[str, DomainFolder] = {}
    for content in contents:
        parts.update(_parts(content, options.division, len(contents) > 1))
    if options.links is not None or options.chosen.joins_domains:
        # what a domain is then depends on all of them
        joined += _sha256([joined, {name: part.digest for name, part in parts.items()}])
    texts = {
        name: _text(part, options.text_fields, options.text_sep)
        for name, part in parts.items()
    }
    given = {"columns": None if columns is None else dict(columns), **options.key()}
    return _catalogues(parts, texts, options.chosen, {**given, "joined": joined})


def _link(
    contents: Sequence[DomainFolder], links: Sequence[str], root: Path
) -> tuple[list[DomainFolder], str]:
    """Return the domains with linked users under one id, and the links' digest."""
    users = {c.path.name: c.rows["user"].cast(pl.String) for c in contents}
    renamed, counts, digest = link_users(users, links, root)
    linked = [
        dataclasses.replace(
            content,
            rows=content.rows.with_columns(
                renamed[content.path.name].cast(pl.Categorical)
            ),
            counts={**content.counts, **counts},
        )
        for content in contents
    ]
    return linked, digest


def _catalogues(
    parts: Mapping[str, DomainFolder],
    texts: Mapping[str, pl.DataFrame],
    chosen: Filters,
    options: Mapping[str, object],
) -> dict[str, Catalogue]:
    """Return the filtered domains; texts and features in the order of the items."""
    raw = {}
    for name, part in parts.items():
        items = list_items(part.rows, part.items["item"]).to_frame("item")
        text = items.join(texts[name], on="item", how="left", maintain_order="left")
        text = text.with_columns(pl.col("item").cast(pl.Categorical))
        raw[name] = RawDomain(rows=part.rows, items=text, clock=part.clock)
    catalogues = {}
    for name, kept in apply_filters(raw, chosen).items():
        part = parts[name]
        interactions = to_interactions(kept.rows, kept.items["item"])
        vocab = interactions.items
        catalogue = Catalogue(
            name=name,
            interactions=interactions,
            content={
                TEXT: _lookup(vocab, kept.items, "text"),
                **{m: _lookup(vocab, files, "file") for m, files in part.files.items()},
            },
            vectors={m: _feature(vocab, table) for m, table in part.vectors.items()},
            digest=_sha256(["own-catalogue 3", name, part.digest, options]),
            dropped={**kept.dropped, **part.counts},
            clock=kept.clock,
            steps=kept.steps,
            sources=part.sources,
            options={key: value for key, value in options.items() if value != ""},
            facts=None if part.facts is None else index_facts(vocab, part.facts),
        )
        catalogues[name] = catalogue
        counts = {k: n for k, n in catalogue.dropped.items() if n}
        log.info("domain %s: dropped or incomplete: %s", name, counts or "nothing")
    return catalogues


def domain_folders(root: Path, domains: Sequence[str] | None) -> list[Path]:
    """Return the domain folders to read.

    Raises:
        InputError: there is none, or a wanted one is not there.
    """
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
    divided = divide_items(content, division)
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
    table = table.with_columns(pl.col("item").cast(pl.String))
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


def _sha256(content: object) -> str:
    """Return the sha256 of a value as JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
