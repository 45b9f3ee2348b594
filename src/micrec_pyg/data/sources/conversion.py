"""Other layouts converted, once, into the own-catalogue layout."""

import dataclasses
import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from micrec_pyg.data.files.writing import write_folder
from micrec_pyg.schema import Catalogue

log = logging.getLogger(__name__)

Digests = Mapping[str, Mapping[str, str]]
"""sha256 of the files of every domain, by their names."""


def converted(
    root: str, name: str, content: object, convert: Callable[[Path], None]
) -> Path:
    """Return the folder of a data set in the own-catalogue layout, made if needed.

    Args:
        root: data folder; conversions lie in ``<root>/processed``.
        name: beginning of the folder's name.
        content: all that decides the result (files by sha256, options), as JSON.
        convert: fills an empty folder.
    """
    key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    short = name.encode()[:80].decode(errors="ignore")
    folder = Path(root).expanduser() / "processed" / f"{short}-{key[:16]}"
    if not folder.is_dir():
        log.info("converting the files, once: %s", folder)
        write_folder(folder, convert)
    return folder


def with_origin(
    catalogues: Mapping[str, Catalogue], digests: Digests
) -> dict[str, Catalogue]:
    """Return the catalogues; each also names the files it was converted from."""
    # a domain of another name is a part of those that were converted
    every = {file: sha for files in digests.values() for file, sha in files.items()}
    return {
        name: dataclasses.replace(
            each, sources={**digests.get(name, every), **each.sources}
        )
        for name, each in catalogues.items()
    }
