"""A saved ``HeteroData``, or a PyG data set such as ``MovieLens100K``, as a catalogue.

Converted once into the own-catalogue layout, which is read from then on.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch

from micrec_pyg.data.catalogue.domain_folder import hashes
from micrec_pyg.data.catalogue.facts import KG
from micrec_pyg.data.catalogue.item_files import TABLES
from micrec_pyg.data.sources.conversion import convert_once
from micrec_pyg.data.sources.pyg.edges import Edges, edge_rows
from micrec_pyg.data.sources.pyg.stores import PROCESSED, Stores, load_stores
from micrec_pyg.data.sources.source import OwnFormat, Source
from micrec_pyg.schema import InputError

CONVERSION = 1
"""Raised whenever the converted files change, so that old ones are not used."""


@dataclass(frozen=True, kw_only=True)
class HeteroDataFile(Source):
    """One graph of users and items as one domain.

    Edges (user, relation, item) may carry ``rating``, ``time`` (Unix seconds) and the
    masks ``train_mask``, ``val_mask``, ``test_mask``, a ready split. A matrix of
    decimals on the items is a modality; ``<name>_mask`` says which items have it. A
    list of texts on the items is a text field.
    """

    root: str
    """Data folder; conversions lie in ``<root>/processed``."""
    path: str
    """The file, or the root folder of a PyG data set."""
    name: str
    """What the domain is called."""
    user: str
    """Node type of the users."""
    item: str | None
    """Node type of the items; None: the one that users have edges to."""
    relation: str | None
    """Middle name of the edges; None: the only one between the two."""
    ids: str | None
    """Attribute of both node types that holds raw ids; None: their numbers."""
    test_labels: bool
    """Whether ``edge_label_index`` is the test part where there are no masks, with
    ``edge_label`` as its rating; as in ``MovieLens100K``."""

    def convert(self, domains: Sequence[str] | None) -> OwnFormat:
        """Return the converted graph.

        Raises:
            InputError: the file cannot be loaded safely, or holds no such graph.
        """
        file, name = Path(self.path).expanduser(), self.name
        file = file / PROCESSED if file.is_dir() else file
        if not file.is_file():
            raise InputError(f"{file}: no such file; give data.path=FILE.pt")
        if not name or {"/", "\0"} & set(name) or name.startswith("."):
            raise InputError(f"name={name!r} cannot be the name of a domain")
        chosen = (self.user, self.item, self.relation, self.ids, self.test_labels)
        origin = {name: hashes(file.parent, [file])}
        content = ["heterodata", CONVERSION, origin, *chosen]
        convert = functools.partial(_convert, Edges(file, *chosen), name)
        folder = convert_once(self.root, f"heterodata-{name}", content, convert)
        return OwnFormat(folder=folder, origin=origin)


def _convert(chosen: Edges, name: str, folder: Path) -> None:
    """Write the own-catalogue layout."""
    stores = load_stores(chosen.file)
    kind = chosen.find(stores)
    rows = edge_rows(stores, chosen, kind)
    target = folder / name
    target.mkdir()
    rows.write_parquet(target / "interactions.parquet")
    items = chosen.node_ids(stores, kind[2])
    texts = _texts(stores, kind[2], len(items))
    texts.pop(chosen.ids or "", None)
    table = pl.DataFrame({"item": items, **texts})
    table.write_parquet(target / "items.parquet")
    for modality, vectors in _vectors(stores, chosen, kind[2], items).items():
        vectors.write_parquet(target / f"{modality}.parquet")


def _texts(stores: Stores, node: str, count: int) -> dict[str, pl.Series]:
    """Return every attribute that is a list of texts, one per item."""
    found = {}
    for name, value in stores.get(node, {}).items():
        listed = isinstance(value, list) and len(value) == count
        if listed and all(isinstance(text, str | None) for text in value):
            found[str(name)] = pl.Series(value, dtype=pl.String)
    if "item" in found:
        raise InputError(f"{node}.item: an attribute with another name is needed")
    return found


def _vectors(
    stores: Stores, chosen: Edges, node: str, items: pl.Series
) -> dict[str, pl.DataFrame]:
    """Return item and vector of every modality."""
    found = {}
    for name, value in stores.get(node, {}).items():
        matrix = isinstance(value, torch.Tensor) and value.is_floating_point()
        if not matrix or value.dim() != 2 or len(value) != len(items):
            continue
        where = f"{chosen.file}: {node}.{name}"
        if not name.isidentifier() or name in (*TABLES, KG):
            raise InputError(f"{where}: no modality can be called so; rename it")
        mask = stores[node].get(f"{name}_mask", torch.ones(len(items)).bool())
        if not isinstance(mask, torch.Tensor) or mask.shape != (len(items),):
            raise InputError(f"{where}_mask: a truth value per item is needed")
        present = pl.Series(mask.bool().numpy())
        values = value.to(torch.float32)
        odd = ~values.isfinite().all(dim=1) & mask.bool()
        if odd.any():
            row = int(odd.nonzero()[0])
            raise InputError(
                f"{where}: row {row} (from 0) is not finite; mark rows without a "
                f"vector in {name}_mask"
            )
        cells = pl.Series("vector", values.numpy()).cast(pl.List(pl.Float32))
        table = pl.DataFrame([items.rename("item"), cells]).filter(present)
        if not table.is_empty() and value.shape[1]:
            found[name] = table
    return found
