"""What the workers of the official INMO code share: a stand-in for DGL, and its files.

The code asks DGL for its sparse products; a few lines let ``torch.sparse`` do the
same.
"""

import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch


def by_torch() -> types.ModuleType:
    """Return a stand-in for the ``dgl`` module with the two functions in use."""

    def graph(edges: tuple, num_nodes: int, device: Any) -> tuple:
        source, destination = edges
        return torch.stack([destination, source]), (num_nodes, num_nodes)

    def gspmm(graph: tuple, *_: str, lhs_data: Any, rhs_data: Any) -> torch.Tensor:
        matrix = torch.sparse_coo_tensor(graph[0], rhs_data, graph[1])
        return torch.sparse.mm(matrix, lhs_data)

    module = types.ModuleType("dgl")
    module.graph = graph  # type: ignore[attr-defined]
    module.ops = types.SimpleNamespace(gspmm=gspmm)  # type: ignore[attr-defined]
    return module


def dataset_of(given: Mapping[str, Any], device: torch.device) -> Any:
    """Return the code's own data set, after writing its files.

    Args:
        given: Where the clone and the data are, and the folder to write to.
        device: Where it is.
    """
    sys.path.insert(0, given["clone"])
    from dataset import get_dataset

    folder = Path(given["folder"])
    _write(folder, np.load(given["data"]))
    return get_dataset(
        {"name": "ProcessedDataset", "path": str(folder), "device": device}
    )


def _write(folder: Path, data: Mapping[str, np.ndarray]) -> None:
    """Write the three parts: a line per user, the user and then the items."""
    for part, name in (("train", "train"), ("val", "hidden"), ("test", "hidden")):
        items: list[list[int]] = [[] for _ in range(int(data["num_users"]))]
        for user, item in data[name].T.tolist():
            items[user].append(item)
        lines = [" ".join(map(str, [user, *row])) for user, row in enumerate(items)]
        (folder / f"{part}.txt").write_text("\n".join(lines))
