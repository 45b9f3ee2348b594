"""Full-sort ranking of all items of Kitchen for all users, d = 64, k = 20.

Ours masks every user's history. faiss ``IndexFlatIP`` ranks the same vectors
without masking. RecBole's full-sort evaluation also propagates and computes metrics,
and so does ours where it stands beside it. RecBole ranks 128 users at a time. Which
library multiplies is measured on each machine (`blas=auto`); here it is also set.
"""

import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import torch

from benchmarks import peers
from benchmarks.data import food_and_kitchen
from benchmarks.harness import (
    CannotRunError,
    Options,
    Row,
    Turn,
    Worker,
    alternate,
    ratio_of,
    row,
)

FAISS, RECBOLE = "faiss-cpu IndexFlatIP, unmasked", "RecBole 1.2.1 full-sort evaluation"
USERS_AT_ONCE = 128
LIBRARIES = {"torch": "blas=torch", "numpy": "blas=numpy"}


def measure(options: Options) -> list[Row]:
    """Return a row against each peer."""
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        folder = Path(place)
        source = food_and_kitchen(folder, options)
        data = str(folder / "kitchen.npz")
        overrides = [*source.only("kitchen"), "model=lightgcn"]
        ours = Worker("rank.py", {"overrides": overrides, "data": data})
        stack.enter_context(ours)
        turns: dict[str, Turn] = {
            what: partial(ours.turn, what)
            for what in ("ranking", "validation", *LIBRARIES)
        }
        names = {FAISS: FAISS, RECBOLE: RECBOLE}
        for name, start in ((FAISS, faiss), (RECBOLE, recbole)):
            try:
                turns[name] = stack.enter_context(start(data, folder, options)).turn
            except CannotRunError as error:
                names[name] = f"{name} (not measured: {error})"
        alternate(turns, 1)  # warm up
        found = alternate(turns, options.turns(7))
    users, items = ours.ready["num_users"], ours.ready["num_items"]
    size = f"{users:,} users x {items:,} items, {source.label}"
    rows = [
        row(
            f"{what}, {size}",
            "s",
            found[turn],
            found.get(peer),
            names[peer],
            target=ratio_of(least),
        )
        for what, turn, peer, least in (
            ("masked ranking", "ranking", FAISS, 0.9),
            ("full-sort evaluation", "validation", RECBOLE, 3),
        )
    ]
    name = f"masked ranking, {size}"
    libraries = [
        row(name, "s", found["ranking"], found[library], f"own, {what}")
        for library, what in LIBRARIES.items()
    ]
    return [*rows, *libraries]


def faiss(data: str, folder: Path, options: Options) -> Worker:
    """Return faiss on the vectors that we rank by."""
    given = {
        "what": "ranking",
        "data": data,
        "names": ["user", "item"],
        "threads": torch.get_num_threads(),
    }
    return Worker("faiss_search.py", given)


def recbole(data: str, folder: Path, options: Options) -> Worker:
    """Return RecBole with its own embeddings.

    Raises:
        CannotRunError: It cannot be installed or started.
    """
    if options.quick:
        raise CannotRunError("quick")
    given = {
        "what": "evaluate",
        "data": data,
        "folder": str(folder),
        "batch_size": 2048,
        "users_at_once": USERS_AT_ONCE,
    }
    return Worker("recbole_lightgcn.py", given, python=peers.python())
