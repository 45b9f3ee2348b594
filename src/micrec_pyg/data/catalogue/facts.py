"""Facts about items from a knowledge graph: (item, relation, entity) triples."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from micrec_pyg.data.files.cells import ids
from micrec_pyg.data.files.columns import locate
from micrec_pyg.data.files.problems import STRICT, Problems
from micrec_pyg.data.files.tables import ROW, read_table, require_columns
from micrec_pyg.schema import Vocab

KG = "kg"
"""Name of the table in a domain's folder, and of the modality that facts become."""
COLUMNS = ("item", "relation", "entity")
REVERSE = " (reverse)"
"""Follows the name of a relation that leads from an entity to the item."""


def read_facts(
    path: Path, columns: Mapping[str, str] | None, problems: Problems = STRICT
) -> pl.DataFrame | None:
    """Return item, relation and entity (strings) of every row; repeats stay.

    Args:
        path: a table with these columns.
        columns: role -> column, see ``columns.locate``; only the item can be mapped.
        problems: where to note what is wrong; by default it is raised.

    Returns:
        None where the table cannot be used and problems are collected.

    Raises:
        InputError: a column is missing, or a cell holds no usable id.
    """
    table = read_table(path, problems)
    if table is None:
        return None
    found = [name for name in table.columns if name not in (ROW, *COLUMNS[1:])]
    item = locate(found, ["item"], columns, path, problems).get("item", "item")
    if item in found and item != "item":
        table = table.drop("item", strict=False).rename({item: "item"})
    if not require_columns(table.columns, COLUMNS, path, problems):
        return None
    names = dict(zip(COLUMNS, (item, *COLUMNS[1:]), strict=True))
    cells = {c: ids(table, c, path, problems, in_file=n) for c, n in names.items()}
    return pl.DataFrame(cells).drop_nulls()


def index_facts(items: Vocab, facts: pl.DataFrame) -> pl.DataFrame:
    """Return the distinct facts with items as indices; unknown items are left out."""
    place = pl.Series("item", items.index(facts["item"]).numpy())
    known = facts.with_columns(place).filter(pl.col("item") >= 0)
    return known.unique().sort(COLUMNS)


def link_facts(triples: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Return the facts about items that a graph of entities holds, once each.

    RecBole's ``.kg`` and ``.link``. A triple that ends at an item's entity is a fact
    too (its relation marked as ``REVERSE``), unless one that starts there joins the
    same two already: many graphs state both directions.

    Args:
        triples: head, relation, tail.
        links: item, entity.
    """
    start = links.join(triples, left_on="entity", right_on="head").select(
        "item", "relation", entity="tail"
    )
    end = links.join(triples, left_on="entity", right_on="tail").select(
        "item", pl.col("relation") + REVERSE, entity="head"
    )
    only = end.join(start, on=["item", "entity"], how="anti")
    return pl.concat([start, only]).unique().sort(COLUMNS)
