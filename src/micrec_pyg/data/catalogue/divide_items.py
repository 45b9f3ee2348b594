"""One folder's items divided into several domains by a column, such as genres."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from micrec_pyg.data.catalogue.domain_folder import (
    MISSING,
    REPEATED,
    UNKNOWN,
    DomainFolder,
)
from micrec_pyg.data.catalogue.interactions import list_items
from micrec_pyg.schema import InputError
from micrec_pyg.storage.digests import json_digest

WHOLE = "_of_whole_folder"
"""Ends the name of a count that is the folder's, and the same in all its domains."""


@dataclass(frozen=True)
class ItemSplit:
    """How items become domains.

    An item belongs to the first domain, in the order written, that lists one of the
    item's values; what no domain lists belongs to the domain without a list ("the
    rest"), or is dropped and counted if there is none. Users keep their raw ids, so
    the domains overlap.
    """

    field: str
    """Column of the items table."""
    sep: str | None
    """What stands between two values in a text; None: a text is one value.

    Of a list every element is a value."""
    domains: Mapping[str, Sequence[str] | None]
    """Values per domain; None takes the rest."""

    def key(self) -> list[object]:
        """Return the content in a form in which the order of domains counts."""
        return [self.field, self.sep, [[k, v] for k, v in self.domains.items()]]


def read_item_split(options: Mapping[str, object]) -> ItemSplit:
    """Return the checked form of a ``split_by`` option.

    Raises:
        InputError: a key is missing or unknown, or a value has the wrong form.
    """
    needed = ["field", "sep", "domains"]
    if sorted(options) != sorted(needed):
        raise InputError(
            f"split_by has the keys {sorted(options)}; needed: {', '.join(needed)}"
        )
    name, sep, domains = (options[key] for key in needed)
    if not isinstance(name, str) or not (sep is None or (isinstance(sep, str) and sep)):
        raise InputError("split_by: field must be a column name, sep a text or null")
    if not isinstance(domains, Mapping) or not domains:
        raise InputError("split_by: domains must map names to lists of values")
    lists: dict[str, list[str] | None] = {}
    for key, values in domains.items():
        if values is not None and not isinstance(values, list | tuple):
            raise InputError(f"split_by: domain '{key}' needs a list, got {values!r}")
        lists[str(key)] = None if values is None else [str(v) for v in values]
    rest = [name for name, values in lists.items() if values is None]
    if len(rest) > 1:
        raise InputError(
            "split_by: only one domain can be the rest (null), and these are: "
            f"{', '.join(rest)}; give lists of values to the others"
        )
    return ItemSplit(name, sep, lists)


def divide_items(content: DomainFolder, division: ItemSplit) -> dict[str, DomainFolder]:
    """Return one folder content per domain, each with its own items and rows.

    Images and vectors stay whole: they are looked up by item later on.

    Raises:
        InputError: the column is missing or a domain gets no item.
    """
    if division.field not in content.items.columns:
        raise InputError(
            f"{content.path}: split_by field '{division.field}' is not in the items "
            f"table; found: {', '.join(content.items.columns)}"
        )
    every = list_items(content.rows, content.items["item"])
    column = content.items[division.field]
    table = every.to_frame("item").join(
        content.items.select("item", values=_values(column, division.sep)),
        on="item",
        how="left",
        maintain_order="left",
    )
    digest = content.digest
    if column.dtype == pl.List:
        # earlier versions divided otherwise: what they cached must not be taken
        digest = json_digest([digest, "values of lists"])
    owner = table.select("item", domain=_owner(division))
    left_out = owner.filter(pl.col("domain").is_null())["item"]
    counts = _of_folder(content, left_out)
    parts = {}
    for name, values in division.domains.items():
        mine = owner.filter(pl.col("domain") == name)["item"]
        if mine.is_empty():
            found = table["values"].explode().drop_nulls().unique().sort().head(10)
            raise InputError(
                f"{content.path}: domain '{name}' gets no item: column "
                f"'{division.field}' has none of {values}; it holds "
                f"{', '.join(found)}, ..."
            )
        inside = pl.col("item").is_in(mine.implode())
        parts[name] = dataclasses.replace(
            content,
            rows=content.rows.filter(inside),
            items=content.items.filter(inside),
            digest=digest,
            counts={**counts, **_of_items(content, mine)},
        )
    return parts


def _of_folder(content: DomainFolder, left_out: pl.Series) -> dict[str, int]:
    """Return the counts that all domains of a folder share.

    Args:
        content: Of the folder.
        left_out: The items that no domain has.
    """
    lost = content.rows.filter(pl.col("item").is_in(left_out.implode())).height
    return {
        # unknown items are in no domain either
        f"{name}{WHOLE}" if name.endswith(UNKNOWN) else name: count
        for name, count in content.counts.items()
    } | {"items_in_no_domain": len(left_out), "interactions_in_no_domain": lost}


def _of_items(content: DomainFolder, mine: pl.Series) -> dict[str, int]:
    """Return those counts of a folder that are of its items, for some items."""
    listed = content.items["item"]
    own = {MISSING: int((~mine.is_in(listed.implode())).sum())}
    if content.facts is not None:
        facts = content.facts.filter(pl.col("item").is_in(mine.implode()))
        own[REPEATED] = facts.height - facts.n_unique()
    return own


def _values(column: pl.Series, sep: str | None) -> pl.Expr:
    """Return the expression of the values in every cell of a column, as texts."""
    cell = pl.col(column.name)
    if column.dtype == pl.List:
        values = cell.cast(pl.List(pl.String))
    else:
        text = cell.cast(pl.String)
        values = text.str.split(sep) if sep else pl.concat_list(text)
    return values.list.eval(pl.element().str.strip_chars())


def _owner(division: ItemSplit) -> pl.Expr:
    """Return the expression of the domain that takes the item of a row, or null."""
    choices: list[pl.Expr] = []
    rest: str | None = None
    for name, wanted in division.domains.items():
        if wanted is None:
            rest = name
            continue
        one = pl.element().is_in(wanted).fill_null(False)
        hit = pl.col("values").list.eval(one).list.any()
        choices.append(pl.when(hit).then(pl.lit(name)))
    return pl.coalesce([*choices, pl.lit(rest, pl.String)])
