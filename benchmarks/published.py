"""A training epoch of the other models against their published code.

Each code trains as it comes, from a clone of yours, on generated data of
MovieLens-100K's size: an epoch of ours against the same number of steps of theirs, of
as many positives, with the same widths and layers, on the CPU. Items have random
vectors, as wide as those of a sentence encoder and of an image encoder. The search for
similar items comes before the first epoch, on both sides.

What cannot be made equal: UniCDR, DisenCDR, CDRIB, AlphaRec, CLCRec and the INMO code
draw samples in Python, one by one; AlphaRec's and CLCRec's code draws negatives for
each positive, ours for the batch; EMCDR's and IDCF's train their stages one after the
other, ours all in one step, so that an epoch of theirs is one of each stage. Clones
that were used: MMRec e775373, UniCDR b216bc0, DisenCDR 4e6d60b, CDRIB bd98945,
RecBole-CDR d339918, AlphaRec 4b6c6cf, CLCRec 3670e14, igcn_cf (the INMO code) ab595af.
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path

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
from benchmarks.published_codes import BATCH_SIZE, PEERS, Peer
from benchmarks.workers.turns import EPOCHS_ALONE

TURNS = 5
LEAST = ratio_of(0.5)
"""At most twice the time of the published code."""
MOVIES = {"movies": data.Size(942, 1_447, 55_375)}
HALVES = {"a": data.Size(942, 760, 29_000), "b": data.Size(942, 687, 26_375)}
IMAGE_WIDTH = 1280


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
