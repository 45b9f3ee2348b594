"""Neighbour lists on disk: a sweep over K computes them once.

A file is named by the sha256 of every input that decides the lists, except for
their width: lists nest, so a file serves every K up to its own width and is
replaced by a wider one when that is asked for.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from micrec_pyg.graph.similar.approximate import approximate_lists
from micrec_pyg.graph.similar.modalities import Modality
from micrec_pyg.graph.similar.neighbor_lists import NeighborLists
from micrec_pyg.graph.similar.search import neighbor_lists
from micrec_pyg.schema import DamagedFileError
from micrec_pyg.storage.lock import making
from micrec_pyg.storage.parts import remove_stale_parts
from micrec_pyg.storage.seals import drop_damaged
from micrec_pyg.storage.tensors import read_tensors, write_tensors

FORMAT = "micrec neighbour lists 1"
"""Goes into every key; raise the number when the lists' definition changes."""

logger = logging.getLogger(__name__)


def cached_lists(
    modalities: Sequence[Modality],
    *,
    num_nodes: int,
    k: int,
    include_self: bool,
    cache_dir: str | None,
    device: str,
    approximate: bool = False,
) -> NeighborLists:
    """Return ``neighbor_lists`` of these arguments, from disk where they are there.

    Args:
        modalities: What ``weighted`` returned.
        num_nodes: Number of nodes.
        k: Columns of the result.
        include_self: Whether a node may be its own neighbour.
        cache_dir: Folder of the files, made if need be; None keeps nothing.
        device: Where to search; the lists are returned on the CPU.
        approximate: Whether ``approximate_lists`` searches, on the CPU.
    """

    def search() -> NeighborLists:
        wanted: dict[str, Any] = {
            "num_nodes": num_nodes,
            "k": k,
            "include_self": include_self,
        }
        if approximate and modalities and k:
            return approximate_lists(modalities, **wanted)
        return neighbor_lists([m.to(device) for m in modalities], **wanted).to("cpu")

    return stored_lists(
        _key(modalities, include_self, approximate),
        num_nodes=num_nodes,
        k=k,
        cache_dir=cache_dir if modalities else None,
        search=search,
    )


def stored_lists(
    key: str,
    *,
    num_nodes: int,
    k: int,
    cache_dir: str | None,
    search: Callable[[], NeighborLists],
) -> NeighborLists:
    """Return the lists of this key from disk, or what ``search`` finds.

    Args:
        key: Hash of everything that decides the lists, except for their width.
        num_nodes: Number of nodes; stored lists with another one are damaged.
        k: Columns of the result.
        cache_dir: Folder of the files, made if need be; None keeps nothing.
        search: Makes the lists, k wide.
    """
    if cache_dir is None:
        return _timed(search, num_nodes, k)
    path = Path(cache_dir) / f"knn-{key}.safetensors"
    stored = _read(path, key, num_nodes, k)
    if stored is not None:
        return stored
    with making(path):
        # another process may have searched them meanwhile
        stored = _read(path, key, num_nodes, k)
        if stored is not None:
            return stored
        lists = _timed(search, num_nodes, k)
        tensors = {"index": lists.index, "similarity": lists.similarity}
        write_tensors(path, tensors, {"key": key})
    return lists


def _timed(
    search: Callable[[], NeighborLists], num_nodes: int, k: int
) -> NeighborLists:
    start = time.perf_counter()
    lists = search()
    seconds = time.perf_counter() - start
    logger.info("%d neighbours of %d nodes: %.1f s", k, num_nodes, seconds)
    return lists


def _key(modalities: Sequence[Modality], include_self: bool, approximate: bool) -> str:
    how = " approximate" if approximate else ""
    digest = hashlib.sha256(f"{FORMAT} {include_self}{how}".encode())
    for m in modalities:
        shape = list(m.values.shape)
        digest.update(json.dumps([m.name, m.weight, shape]).encode())
        digest.update(_bytes(m.values))
        digest.update(_bytes(m.mask))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.cpu().contiguous().numpy().data


def _read(path: Path, key: str, num_nodes: int, k: int) -> NeighborLists | None:
    """Return stored lists, None where there are none of this width to be used."""
    remove_stale_parts(path.parent)
    if not path.exists():
        return None
    try:
        tensors, meta = read_tensors(path)
        _check(path, tensors, meta.get("key", key) == key, num_nodes)
    except DamagedFileError as error:
        drop_damaged(path, error)
        return None
    lists = NeighborLists(tensors["index"], tensors["similarity"])
    return lists.first(k) if lists.index.shape[1] >= k else None


def _check(
    path: Path, tensors: Mapping[str, Tensor], is_ours: bool, num_nodes: int
) -> None:
    """Refuse lists of other nodes, which a file without a digest may hold."""
    if not is_ours or tensors.keys() != {"index", "similarity"}:
        raise DamagedFileError(f"{path} holds something else than its name says")
    index, similarity = tensors["index"], tensors["similarity"]
    fits = index.ndim == 2 and index.shape == similarity.shape
    if not fits or index.dtype != torch.int64 or len(index) != num_nodes:
        raise DamagedFileError(f"{path} does not hold lists of {num_nodes} nodes")
    if index.numel() and not -1 <= int(index.min()) <= int(index.max()) < num_nodes:
        raise DamagedFileError(f"{path} names nodes that do not exist")
