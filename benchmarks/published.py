"""A training epoch of the other models against their published code.

Each code trains as it comes, from a clone of yours, on generated data of
MovieLens-100K's size: an epoch of ours against the same number of steps of theirs, of
as many samples, with the same widths and layers, on the CPU. Items have random vectors,
as wide as those of a sentence encoder and of an image encoder. Choosing neighbours by
content happens before the first epoch, on both sides.
"""

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import data, peers
from benchmarks.harness import (
    CannotRunError,
    Options,
    Row,
    Worker,
    alternate,
    ratio_of,
    row,
)
from benchmarks.workers.turns import EPOCHS_ALONE

BATCH_SIZE = 2048
TURNS = 5
LEAST = ratio_of(0.5)
"""At most twice the time of the published code."""
MOVIES = {"movies": data.Size(942, 1_447, 55_375)}
HALVES = {"a": data.Size(942, 760, 29_000), "b": data.Size(942, 687, 26_375)}
IMAGE_WIDTH = 1280


@dataclass(frozen=True)
class Peer:
    """A published code, and what it is compared with."""

    label: str
    """The model."""
    overrides: list[str]
    """Ours, with the same widths and layers."""
    name: str
    """Whose code."""
    worker: str
    """The script that trains it."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """For the script."""
    clone: str | None = None
    """Folder below ``--clones``; None is installed."""
    halves: bool = False
    """On two domains with the same users."""


def measure(options: Options) -> list[Row]:
    """Return a row per model; one whose code is not there has no peer."""
    rows = []
    with tempfile.TemporaryDirectory() as place:
        sources = {
            halves: _source(Path(place) / str(halves), halves, options)
            for halves in (False, True)
        }
        for peer in PEERS:
            rows.append(_row(peer, sources[peer.halves], Path(place), options))
            options.keep(rows)
    return rows


def _source(folder: Path, halves: bool, options: Options) -> list[str]:
    """Return the settings that read generated data."""
    sizes = HALVES if halves else MOVIES
    if options.quick:
        sizes = dict.fromkeys(sizes, data.TINY)
    shared = next(iter(sizes.values())).users if halves else 0
    found = data.write(folder, sizes, shared_users=shared)
    for domain, size in sizes.items():
        data.write_vectors(folder / domain, "image", size.items, IMAGE_WIDTH)
    return found


def _row(peer: Peer, source: list[str], folder: Path, options: Options) -> Row:
    """Return ours against a published code."""
    place, name = tempfile.mkdtemp(dir=folder), peer.name
    overrides = [
        *source,
        f"fit.batch_size={BATCH_SIZE}",
        f"output_dir={place}",
        *peer.overrides,
        *EPOCHS_ALONE,
    ]
    with ExitStack() as stack:
        given = {"overrides": overrides}
        turns = {"ours": stack.enter_context(Worker("train.py", given)).turn}
        try:
            theirs = _published(peer, overrides, Path(place), options)
            turns[name] = stack.enter_context(theirs).turn
        except CannotRunError as error:
            name = f"{name} (not measured: {error})"
        found = alternate(turns, options.turns(TURNS))
    ours, other = found["ours"], found.get(peer.name)
    return row(f"{peer.label} epoch", "s", ours, other, name, target=LEAST)


def _published(
    peer: Peer, overrides: list[str], place: Path, options: Options
) -> Worker:
    """Return the published code, warmed up.

    Raises:
        CannotRunError: It is not there, or does not run.
    """
    if options.quick:
        raise CannotRunError("quick")
    given = {**peer.arguments, "folder": str(place), "batch_size": BATCH_SIZE}
    if peer.clone is not None:
        clone = None if options.clones is None else options.clones / peer.clone
        if clone is None or not clone.is_dir():
            raise CannotRunError(f"give --clones PATH, with a clone in {peer.clone}")
        given["clone"] = str(clone.resolve())
    exported = {"overrides": overrides, "data": str(place / "data.npz")}
    with Worker("export.py", exported):
        pass  # it has written the data
    return Worker(
        peer.worker, {**given, "data": exported["data"]}, python=peers.python()
    )


def _mmrec(label: str, model: str, *overrides: str, **settings: Any) -> Peer:
    return Peer(
        label,
        [f"model={model}", *overrides],
        "MMRec",
        "mmrec.py",
        {"model": label, "settings": settings},
        "MMRec",
    )


PEERS = [
    Peer(
        "BPR-MF",
        ["model=bpr_mf"],
        "RecBole 1.2.1",
        "recbole_model.py",
        {"model": "BPR", "settings": {"embedding_size": 64}},
    ),
    Peer(
        "NeuMF, four negatives",
        ["model=neumf"],
        "RecBole 1.2.1",
        "recbole_model.py",
        {
            "model": "NeuMF",
            "settings": {
                "mf_embedding_size": 64,
                "mlp_embedding_size": 64,
                "mlp_hidden_size": [64, 32, 16],
                "dropout_prob": 0.0,
                "train_neg_sample_args": {
                    "distribution": "uniform",
                    "sample_num": 4,
                    "alpha": 1.0,
                    "dynamic": False,
                    "candidate_num": 0,
                },
                # counted with the negatives
                "train_batch_size": 5 * BATCH_SIZE,
            },
        },
    ),
    Peer(
        "Mult-VAE, 256 users",
        ["model=multivae", "fit.batch_size=256"],
        "RecBole 1.2.1",
        "recbole_model.py",
        {
            "model": "MultiVAE",
            "settings": {
                "mlp_hidden_size": [600],
                "latent_dimension": 200,
                "dropout_prob": 0.5,
                "train_batch_size": 256,
                "train_neg_sample_args": None,
            },
        },
    ),
    _mmrec("VBPR", "vbpr", reg_weight=1e-3),
    _mmrec("FREEDOM", "freedom", dropout=0.8, reg_weight=1e-3),
    _mmrec("BM3", "bm3", n_layers=1, dropout=0.3, reg_weight=0.01),
    _mmrec("LATTICE", "lattice", reg_weight=1e-5, learning_rate=1e-3),
    _mmrec("MGCN", "mgcn", cl_loss=0.01),
    _mmrec(
        "SMORE",
        "smore",
        n_ui_layers=3,
        image_knn_k=10,
        text_knn_k=10,
        reg_weight=1e-4,
        dropout_rate=0.1,
    ),
    # Theirs draws negatives for every positive, ours for a batch: with the 512 of both
    # configurations an epoch of theirs takes minutes.
    Peer(
        "CLCRec, 32 negatives",
        ["model=clcrec", "model.net.num_negatives=32"],
        "CLCRec",
        "clcrec.py",
        {"dim": 64, "num_negatives": 32},
        "CLCRec",
    ),
    # Ours trains LightGCN and the relation in one epoch, theirs one after the other:
    # an epoch of each. Its agreement is with the 50 keys, ours within the batch.
    Peer(
        "IDCF, LightGCN and relation",
        ["model=idcf", "model.net.num_keys=50"],
        "INMO code",
        "idcf.py",
        {"dim": 64, "num_layers": 3, "num_heads": 4, "num_keys": 50},
        "igcn_cf",
    ),
]
