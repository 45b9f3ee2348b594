"""Other layouts converted, once, into the own-catalogue layout."""

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path

from micrec_pyg.data.files.writing import write_folder

log = logging.getLogger(__name__)


def convert_once(
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
