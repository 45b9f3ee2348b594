"""Texts, files and vectors of new items -> the features that a run works with."""

import logging
from pathlib import Path
from typing import Any

import polars as pl
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from micrec_pyg.data.check.images import image_fault
from micrec_pyg.data.files.problems import STRICT, Problem
from micrec_pyg.data.files.texts import one_text, readable_texts
from micrec_pyg.features.encoder import Encoder
from micrec_pyg.inference.world import World
from micrec_pyg.runs.build import build, is_node
from micrec_pyg.runs.settings import check_node
from micrec_pyg.runs.thumbnails import thumbnail
from micrec_pyg.schema import IMAGE, TEXT, Feature, InputError

logger = logging.getLogger(__name__)

ITEMS = Path("items")
"""Stands for the file in messages about a table that came without one."""
TITLE = "title"
"""Column of an item's text where ``text`` has its vectors."""
_NAMED = 10
_TEXTS = (pl.String, pl.Categorical, pl.Enum, pl.Null)
_NO_TEXTS = (pl.Binary, pl.Duration)


def readable_items(table: pl.DataFrame) -> pl.DataFrame:
    """Return new items with their texts as a catalogue's table of items has them.

    Lists of texts are joined by blanks, marks of a missing text are null, with a
    warning, and blanks around a text go.

    Args:
        table: item, and any of title, text and the modalities of a domain.

    Raises:
        InputError: A title is no text, nor a list of texts.
    """
    for name in (TITLE, TEXT):
        if name not in table.columns:
            continue
        column, kind = table[name], table.schema[name]
        # a title may be a number, as of a film; lists of numbers are vectors
        flat = name == TITLE and not kind.is_nested() and kind not in _NO_TEXTS
        if flat or getattr(kind, "inner", kind) in _TEXTS:
            column = column.cast(pl.String) if flat else column
            table = table.with_columns(_readable(column))
        elif name == TITLE:
            raise InputError(
                f"items: column {TITLE} holds {column.dtype}; needed: texts, or lists "
                "of texts"
            )
    return table


def _readable(column: pl.Series) -> pl.Series:
    plain = readable_texts(column.to_frame(), (), ITEMS, STRICT)[column.name]
    return one_text(plain).str.strip_chars().replace("", None)


def text_of(table: pl.DataFrame) -> pl.Series:
    """Return the text of every new item, null where it has none.

    Args:
        table: What ``readable_items`` returned.
    """
    if TITLE in table.columns:
        return table[TITLE].alias("text")
    if TEXT in table.columns and table.schema[TEXT] == pl.String:
        return table[TEXT].alias("text")
    return pl.Series("text", [None] * table.height, dtype=pl.String)


def pictures_of(table: pl.DataFrame) -> pl.Series:
    """Return a small JPEG of every new item, null where it came without an image."""
    nothing = pl.Series("jpeg", [None] * table.height, dtype=pl.Binary)
    if table.schema.get(IMAGE) != pl.String:
        return nothing
    made = [thumbnail(path) if path else None for path in table[IMAGE]]
    return pl.Series("jpeg", made, dtype=pl.Binary)


def features_of(world: World, domain: str, table: pl.DataFrame) -> dict[str, Feature]:
    """Return the features of new items, of the modalities that the domain has.

    A column of texts is encoded as the run encoded its own; a column of lists of
    numbers is taken as it is. A modality without a column is missing, and a vector of
    zeros is one that is missing. A column title is the text, as in a table of items,
    or read by people alone where ``text`` is a column too, or the run has no encoder of
    texts.

    Args:
        world: What is known.
        domain: Of the items.
        table: What ``readable_items`` returned: item, and columns called after
            modalities.

    Raises:
        InputError: A column is none of a modality, a vector has another width or is
            not finite, or the encoder cannot be had.
    """
    there = world.domains[domain].features
    strange = [c for c in table.columns if c not in ("item", TITLE, TEXT, *there)]
    if strange:
        raise InputError(
            f"items: column {', '.join(strange)} cannot be used; leave it out: domain "
            f"{domain} has item, title, text and the modalities "
            f"{', '.join(there) or 'none'}"
        )
    if TITLE in table.columns and TEXT not in table.columns and _encodes(world, TEXT):
        table = table.with_columns(pl.col(TITLE).alias(TEXT))
    if TEXT not in there and TEXT in table.columns and table[TEXT].count():
        logger.warning(
            "items: domain %s reads no text, so people alone see that of the new "
            "items; it reads the modalities %s",
            domain,
            ", ".join(there) or "none",
        )
    return {
        modality: _feature(world, modality, table, old.values.shape[1])
        for modality, old in there.items()
    }


def _encodes(world: World, modality: str) -> bool:
    """Return whether the run has an encoder of a modality."""
    noise = world.features.get("noise")
    return not noise and is_node(world.features.get(modality))


def _feature(world: World, modality: str, table: pl.DataFrame, width: int) -> Feature:
    values = torch.zeros(table.height, width)
    mask = torch.zeros(table.height, dtype=torch.bool)
    if modality not in table.columns:
        return Feature(values, mask)
    column = table[modality]
    if column.dtype == pl.String:
        column = column.str.strip_chars().replace("", None)
    rows = column.is_not_null().arg_true().to_list()
    if not rows:
        return Feature(values, mask)
    given = column.gather(rows)
    if column.dtype == pl.String:
        found = _encoded(world, modality, given.to_list())
    else:
        found = _vectors(modality, given, table["item"].gather(rows))
    if found.shape[1] != width:
        raise InputError(
            f"items: vectors of {modality} have the width {found.shape[1]}; the run's "
            f"have {width}"
        )
    items = table["item"].gather(rows)
    if column.dtype == pl.String:
        usable = torch.isfinite(found).all(1)
        _tell_unreadable(modality, given, items, usable)
    else:
        usable = _filled(modality, found, items)
    mask[rows] = usable
    values[rows] = torch.where(usable[:, None], found, 0.0)
    return Feature(values, mask)


def _vectors(
    modality: str, column: pl.Series, items: pl.Series
) -> Float[Tensor, "items width"]:
    inner = getattr(column.dtype, "inner", None)
    if inner is None or not inner.is_numeric():
        raise InputError(
            f"items: column {modality} holds {column.dtype}; needed: texts, or "
            "lists of numbers"
        )
    lists = column.cast(pl.List(pl.Float32))
    widths = lists.list.len().unique().to_list()
    if len(widths) != 1:
        raise InputError(f"items: vectors of {modality} have the widths {widths[:5]}")
    found = torch.from_numpy(lists.list.to_array(widths[0]).to_numpy(writable=True))
    if len(broken := (~torch.isfinite(found).all(1)).nonzero()):
        raise InputError(
            f"items: the vector {modality} of '{items[int(broken[0])]}' holds a number "
            "that is missing, NaN, or too large for 32 bits; give finite numbers, or "
            "null in place of a vector"
        )
    return found


def _tell_unreadable(
    modality: str, content: pl.Series, items: pl.Series, usable: Bool[Tensor, " items"]
) -> None:
    """Warn of files that the encoder could not read, by their names."""
    bad = (~usable).nonzero().flatten().tolist()
    for place in bad[:_NAMED]:
        file = content[place]
        reason = image_fault(file) if modality == IMAGE else ""
        fault = f"{file!r:.200} of '{items[place]}' cannot be read"
        fault += f" ({reason})" if reason else ""
        mend = f"the item counts as without {modality}; give another file, or null"
        more = len(bad) - _NAMED if place == bad[:_NAMED][-1] else 0
        problem = Problem(ITEMS, fault, mend, column=modality, error=False)
        STRICT.add(problem, more=max(0, more))


def _filled(
    modality: str, vectors: Float[Tensor, "items width"], items: pl.Series
) -> Bool[Tensor, " items"]:
    """Return which vectors are not zero throughout: such a one is like nothing.

    As in a catalogue's file of vectors; how many there are is a warning.
    """
    filled = vectors.any(1)
    if len(zero := (~filled).nonzero()):
        first = items[int(zero[0])]
        fault = f"{len(zero):,} items have a vector of zeros, such as '{first}'"
        mend = "they count as items without one; give null in place of a vector"
        STRICT.add(Problem(ITEMS, fault, mend, column=modality, error=False))
    return filled


def _encoded(
    world: World, modality: str, content: list[str]
) -> Float[Tensor, "items width"]:
    settings = world.features
    node = settings.get(modality)
    if not _encodes(world, modality):
        reason = "are random" if settings.get("noise") else "came with its data"
        raise InputError(
            f"items: {modality} cannot be encoded, the vectors of the run {reason}; "
            f"give lists of numbers in the column {modality}"
        )
    if modality not in world.encoders:
        world.encoders[modality] = _encoder(node, modality, world.device)
    return world.encoders[modality].encode(content).float().cpu()


def _encoder(node: Any, modality: str, device: str) -> Encoder:
    here = {**node, "device": device} if "device" in node else dict(node)
    check_node(here, f"features.{modality}")
    encoder = build(here, f"features.{modality}")
    if not isinstance(encoder, Encoder):
        raise InputError(f"features.{modality} of the artefact is no encoder")
    return encoder
