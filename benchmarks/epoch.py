"""A training epoch of LightGCN, INMO, MICRec and MICRec+ against others.

An epoch is the same number of steps of 2,048 triplets for everybody: the training
pairs (70 % of the domain) divided by 2,048, rounded up. RecBole and PyG visit every
pair once in a shuffled order; the INMO code and ours draw user, positive and negative
at random. d = 64, three layers, Adam, the CPU. PyG's own LightGCN is trained in the
manner of PyG's example. The shares are self times of torch's profiler.
"""

import itertools
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from benchmarks import peers
from benchmarks.data import Source, food_and_kitchen
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

BATCH_SIZE = 2048
TURNS = 3
SSM, BPR = "loss=ssm with 1,024 negatives", "own loss=bpr"
RECBOLE, PYG, INMO = "RecBole 1.2.1", "PyG's own LightGCN", "official INMO code"
NO_INMO = "give --inmo PATH, a clone of github.com/WuYunfan/igcn_cf"
"""Its authors gave no licence: this project neither contains nor fetches it."""


def measure(options: Options) -> list[Row]:
    """Return the rows of all models."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        source = food_and_kitchen(folder, options)
        data = folder / "kitchen.npz"
        overrides = [*source.only("kitchen"), "model=lightgcn"]
        with Worker("rank.py", {"overrides": overrides, "data": str(data)}):
            pass  # it has written the data for the peers
        return [
            *lightgcn(source, data, folder, options),
            *template_models(source, data, folder, options),
            *shares(source, folder, options),
        ]


def lightgcn(source: Source, data: Path, folder: Path, options: Options) -> list[Row]:
    """Return ours against RecBole and PyG's own, and against our other loss."""
    given = {"data": str(data), "batch_size": BATCH_SIZE}
    absent: dict[str, str] = {}
    with ExitStack() as stack:
        overrides = [*source.only("kitchen"), "model=lightgcn"]
        turns = {
            name: stack.enter_context(train(folder, [*overrides, f"loss={loss}"])).turn
            for name, loss in (("ours", "bpr"), (SSM, "ssm"))
        }
        turns[PYG] = stack.enter_context(Worker("pyg_lightgcn.py", given)).turn
        try:
            turns[RECBOLE] = stack.enter_context(recbole(given, folder, options)).turn
        except CannotRunError as error:
            absent[RECBOLE] = f"{RECBOLE} (not measured: {error})"
        found = alternate(turns, options.turns(TURNS))
    what = f"LightGCN epoch, Kitchen of {source.label}"
    target = ratio_of(1 / 1.5)
    rows = [row(f"{what}, {SSM}", "s", found[SSM], found["ours"], BPR, target=target)]
    return rows + [
        row(
            what,
            "s",
            found["ours"],
            found.get(name),
            absent.get(name, name),
            target=ratio_of(least),
        )
        for name, least in ((RECBOLE, 10), (PYG, 5))
    ]


def template_models(
    source: Source, data: Path, folder: Path, options: Options
) -> list[Row]:
    """Return INMO against the official code, each of ours against the one before."""
    settings = {
        "kitchen": [*source.only("kitchen"), "model=inmo"],
        "food": [*source.only("food"), "model=inmo"],
        "both": [*source.overrides, "model=inmo"],
        "MICRec": [*source.overrides, "model=micrec"],
        "MICRec+": [*source.overrides, "model=micrec_plus", "K=10"],
    }
    with ExitStack() as stack:
        turns = {
            name: stack.enter_context(train(folder, overrides)).turn
            for name, overrides in settings.items()
        }
        try:
            official, kernel = official_inmo(data, folder, options)
            turns["official"] = stack.enter_context(official).turn
            peer = f"{INMO}, {kernel}"
        except CannotRunError as error:
            peer = f"{INMO} (not measured: {error})"
        found = alternate(turns, options.turns(TURNS))
    rows = [
        row(
            f"INMO epoch, Kitchen of {source.label}",
            "s",
            found["kitchen"],
            found.get("official"),
            peer,
            target=ratio_of(8),
        )
    ]
    apart = [sum(pair) for pair in zip(found["food"], found["kitchen"], strict=True)]
    for peer, seconds in (
        ("own INMO, both domains in one run", found["both"]),
        ("own INMO, a run per domain, fewer steps in Food", apart),
    ):
        what = f"MICRec epoch, both domains of {source.label}"
        target = ratio_of(1 / 2.2)
        rows.append(row(what, "s", found["MICRec"], seconds, peer, target=target))
    return [*rows, micrec_plus(found, source)]


def micrec_plus(found: dict[str, list[float]], source: Source) -> Row:
    """Return our MICRec+ against our MICRec."""
    what = f"MICRec+ epoch, both domains of {source.label}"
    seconds, target = found["MICRec"], ratio_of(1 / 2.5)
    return row(what, "s", found["MICRec+"], seconds, "own MICRec", target=target)


def shares(source: Source, folder: Path, options: Options) -> list[Row]:
    """Return how much of an epoch our sparse products and Adam take."""
    rows = []
    for label, model in (("LightGCN", "lightgcn"), ("INMO", "inmo")):
        overrides = [*source.only("kitchen"), f"model={model}"]
        with train(folder, overrides, script="step_parts.py") as worker:
            found = [worker.ready["shares"]]
            found += [worker.turn()["shares"] for _ in range(options.turns(3) - 1)]
        for part, target in (("products", None), ("Adam", at_most(20, "%"))):
            name = f"share of {part} in a {label} epoch, Kitchen of {source.label}"
            values = [share[part] for share in found]
            rows.append(row(name, "%", values, None, "", target=target))
    return rows


def train(folder: Path, overrides: list[str], *, script: str = "train.py") -> Worker:
    """Return a run of ours that has warmed up with an epoch."""
    place = tempfile.mkdtemp(dir=folder)
    given = [f"fit.batch_size={BATCH_SIZE}", f"output_dir={place}"]
    return Worker(script, {"overrides": [*overrides, *given]})


def recbole(given: dict[str, Any], folder: Path, options: Options) -> Worker:
    """Return RecBole's worker.

    Raises:
        CannotRunError: It cannot be installed or started.
    """
    if options.quick:
        raise CannotRunError("quick")
    place = tempfile.mkdtemp(dir=folder)
    arguments = {"what": "epoch", "users_at_once": 128, **given, "folder": place}
    return Worker("recbole_lightgcn.py", arguments, python=peers.python())


def official_inmo(data: Path, folder: Path, options: Options) -> tuple[Worker, str]:
    """Return the official code as it runs fastest here, and how that is.

    Raises:
        CannotRunError: There is no clone of it, or it does not run.
    """
    if options.quick:
        raise CannotRunError("quick")
    if options.inmo is None:
        raise CannotRunError(NO_INMO)
    python = peers.python()
    given = {
        "clone": str(options.inmo.resolve()),
        "data": str(data),
        "folder": tempfile.mkdtemp(dir=folder),
        "batch_size": BATCH_SIZE,
    }
    kernels = ["torch.sparse", *(["DGL"] if peers.has_dgl(python) else [])]
    best: tuple[Worker, str] | None = None
    for kernel, loaders in itertools.product(kernels, (0, torch.get_num_threads())):
        arguments = {**given, "kernel": kernel, "loaders": loaders}
        worker = Worker("inmo_official.py", arguments, python=python)
        slower = worker
        if best is None or worker.ready["warm_up_s"] < best[0].ready["warm_up_s"]:
            slower = best[0] if best else None
            best = worker, f"{kernel} kernel, {loaders} loader processes"
        if slower is not None:
            slower.close()
    assert best is not None
    return best
