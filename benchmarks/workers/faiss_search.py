"""faiss: exact inner-product search, for rankings or neighbours, per turn."""

import time

import faiss
import numpy as np
from turns import Turns, arguments

turns = Turns()
given = arguments()
faiss.omp_set_num_threads(given["threads"])
arrays = np.load(given["data"])


def search(queries: np.ndarray, table: np.ndarray, k: int) -> np.ndarray:
    """Return the places of the k best rows of the table for each query."""
    index = faiss.IndexFlatIP(table.shape[1])
    index.add(table)
    return index.search(queries, k)[1]


def ranking() -> np.ndarray:
    """Return the best items of every user; no history is masked."""
    return search(arrays_of["user"], arrays_of["item"], 20)


def neighbors() -> np.ndarray:
    """Return the nearest nodes of every node, itself among them.

    The weighted cosine is one inner product of scaled, concatenated vectors.
    """
    parts = []
    for name, weight in given["weights"].items():
        values = arrays_of[name].copy()
        faiss.normalize_L2(values)
        parts.append(values * np.float32(weight**0.5))
    vectors = np.concatenate(parts, axis=1)
    return search(vectors, vectors, given["k"] + 1)


turn = {"ranking": ranking, "neighbors": neighbors}[given["what"]]
arrays_of = {name: arrays[name] for name in given["names"]}
search(*(np.ones((100, 8), dtype=np.float32),) * 2, 5)  # wake the threads
turns.done(version=faiss.__version__)
while True:
    begin = time.perf_counter()
    found = turn()
    seconds = time.perf_counter() - begin
    if "found" in given:
        np.save(given["found"], found)
    turns.done(seconds=seconds)
