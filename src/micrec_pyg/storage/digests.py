"""Digests of values and of files."""

import hashlib
import json
from pathlib import Path


def json_digest(value: object) -> str:
    """Return the sha256 (hex) of a value as JSON, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the sha256 (hex) of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
