"""A saved ``HeteroData``, or a PyG data set such as ``MovieLens100K``, as a catalogue.

Converted once into the own-catalogue layout, which is read from then on.
"""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch

from micrec_pyg.data.catalogue.domain_folder import hashes
from micrec_pyg.data.sources.conversion import convert_once
from micrec_pyg.data.sources.pyg.edges import Edges, edge_rows
from micrec_pyg.data.sources.pyg.items import item_content
from micrec_pyg.data.sources.pyg.stores import PROCESSED, Stores, is_dense, load_stores
from micrec_pyg.data.sources.source import OwnFormat, Source
from micrec_pyg.schema import EdgeType, InputError

CONVERSION = 3
"""Raised whenever the converted files change, so that old ones are not used."""
NOTES = ".notes.json"
"""In the conversion: what of the graph was not taken, and why."""


@dataclass(frozen=True, kw_only=True)
class HeteroDataFile(Source):
    """One graph of users and items as one domain.

    Edges (user, relation, item) may carry ``rating``, ``time`` (Unix seconds) and the
    masks ``train_mask``, ``val_mask``, ``test_mask``, a ready split. A matrix of
    decimals on the items is a modality; ``<name>_mask`` says which items have it. A
    list of texts on the items is a text field. What else the graph has is named in the
    log.
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
        file, name = self._file(), self.name
        if not name or {"/", "\0"} & set(name) or name.startswith("."):
            raise InputError(f"name={name!r} cannot be the name of a domain")
        chosen = (self.user, self.item, self.relation, self.ids, self.test_labels)
        origin = {name: hashes(file.parent, [file])}
        content = ["heterodata", CONVERSION, origin, *chosen]
        convert = functools.partial(_convert, Edges(file, *chosen), name)
        folder = convert_once(self.root, f"heterodata-{name}", content, convert)
        notes = json.loads((folder / NOTES).read_text(encoding="utf-8"))
        return OwnFormat(folder=folder, origin=origin, notes=notes)

    def check_files(self, domains: Sequence[str] | None) -> None:
        """Refuse a path without a file."""
        self._file()

    def _file(self) -> Path:
        """Return the file of the graph."""
        file = Path(self.path).expanduser()
        file = file / PROCESSED if file.is_dir() else file
        if not file.is_file():
            raise InputError(f"{file}: no such file; give data.path=FILE.pt")
        return file


def _convert(chosen: Edges, name: str, folder: Path) -> None:
    """Write the own-catalogue layout, and what of the graph is not in it, and why."""
    stores = load_stores(chosen.file)
    kind = chosen.find(stores)
    rows = edge_rows(stores, chosen, kind)
    target = folder / name
    target.mkdir()
    rows.write_parquet(target / "interactions.parquet")
    items = chosen.node_ids(stores, kind[2])
    where = f"{chosen.file}: {kind[2]}"
    content = item_content(stores.get(kind[2], {}), items, where=where, ids=chosen.ids)
    table = pl.DataFrame({"item": items, **content.texts})
    table.write_parquet(target / "items.parquet")
    for modality, vectors in content.vectors.items():
        vectors.write_parquet(target / f"{modality}.parquet")
    notes = [f"{where}.{attribute}: {note}" for attribute, note in content.notes]
    notes += _not_read(stores, chosen, kind)
    (folder / NOTES).write_text(json.dumps(notes), encoding="utf-8")


def _not_read(stores: Stores, chosen: Edges, kind: EdgeType) -> list[str]:
    """Return a sentence per kind of nodes, edges and attributes that is not read."""
    others = [each for each in stores if each not in (kind[0], kind, kind[2])]
    found = {
        "node types": [each for each in others if isinstance(each, str)],
        "edge types": [
            str(each)
            for each in others
            if not isinstance(each, str) and not _is_reverse(stores, each, kind)
        ],
        f"attributes of {kind[0]}": stores.get(kind[0], {}).keys()
        - {chosen.ids, "num_nodes", "n_id"},
        f"attributes of {kind}": stores[kind].keys() - chosen.read(stores[kind]),
    }
    return [
        f"{chosen.file}: not read: the {what} {', '.join(sorted(names))}; read are the "
        f"edges {kind}, their rating, time and masks, and what {kind[2]} have"
        for what, names in found.items()
        if names
    ]


def _is_reverse(stores: Stores, other: EdgeType, kind: EdgeType) -> bool:
    """Return whether edges say the same as those of ``kind``, the other way round."""
    there, back = (stores[each].get("edge_index") for each in (kind, other))
    if (other[0], other[-1]) != (kind[2], kind[0]) or not is_dense(back):
        return False
    return is_dense(there) and torch.equal(there.flip(0), back)
