"""Vectors on disk, by encoder and by content, so that nothing is encoded twice.

A folder per encoder and settings holds chunks: safetensors files with ``keys`` (sha256
of each item's content) and ``values`` (its vector). A chunk is written whole or not at
all, so an interrupted run loses at most one; a changed item costs one row. A chunk that
is needed is checked first, and encoded again where it is damaged.
"""

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor
from tqdm import tqdm

from micrec_pyg.durations import duration
from micrec_pyg.features.encoder import READS_TEXT, Encoder
from micrec_pyg.schema import DamagedFileError
from micrec_pyg.storage.digests import json_digest
from micrec_pyg.storage.lock import making
from micrec_pyg.storage.mapped import empty_table
from micrec_pyg.storage.parts import remove_stale_parts
from micrec_pyg.storage.seals import drop_damaged
from micrec_pyg.storage.tensors import check_opens, read_tensors, write_tensors

logger = logging.getLogger(__name__)

KEY_BYTES = hashlib.sha256().digest_size
CHUNK_ITEMS = 256
"""Items per chunk: some seconds of work on a CPU."""
_LOG_SECONDS = 30.0
BATCH_SIZE, DEVICE = "batch_size", "device"
"""Settings of how an encoder runs. They change a vector by rounding at most."""
_FORMAT = 1  # raise it when a change of our code changes vectors


def identity(encoder: Encoder) -> str:
    """Return the sha256 (hex) of an encoder's name and of what decides its vectors.

    Batch size and device do not.
    """
    return json_digest(_description(encoder))


def cached_vectors(
    encoder: Encoder,
    items: Mapping[bytes, str],
    *,
    cache_dir: Path,
    chunk_items: int = CHUNK_ITEMS,
) -> Float[Tensor, "items width"]:
    """Return a vector per item in the order given; encode those not on disk.

    Args:
        encoder: Its model is needed only if something is missing on disk.
        items: Text or path by key, the sha256 digest of the content; not empty.
        cache_dir: Folder of all encoders' caches.
        chunk_items: Items encoded and written at a time.
    """
    folder = cache_dir / f"{encoder.name}-{identity(encoder)[:16]}"
    stored = _index(folder, items, encoder)
    if any(key not in stored for key in items):
        with making(folder):  # another process may encode the same items
            stored = _index(folder, items, encoder)
            stored |= _encoded(encoder, items, stored, folder, chunk_items)
    return _gather(stored, list(items), cache_dir)


def _encoded(
    encoder: Encoder,
    items: Mapping[bytes, str],
    stored: Mapping[bytes, tuple[Path, int]],
    folder: Path,
    chunk_items: int,
) -> dict[bytes, tuple[Path, int]]:
    """Return the chunk and the row of every item that was not on disk."""
    missing = [key for key in items if key not in stored]
    if not missing:
        return {}
    known = len(items) - len(missing)
    logger.info(
        "%s: %d items to encode, %d in the cache", encoder.name, len(missing), known
    )
    found: dict[bytes, tuple[Path, int]] = {}
    for keys in _chunks(missing, chunk_items, encoder.name):
        values = encoder.encode([items[key] for key in keys])
        path = _write(folder, keys, values, encoder)
        found |= {key: (path, row) for row, key in enumerate(keys)}
    return found


def _description(encoder: Encoder) -> list[object]:
    settings = dict(encoder.settings)
    # these stand for any: what was made with them, when they counted, stays valid
    usual = {BATCH_SIZE: 32 if encoder.reads == READS_TEXT else 16, DEVICE: "cpu"}
    settings |= {key: usual[key] for key in usual.keys() & settings.keys()}
    return [_FORMAT, encoder.name, settings]


def _describe(encoder: Encoder) -> str:
    return json.dumps(_description(encoder), sort_keys=True)


def _chunks(keys: Sequence[bytes], size: int, label: str) -> Iterator[Sequence[bytes]]:
    """Yield the keys in chunks and report: a bar in a terminal, else log lines."""
    start = reported = time.monotonic()
    with tqdm(total=len(keys), desc=label, unit="item", disable=None) as bar:
        for place in range(0, len(keys), size):
            yield keys[place : place + size]
            done = min(place + size, len(keys))
            bar.update(done - place)
            now = time.monotonic()
            if bar.disable and now - reported >= _LOG_SECONDS:
                reported = now
                left = (now - start) / done * (len(keys) - done)
                logger.info(
                    "%s: %d of %d items, about %s left",
                    label,
                    done,
                    len(keys),
                    duration(left),
                )
    seconds = time.monotonic() - start
    logger.info("%s: encoded %d items in %.1f s", label, len(keys), seconds)


def _write(
    folder: Path, keys: Sequence[bytes], values: Tensor, encoder: Encoder
) -> Path:
    """Return the chunk that now holds these vectors."""
    if len(values) != len(keys):
        raise ValueError(
            f"{encoder.name} returned {len(values)} vectors for {len(keys)} items; "
            "an encoder must return one row per item"
        )
    packed = torch.frombuffer(bytearray(b"".join(keys)), dtype=torch.uint8)
    chunk = {"keys": packed.view(-1, KEY_BYTES), "values": values.float().contiguous()}
    # Named after its keys: two runs that encode at once write one file, or two whole.
    path = folder / f"{hashlib.sha256(b''.join(keys)).hexdigest()[:24]}.safetensors"
    write_tensors(path, chunk, {"encoder": _describe(encoder)})
    return path


def _index(
    folder: Path, wanted: Mapping[bytes, str], encoder: Encoder
) -> dict[bytes, tuple[Path, int]]:
    """Return the chunk and the row of every wanted key on disk; drop damaged chunks."""
    remove_stale_parts(folder)
    places: dict[bytes, tuple[Path, int]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            keys = _keys(path)
            rows = [(row, key) for row, key in enumerate(keys) if key in wanted]
            if rows:
                _check(path, len(keys), encoder)
        except DamagedFileError as error:
            drop_damaged(path, error)
            continue
        for row, key in rows:
            places.setdefault(key, (path, row))
    return places


def _keys(path: Path) -> list[bytes]:
    """Return the keys of a chunk, unchecked: a damaged key is nobody's."""
    if not path.exists():  # another process has dropped it
        raise DamagedFileError(f"{path} is missing")
    check_opens(path)
    try:
        with safe_open(path, framework="pt") as chunk:
            packed = chunk.get_tensor("keys").numpy().tobytes()
    except (SafetensorError, OSError) as error:
        raise DamagedFileError(f"{path} is damaged ({error})") from error
    return [
        packed[start : start + KEY_BYTES] for start in range(0, len(packed), KEY_BYTES)
    ]


def _check(path: Path, num_keys: int, encoder: Encoder) -> None:
    """Refuse a chunk that is damaged, or another encoder's."""
    tensors, meta = read_tensors(path)
    if meta.get("encoder") != _describe(encoder):
        raise DamagedFileError(f"{path} holds vectors of another encoder")
    values = tensors.get("values")
    if values is None or values.ndim != 2 or len(values) != num_keys:
        raise DamagedFileError(f"{path} does not hold a vector per key")


def _gather(
    stored: Mapping[bytes, tuple[Path, int]], keys: Sequence[bytes], folder: Path
) -> Float[Tensor, "items width"]:
    """Return the vectors of these keys, reading each chunk once.

    Args:
        stored: Chunk and row of each.
        keys: In the order of the result.
        folder: Takes a table that is too large for the memory.
    """
    wanted: dict[Path, list[tuple[int, int]]] = {}
    for target, key in enumerate(keys):
        path, row = stored[key]
        wanted.setdefault(path, []).append((target, row))
    table = None
    for path, pairs in wanted.items():
        target, row = torch.tensor(pairs).T
        with safe_open(path, framework="pt") as chunk:
            values = chunk.get_tensor("values")
        if table is None:
            table = empty_table(len(keys), values.shape[1], folder)
        table[target] = values[row]
    assert table is not None  # there is at least one item
    return table
