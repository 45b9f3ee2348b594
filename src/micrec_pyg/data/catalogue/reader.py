"""The reader of the documented own-catalogue format (``docs/own_catalogue.md``)."""

import dataclasses
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
from micrec_pyg.data.catalogue.folder_names import (
    TABLES,
    as_text,
    entries,
    is_utf8,
    unread_in_catalogue,
    why_no_domain,
)
from micrec_pyg.data.catalogue.interactions import list_items, to_interactions
from micrec_pyg.data.catalogue.link_users import link_users
from micrec_pyg.data.catalogue.number_titles import number_titles
from micrec_pyg.data.catalogue.reading_options import ReadingOptions
from micrec_pyg.data.files.columns import check_columns, nearest
from micrec_pyg.data.files.problems import STRICT, Problem, printable
from micrec_pyg.data.files.table_names import find_table, stem_of
from micrec_pyg.data.files.tables import column_names
from micrec_pyg.data.files.texts import one_text, text_columns
from micrec_pyg.schema import TEXT, DomainCatalogue, Feature, InputError, Vocab
from micrec_pyg.storage.digests import json_digest

log = logging.getLogger(__name__)


def read_tables(
    path: Path,
    options: ReadingOptions,
    *,
    columns: Mapping[str, str] | None = None,
    links_in: Path | None = None,
    tell_unread: bool = True,
) -> dict[str, DomainCatalogue]:
    """Return the catalogues of a data set in the own-catalogue format.

    Args:
        path: folder with one subfolder per domain.
        options: what is read, and how.
        columns: {user, item, rating, timestamp, order, x_label: name of the column}
            where the tables use other names; None takes these and guesses the rest.
        links_in: folder in which the paths of link tables begin; None: ``path``.
        tell_unread: whether to name, in the log and in the catalogues, what lies in
            the folder and is not read.

    Raises:
        InputError: anything in the options or files that cannot be used.
    """
    check_columns(columns)
    contents = []
    for folder in domain_folders(path, options.domains):
        need = options.rating_min is not None
        content = read_domain_folder(
            folder, need_rating=need, columns=columns, tell_unread=tell_unread
        )
        assert content is not None  # errors are raised
        contents.append(content)
    _check_mapped(contents, columns or {})
    beside = unread_beside(path, options.links, links_in) if tell_unread else []
    for problem in beside:
        STRICT.add(problem)
    joined = ""
    if options.links is not None:
        contents, joined = _link(contents, options.links, links_in or path)
    parts: dict[str, DomainFolder] = {}
    for content in contents:
        parts.update(_parts(content, options.division, len(contents) > 1))
    if options.links is not None or options.chosen.joins_domains:
        # what a domain is then depends on all of them
        digests = {name: part.digest for name, part in parts.items()}
        joined += json_digest([joined, digests])
    texts = {
        name: _text(part, options.text_fields, options.text_sep)
        for name, part in parts.items()
    }
    given = {"columns": None if columns is None else dict(columns), **options.key()}
    read_back = _catalogues(parts, texts, options.chosen, {**given, "joined": joined})
    return {
        name: dataclasses.replace(
            each, left_out=as_text([*beside, *parts[name].unread], path)
        )
        for name, each in read_back.items()
    }


def unread_beside(
    root: Path, links: Sequence[str] | None, links_in: Path | None = None
) -> list[Problem]:
    """Return what lies beside the domains of a data set and is not read.

    Args:
        root: the folder of the data set.
        links: link tables that are read.
        links_in: folder in which their paths begin; None: ``root``.
    """
    used = {(links_in or root) / link for link in links or ()}
    return unread_in_catalogue(root, _domains(root), used)


def _check_mapped(contents: Sequence[DomainFolder], columns: Mapping[str, str]) -> None:
    """Refuse a column of the option ``columns`` that no table has."""
    tables = [
        content.path / name
        for content in contents
        for name in content.sources
        if stem_of(name) is not None
    ]
    for role, name in columns.items():
        having = [t for t in tables if role == "item" or stem_of(t.name) == TABLES[0]]
        found = {each: None for table in having for each in column_names(table)}
        if name not in found:
            near = nearest(name, list(found), role=role)
            raise InputError(
                f"{contents[0].path.parent}: no table has the column {name} (columns: "
                f"{role}); found: {', '.join(found)}{near and f'; {near}'}"
            )


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
) -> dict[str, DomainCatalogue]:
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
        catalogue = DomainCatalogue(
            name=name,
            interactions=interactions,
            content={
                TEXT: _lookup(vocab, kept.items, "text"),
                **{m: _lookup(vocab, files, "file") for m, files in part.files.items()},
            },
            vectors={m: _feature(vocab, table) for m, table in part.vectors.items()},
            digest=json_digest(["own-catalogue 3", name, part.digest, options]),
            dropped={**kept.dropped, **part.counts},
            clock=kept.clock,
            steps=kept.steps,
            sources=part.sources,
            options={key: value for key, value in options.items() if value != ""},
            facts=None if part.facts is None else index_facts(vocab, part.facts),
        )
        catalogues[name] = catalogue
        counts = [
            f"{n:,} {reason.replace('_', ' ')}"
            for reason, n in catalogue.dropped.items()
            if n
        ]
        told = ", ".join(counts) or "nothing"
        log.info("domain %s: dropped or incomplete: %s", name, told)
    return catalogues


def domain_folders(root: Path, domains: Sequence[str] | None) -> list[Path]:
    """Return the domain folders to read.

    Raises:
        InputError: there is none, or a wanted one is not there.
    """
    if not root.is_dir():
        raise InputError(
            f"{root}: no such folder; give data.path=<folder of the data set>"
        )
    if not is_utf8(root):
        at = printable(root)
        raise InputError(f"{at}: a name in this path is not UTF-8; rename it")
    found = _domains(root)
    if not found:
        hint = "each domain is a subfolder with interactions.(tsv|csv|parquet|jsonl)"
        if find_table(root, "interactions") is not None:
            hint = "an interactions table lies here itself: move it into a subfolder"
        raise InputError(f"{root}: no domain found; {hint}{_why_not(root, None)}")
    wanted = found if domains is None else list(domains)
    unknown = [name for name in wanted if name not in found]
    if unknown or not wanted:
        raise InputError(
            f"{root}: domains {unknown or '[]'} cannot be read; "
            f"valid: {', '.join(found)}{_why_not(root, unknown)}"
        )
    return [root / name for name in wanted]


def _why_not(root: Path, names: Sequence[str] | None) -> str:
    """Return why the first of some folders is no domain, for the end of a sentence.

    Args:
        root: the folder of the data set.
        names: of folders that may be there; None: all that are.
    """
    asked = entries(root) if names is None else [root / name for name in names]
    folder = next((path for path in asked if path.is_dir()), None)
    return "" if folder is None else f"; {folder.name}: {why_no_domain(folder)[1]}"


def _domains(root: Path) -> list[str]:
    """Return the names of the folders that have interactions, sorted."""
    return [
        folder.name
        for folder in entries(root)
        if folder.is_dir()
        and is_utf8(folder.name)
        and find_table(folder, TABLES[0]) is not None
    ]


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
        fields = text_columns(table)
        for problem in number_titles(content):
            STRICT.add(problem)
        other = [n for n in table.columns if n not in (*fields, "item")]
        if other:
            log.info("%s: no text: column %s", content.path, ", ".join(other))
    missing = [name for name in fields if name not in table.columns]
    if missing:
        raise InputError(
            f"{content.path}: text field {', '.join(missing)} is not in the items "
            f"table; found: {', '.join(table.columns)}; needed: {', '.join(fields)}"
        )
    if not fields:
        return table.select("item", text=pl.lit(None, pl.String))
    cells = [one_text(table[f]).str.strip_chars().replace("", None) for f in fields]
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
