"""A saved ``HeteroData``, or a PyG data set such as ``MovieLens100K``, as a catalogue.

Converted once into the own-catalogue layout and read by ``tables`` from then on.
"""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import torch

from micrec_pyg.data.catalogue.domain_folder import TABLES, hashes
from micrec_pyg.data.catalogue.facts import FACTS
from micrec_pyg.data.catalogue.reader import tables
from micrec_pyg.data.sources.conversion import converted, with_origin
from micrec_pyg.data.sources.pyg.edges import Edges, edge_rows
from micrec_pyg.data.sources.pyg.stores import PROCESSED, Stores, load_stores
from micrec_pyg.schema import Catalogue, InputError

CONVERSION = 1
"""Raised whenever the converted files change, so that old ones are not used."""


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
    list of texts on the items is a text field.

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
    catalogues = tables(
        path=str(converted(root, f"heterodata-{name}", content, convert)),
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
        if not name.isidentifier() or name in (*TABLES, FACTS):
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
