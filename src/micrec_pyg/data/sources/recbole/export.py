"""Catalogues written as RecBole's atomic files."""

import functools
import logging
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from micrec_pyg.data.files.writing import write_tsv
from micrec_pyg.data.sources.recbole.reader import VECTOR
from micrec_pyg.schema import IMAGE, TEXT, DomainCatalogue, InputError
from micrec_pyg.storage.writing import write_folder

log = logging.getLogger(__name__)

PARTS = ("train", "valid", "test")
"""Names of the files of a ready split."""
_BREAKS = r"[\x00\t\r\n]"
_MISREAD = (
    r'^"|^(#N/A( N/A)?|#NA|-?1\.#IND|-?1\.#QNAN|-?[Nn]a[Nn]|N/A|n/a|NA|NULL|null|None|'
    r"<NA>)$"
)
"""What pandas, which RecBole reads with, takes for a quote or a missing value."""


def export_recbole(
    catalogues: Mapping[str, DomainCatalogue], folder: Path
) -> dict[str, str]:
    """Return what was left out or changed, in words, after writing every domain.

    ``<folder>/<domain>/<domain>.inter`` (user_id, item_id, timestamp or order) and
    ``.item`` (item_id, text, a float_seq ``<modality>_feat`` per modality); with a
    ready split ``.train.inter``, ``.valid.inter`` and ``.test.inter``. Ids stay as
    they are.

    Args:
        catalogues: what to write.
        folder: does not exist yet; written whole or not at all.

    Raises:
        InputError: the folder exists already.
    """
    if folder.exists():
        raise InputError(f"{folder} exists already; give the name of a new folder")
    losses: dict[str, str] = {}
    write_folder(folder, functools.partial(_write, catalogues, losses))
    return losses


def _write(
    catalogues: Mapping[str, DomainCatalogue], losses: dict[str, str], folder: Path
) -> None:
    """Write the files of every domain; note what does not fit into them."""
    for name, catalogue in catalogues.items():
        rows, items = _rows(catalogue), _items(catalogue)
        stem = folder / name / name
        part = catalogue.interactions.part
        if part is None:
            write_tsv(rows, stem.with_name(f"{name}.inter"))
        else:
            parts = pl.Series(part.numpy())
            for number, ending in enumerate(PARTS):
                own = rows.filter(parts == number)
                write_tsv(own, stem.with_name(f"{name}.{ending}.inter"))
        write_tsv(items, stem.with_name(f"{name}.item"))
        losses[name] = _losses(catalogue, rows, items)


def _rows(catalogue: DomainCatalogue) -> pl.DataFrame:
    """Return the interactions with typed names."""
    data = catalogue.interactions
    columns = {
        "user_id:token": data.users.ids.gather(pl.Series(data.user.numpy())),
        "item_id:token": data.items.ids.gather(pl.Series(data.item.numpy())),
    }
    if data.time is not None:
        clock = catalogue.clock or "order"
        columns[f"{clock}:float"] = pl.Series(data.time.numpy())
    return pl.DataFrame(columns)


def _items(catalogue: DomainCatalogue) -> pl.DataFrame:
    """Return all items of the catalogue with typed names."""
    columns = {"item_id:token": catalogue.interactions.items.ids}
    text = catalogue.content[TEXT]
    if text.null_count() < len(text):
        columns[f"{TEXT}:token_seq"] = text.str.replace_all(_BREAKS, " ")
    for name, feature in catalogue.vectors.items():
        numbers = pl.Series(feature.values.numpy()).cast(pl.List(pl.Float32))
        cells = numbers.list.eval(pl.element().cast(pl.String)).list.join(" ")
        present = pl.Series(feature.mask.numpy())
        columns[f"{name}{VECTOR}:float_seq"] = cells.set(~present, None)
    return pl.DataFrame(columns)


def _losses(catalogue: DomainCatalogue, rows: pl.DataFrame, items: pl.DataFrame) -> str:
    """Return what the files cannot hold, in words."""
    notes = []
    for modality, content in catalogue.content.items():
        files = 0 if modality == TEXT else len(content) - content.null_count()
        if files:
            kind = "images" if modality == IMAGE else f"files of {modality}"
            notes.append(f"{files:,} {kind} are left out (RecBole has none)")
    if catalogue.facts is not None:
        notes.append(f"{catalogue.facts.height:,} facts are left out")
    broken = int(catalogue.content[TEXT].str.contains(_BREAKS).sum())
    if broken:
        notes.append(f"{broken:,} texts had line breaks or tabs, now blanks")
    texts = [each for each in (*rows, *items) if each.dtype == pl.String]
    odd = sum(int(each.str.contains(_MISREAD).sum()) for each in texts)
    if odd:
        notes.append(
            f"{odd:,} fields begin with a quote or look like a missing value: "
            "RecBole reads them differently, `data=recbole` does not"
        )
    return "; ".join(notes)
