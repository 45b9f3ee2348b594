"""Tensors and plain values in one file: readable without pickle, with a digest."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from micrec_pyg.schema import DamagedFileError
from micrec_pyg.storage.failures import explained
from micrec_pyg.storage.writing import whole

CHECKED = "checked"
"""The entry of a file's metadata with the digest and the plain values."""
EARLIER = {"meta", "encoder"}
"""Metadata of files that earlier versions wrote, which have no digest."""


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]
) -> None:
    """Write a safetensors file whole or not at all, with a digest of its content.

    Args:
        path: Where to; its folder is made if need be.
        tensors: Copied to the CPU.
        meta: Anything that JSON can hold.

    Raises:
        StorageError: The disk refuses.
    """
    # clone: safetensors refuses tensors that share memory
    plain = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    head = {"sha256": _digest(plain, meta), "meta": meta}
    # one entry: safetensors writes several in any order, and bytes would differ
    with whole(path) as part:
        save_file(plain, part, metadata={CHECKED: json.dumps(head)})


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return (tensors, meta) of a file that ``write_tensors`` wrote.

    A file of an earlier version, which has no digest, is read as it is.

    Raises:
        DamagedFileError: The content is not what was written.
        StorageError: The file is missing or must not be read.
    """
    check_opens(path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            head: dict[str, str] = file.metadata() or {}
        if head.keys() <= EARLIER:
            return tensors, json.loads(head["meta"]) if "meta" in head else dict(head)
        checked = json.loads(head[CHECKED])
        digest, meta = checked["sha256"], checked["meta"]
    except (SafetensorError, OSError, ValueError, LookupError, TypeError) as error:
        raise DamagedFileError(f"{path} is damaged ({error})") from error
    if digest != _digest(tensors, meta):
        raise DamagedFileError(f"{path} is damaged (its content has another sha256)")
    return tensors, meta


def check_opens(path: Path) -> None:
    """Refuse a file that the system does not open; else safetensors would blame it.

    Raises:
        DamagedFileError: It is a folder.
        StorageError: The file is missing or must not be read.
    """
    try:
        with explained(path), path.open("rb"):
            pass
    except OSError as error:
        if path.is_dir():
            raise DamagedFileError(f"{path} is a folder, not a file") from error
        raise


def _digest(tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> str:
    """Return the sha256 of names, types, shapes, bytes and plain values."""
    total = hashlib.sha256(json.dumps(meta).encode())
    for name in sorted(tensors):
        value = tensors[name]
        head = [name, str(value.dtype), list(value.shape)]
        total.update(json.dumps(head).encode())
        total.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()
