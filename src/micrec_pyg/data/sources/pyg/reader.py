"""A saved ``HeteroData``, or a PyG data set such as ``MovieLens100K``, as a catalogue.

Converted once into the own-catalogue layout and read by ``tables`` from then on.
"""

import functools
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from micrec_pyg.data.catalogue.domain_folder import hashes
from micrec_pyg.data.catalogue.reader import tables
from micrec_pyg.data.sources.conversion import converted, with_origin
from micrec_pyg.data.sources.pyg.edges import Edges, edge_rows
from micrec_pyg.data.sources.pyg.items import item_content
from micrec_pyg.data.sources.pyg.stores import PROCESSED, load_stores
from micrec_pyg.schema import Catalogue, InputError

log = logging.getLogger(__name__)

CONVERSION = 2
"""Raised whenever the converted files change, so that old ones are not used."""
NOTES = ".notes.json"
"""In the conversion: what of the items was not taken, and why."""


def heterodata(
    *,
    root: str,
    path: str,
    name: str,
    user: str,
    item: str | None,
    relation: str | None,
    ids: str | None,
    test_labels: bool,
    text_fields: Sequence[str] | None,
    text_sep: str,
    rating_min: int | float | None,
    duplicates: str,
    filters: Mapping[str, object] | None,
) -> dict[str, Catalogue]:
    """Return one graph of users and items as one domain.

    Edges (user, relation, item) may carry ``rating``, ``time`` (Unix seconds) and the
    masks ``train_mask``, ``val_mask``, ``test_mask``, a ready split. A matrix of
    decimals on the items is a modality; ``<name>_mask`` says which items have it. A
    list of texts on the items is a text field. What else the items have is named in
    the log.

    Args:
        root: data folder; conversions lie in ``<root>/processed``.
        path: the file, or the root folder of a PyG data set.
        name: what the domain is called.
        user: node type of the users.
        item: node type of the items; None: the one that users have edges to.
        relation: middle name of the edges; None: the only one between the two.
        ids: attribute of both node types that holds raw ids; None: their numbers.
        test_labels: whether ``edge_label_index`` is the test part where there are no
            masks, with ``edge_label`` as its rating; as in ``MovieLens100K``.
        text_fields: see ``tables``, as for all further arguments.
        text_sep: see ``tables``.
        rating_min: see ``tables``.
        duplicates: see ``tables``.
        filters: see ``tables``.

    Raises:
        InputError: the file cannot be loaded safely, or does not hold such a graph.
    """
    file = Path(path).expanduser()
    file = file / PROCESSED if file.is_dir() else file
    if not file.is_file():
        raise InputError(f"{file}: no such file; give data.path=FILE.pt")
    if not name or {"/", "\0"} & set(name) or name.startswith("."):
        raise InputError(f"name={name!r} cannot be the name of a domain")
    chosen = Edges(file, user, item, relation, ids, test_labels)
    digests = {name: hashes(file.parent, [file])}
    content = ["heterodata", CONVERSION, digests, user, item, relation, ids]
    content.append(test_labels)
    convert = functools.partial(_convert, chosen, name)
    folder = converted(root, f"heterodata-{name}", content, convert)
    for note in json.loads((folder / NOTES).read_text(encoding="utf-8")):
        log.warning("%s", note)
    catalogues = tables(
        path=str(folder),
        domains=None,
        columns=None,
        text_fields=text_fields,
        text_sep=text_sep,
        rating_min=rating_min,
        duplicates=duplicates,
        filters=filters,
        links=None,
        split_by=None,
    )
    return with_origin(catalogues, digests)


def _convert(chosen: Edges, name: str, folder: Path) -> None:
    """Write the own-catalogue layout, and why attributes of the items are not in it."""
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
    (folder / NOTES).write_text(json.dumps(notes), encoding="utf-8")
