"""Exact multimodal nearest neighbours: time against faiss, and memory.

Generated vectors in 500 clusters, text 384 and image 1280 wide, weighted 0.9 and
0.1, K = 10. faiss searches the scaled, concatenated vectors, where an inner product
is the weighted cosine; concatenating counts as part of its work.
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch

from benchmarks.harness import (
    CannotRunError,
    Options,
    Row,
    Worker,
    alternate,
    at_most,
    ratio_of,
    row,
)

K = 10
WIDTHS = {"text": 384, "image": 1280}
WEIGHTS = {"text": 0.9, "image": 0.1}
FAISS = "faiss-cpu IndexFlatIP"
STOP_S = 120.0
"""The large search takes many minutes; its memory is level long before that."""


def measure(options: Options) -> list[Row]:
    """Return a row on time and one on memory."""
    sizes = (500, 1000) if options.quick else (50_000, 200_000)
    with tempfile.TemporaryDirectory() as place:
        rows = [against_faiss(sizes[0], Path(place), options)]
    return [*rows, memory(sizes[1])]


def against_faiss(num_nodes: int, folder: Path, options: Options) -> Row:
    """Return the times, after checking that both find the same neighbours."""
    absent, agree = None, None
    data = str(folder / "vectors.npz")
    common = {"weights": WEIGHTS, "k": K, "data": data}
    found_by = {name: str(folder / f"{name}.npy") for name in ("ours", FAISS)}
    with ExitStack() as stack:
        given = {**common, "num_nodes": num_nodes, "widths": WIDTHS}
        ours = Worker("neighbors.py", {**given, "found": found_by["ours"]})
        turns = {"ours": stack.enter_context(ours).turn}
        given = {
            **common,
            "what": "neighbors",
            "names": list(WIDTHS),
            "threads": torch.get_num_threads(),
            "found": found_by[FAISS],
        }
        try:
            faiss = Worker("faiss_search.py", given)
            turns[FAISS] = stack.enter_context(faiss).turn
        except CannotRunError as error:
            absent = f"{FAISS} (not measured: {error})"
        seconds = alternate(turns, options.turns(3))
    if FAISS in seconds:
        agree = same(np.load(found_by["ours"]), np.load(found_by[FAISS]))
    return row(
        f"multimodal neighbour lists, {num_nodes:,} nodes, K = {K}",
        "s",
        seconds["ours"],
        seconds.get(FAISS),
        absent or FAISS,
        target=ratio_of(1 / 1.2),
        same_neighbors=agree,
    )


def same(ours: np.ndarray, with_self: np.ndarray) -> float:
    """Return the share of our neighbours that faiss found too."""
    hits = (ours[:, :, None] == with_self[:, None, :]).any(2)
    return float(hits.mean())


def memory(num_nodes: int) -> Row:
    """Return what a search takes beside the vectors it is given."""
    given = {
        "weights": WEIGHTS,
        "k": K,
        "num_nodes": num_nodes,
        "widths": WIDTHS,
        "stop_s": STOP_S,
    }
    with Worker("neighbors.py", given) as worker:
        report = worker.ready
    when = "" if report["whole"] else f", in the first {STOP_S:.0f} s"
    return row(
        f"peak memory of the search beside its input, {num_nodes:,} nodes{when}",
        "GiB",
        [report["added_mb"] / 1024],
        None,
        "",
        target=at_most(1.5, "GiB"),
    )
