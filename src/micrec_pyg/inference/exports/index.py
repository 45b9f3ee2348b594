"""Item vectors as an index of faiss, with what it finds of the exact lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from micrec_pyg.inference.exports.vectors import (
    DomainVectors,
    item_table,
    vectors_of,
    with_history,
)
from micrec_pyg.inference.world import World
from micrec_pyg.schema import InputError
from micrec_pyg.storage.writing import whole, write_parquet

KINDS = ("auto", "flat", "hnsw", "ivf")
LARGE = 200_000
"""Items from which ``auto`` takes an approximate index."""
ASKED = 1000
"""Users whose lists are compared with exact ones."""
LINKS, BUILD_WIDTH, SEARCH_WIDTH = 32, 200, 128
"""M, efConstruction and efSearch of HNSW."""


@dataclass(frozen=True)
class Indexed:
    """What was written, and how well it finds."""

    files: Sequence[Path]
    kind: str
    recall: float
    """Share of the exact lists' items that the index finds, over users."""
    users: int
    """Who asked."""


def write_index(
    world: World, domain: str, folder: Path, *, kind: str, k: int
) -> Indexed:
    """Write ``items-<domain>.faiss``, and its rows' ids as Parquet.

    The inner product of a user's vector with the index is the model's score. Rows are
    those of the Parquet file.

    Args:
        world: What is known.
        domain: Whose items.
        folder: Gets both files.
        kind: One of ``KINDS``; ``auto`` is exact up to ``LARGE`` items.
        k: Length of the lists that measure it.

    Raises:
        InputError: faiss is not installed, or the model has no vectors.
    """
    faiss = _faiss()
    vectors = vectors_of(world, domain)
    found = "flat" if len(vectors.item) <= LARGE else "hnsw"
    kind = found if kind == "auto" else kind
    index = _made(faiss, vectors, kind)
    path = folder / f"items-{domain}.faiss"
    with whole(path) as part, part.open("wb") as file:
        # by its own file faiss does not tell which error the system had
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))
    table = folder / f"items-{domain}.parquet"
    write_parquet(table, item_table(world, domain))
    users = _some(with_history(world, domain))
    recall = _recall(index, vectors, users, min(k, len(vectors.item)))
    return Indexed([path, table], kind, recall, len(users))


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise InputError(
            "export faiss: faiss is not installed; pip install 'micrec-pyg[ann]'"
        ) from error
    return faiss


def _made(faiss: Any, vectors: DomainVectors, kind: str) -> Any:
    """Return an index of the item vectors; the same vectors make the same one."""
    items = vectors.item.numpy()
    count, width = items.shape
    product = faiss.METRIC_INNER_PRODUCT
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # several threads link the nodes of HNSW by chance
    try:
        if kind == "flat":
            index = faiss.IndexFlatIP(width)
        elif kind == "hnsw":
            index = faiss.IndexHNSWFlat(width, LINKS, product)
            index.hnsw.efConstruction = BUILD_WIDTH
            index.hnsw.efSearch = SEARCH_WIDTH
        else:
            cells = max(1, min(round(4 * count**0.5), count // 39))
            index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, cells, product)
            index.nprobe = max(1, cells // 16)
            index.train(items)
        index.add(items)
    finally:
        faiss.omp_set_num_threads(threads)
    return index


def _some(users: torch.Tensor) -> torch.Tensor:
    """Return users spread over all of them."""
    step = max(1, len(users) // ASKED)
    return users[::step][:ASKED]


def _recall(index: Any, vectors: DomainVectors, users: torch.Tensor, k: int) -> float:
    """Return the share of the exact lists that an index finds."""
    asked = vectors.user[users]
    _, found = index.search(asked.numpy(), k)
    exact = (asked @ vectors.item.T).topk(k, dim=1).indices
    hits = (torch.from_numpy(found)[:, :, None] == exact[:, None]).any(1)
    return float(hits.float().mean()) if len(users) else 1.0
