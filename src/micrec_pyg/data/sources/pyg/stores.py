"""A file of ``torch.save`` with a graph in it, loaded without running any code."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.storage import BaseStorage, EdgeStorage, NodeStorage

from micrec_pyg.schema import InputError

PROCESSED = Path("processed/data.pt")
"""Where a PyG data set keeps its graph."""
SAFE = [HeteroData, BaseStorage, NodeStorage, EdgeStorage]
"""The only classes a file may name besides tensors and plain values."""

Stores = Mapping[Any, Mapping[str, Any]]
"""Attributes of every node type (a name) and edge type (three names)."""


def load_stores(file: Path) -> Stores:
    """Return the attributes of a saved HeteroData, its dict, or a PyG data set.

    Raises:
        InputError: the file cannot be loaded safely, or holds no such graph.
    """
    need = "a HeteroData is needed: save it with torch.save(data.to_dict(), FILE)"
    try:
        with torch.serialization.safe_globals(SAFE):
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{file}: it cannot be loaded without running code from it; {need}"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{file}: it cannot be read ({reason}); {need}") from error
    if isinstance(content, tuple) and content:  # InMemoryDataset.save
        if len(content) > 1 and content[1] is not None:
            raise InputError(f"{file}: it holds several graphs; {need}")
        content = content[0]
    if isinstance(content, HeteroData):
        content = content.to_dict()
    if not isinstance(content, dict):
        raise InputError(f"{file}: it holds a {type(content).__name__}; {need}")
    stores = {k: v for k, v in content.items() if isinstance(v, dict)}
    stores.pop("_global_store", None)
    if not any(isinstance(key, tuple) for key in stores):
        raise InputError(f"{file}: it holds no edge type; {need}")
    return stores


def is_dense(value: object) -> TypeGuard[Tensor]:
    """Return whether an attribute is a tensor that stores every value."""
    return isinstance(value, Tensor) and value.layout == torch.strided
