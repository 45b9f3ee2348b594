"""Other layouts converted, once, into the own-catalogue layout."""

import dataclasses
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from micrec_pyg.schema import Catalogue
from micrec_pyg.storage.digests import json_digest
from micrec_pyg.storage.seals import kept_folder

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
    key = json_digest(content)
    short = name.encode()[:80].decode(errors="ignore")
    folder = Path(root).expanduser() / "processed" / f"{short}-{key[:16]}"

    def fill(target: Path) -> None:
        log.info("converting the files, once: %s", folder)
        convert(target)

    kept_folder(folder, fill)
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
