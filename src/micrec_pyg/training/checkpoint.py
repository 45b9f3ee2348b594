"""Tensors and plain values in one file: atomic, and readable without pickle."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor


def save(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write a safetensors file; a crash leaves the old file or the new one.

    Args:
        path: Where to; its folder is made if need be.
        tensors: Copied to the CPU.
        meta: Anything that JSON can hold.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    # clone: safetensors refuses tensors that share memory
    plain = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    try:
        save_file(plain, partial, metadata={"meta": json.dumps(meta)})
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return (tensors, meta) of a file written by ``save``."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        return tensors, json.loads(file.metadata()["meta"])
