"""What the items of a saved graph have: texts, vectors, and what is neither."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import torch
from torch import Tensor

from micrec_pyg.data.catalogue.facts import KG
from micrec_pyg.data.catalogue.folder_names import TABLES
from micrec_pyg.data.sources.pyg.stores import is_dense
from micrec_pyg.schema import InputError

LARGEST = 2**28
"""Numbers of a sparse matrix when written out, 1 GiB."""


@dataclass
class ItemContent:
    """What was read of the attributes of the items."""

    texts: dict[str, pl.Series] = field(default_factory=dict)
    vectors: dict[str, pl.DataFrame] = field(default_factory=dict)
    """item, vector; by modality."""
    notes: list[tuple[str, str]] = field(default_factory=list)
    """Attributes, and what of them was not taken."""


def item_content(
    store: Mapping[str, Any], items: pl.Series, *, where: str, ids: str | None
) -> ItemContent:
    """Return the texts and the vectors of the items, and a note on everything else.

    Args:
        store: the attributes of the items.
        items: raw id of every item.
        where: file and node type, for messages.
        ids: the attribute with the raw ids, which is neither.

    Raises:
        InputError: vectors are not finite or not one per item, or a name is taken.
    """
    found = ItemContent()
    masks = {f"{name}_mask" for name in store}
    for name, value in store.items():
        if name in masks or name in (ids, "num_nodes", "n_id"):
            continue
        if isinstance(value, list | tuple) and any(isinstance(v, str) for v in value):
            _add_texts(name, value, len(items), found)
        elif isinstance(value, Tensor) and _is_matrix(value, len(items)):
            place = f"{where}.{name}"
            mask = _mask(place, store.get(f"{name}_mask"), len(items))
            _add_vectors(place, name, value, mask, items, found)
        else:
            need = f"a matrix of decimals or a list of texts for {len(items)} items"
            found.notes.append((name, f"{_kind(value)} is left out, needed: {need}"))
    if "item" in found.texts:
        raise InputError(f"{where}.item: an attribute with another name is needed")
    return found


def _add_texts(
    name: str, values: Sequence[object], count: int, found: ItemContent
) -> None:
    """Add a text per item; note a list of another length or of other things."""
    lost = [v for v in values if v is None or (isinstance(v, float) and math.isnan(v))]
    strange = [v for v in values if not isinstance(v, str)]
    if len(values) != count:
        note = f"{len(values)} texts for {count} items are left out; give one per item"
        found.notes.append((name, f"{note}, None where there is none"))
    elif len(strange) > len(lost):
        kinds = ", ".join(sorted({type(v).__name__ for v in strange}))
        note = f"a list of texts and {kinds} is left out; give texts or None"
        found.notes.append((name, note))
    else:
        texts = [v if isinstance(v, str) else None for v in values]
        found.texts[name] = pl.Series(texts, dtype=pl.String)
        if not_none := sum(v is not None for v in lost):
            found.notes.append((name, f"{not_none} NaN count as missing texts"))


def _add_vectors(
    where: str,
    name: str,
    value: Tensor,
    mask: Tensor,
    items: pl.Series,
    found: ItemContent,
) -> None:
    """Add the vectors of a modality; a row of zeros says nothing and is missing."""
    if not name.isidentifier() or name in (*TABLES, KG):
        raise InputError(f"{where}: no modality can be called so; rename it")
    if not is_dense(value):
        if value.numel() > LARGEST:
            note = f"a sparse matrix of {tuple(value.shape)} is left out: too large"
            found.notes.append((name, f"{note} to be written out; make it narrower"))
            return
        value = value.to_dense()
    values = value.to(torch.float32)
    odd = ~values.isfinite().all(dim=1) & mask
    if odd.any():
        row = int(odd.nonzero()[0])
        raise InputError(
            f"{where}: row {row} (from 0) is not finite; mark rows without a "
            f"vector in {name}_mask"
        )
    empty = mask & ~values.any(dim=1)
    if empty.any():
        note = f"{int(empty.sum())} rows of zeros count as missing"
        found.notes.append((name, note))
    cells = pl.Series("vector", values.numpy()).cast(pl.List(pl.Float32))
    present = pl.Series((mask & ~empty).numpy())
    table = pl.DataFrame([items.rename("item"), cells]).filter(present)
    if not table.is_empty() and value.shape[1]:
        found.vectors[name] = table


def _mask(where: str, mask: object, count: int) -> Tensor:
    """Return which items have a vector."""
    if mask is None:
        return torch.ones(count, dtype=torch.bool)
    if not is_dense(mask) or mask.shape != (count,):
        raise InputError(f"{where}_mask: a truth value per item is needed")
    return mask.bool()


def _is_matrix(value: Tensor, count: int) -> bool:
    decimals = value.is_floating_point()
    return decimals and value.dim() == 2 and len(value) == count


def _kind(value: object) -> str:
    """Return what an attribute is, in words."""
    if isinstance(value, Tensor):
        kind = str(value.dtype).removeprefix("torch.")
        return f"a tensor of {kind} and shape {tuple(value.shape)}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"
