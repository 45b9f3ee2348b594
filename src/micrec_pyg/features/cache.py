"""Vectors on disk, by encoder and by content, so that nothing is encoded twice.

A folder per encoder and settings holds chunks: safetensors files with ``keys`` (sha256
of each item's content) and ``values`` (its vector). A chunk is written whole or not at
all, so an interrupted run loses at most one; a changed item costs one row.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from micrec_pyg.features.encoder import Encoder

logger = logging.getLogger(__name__)

KEY_BYTES = hashlib.sha256().digest_size
CHUNK_ITEMS = 256
"""Items per chunk: some seconds of work on a CPU."""
_LOG_SECONDS = 30.0
_FORMAT = 1  # raise it when a change of our code changes vectors


def identity(encoder: Encoder) -> str:
    """Return the sha256 (hex) of an encoder's name and settings."""
    return hashlib.sha256(_describe(encoder).encode()).hexdigest()


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
    stored = _index(folder)
    missing = [key for key in items if key not in stored]
    if missing:
        logger.info(
            "%s: %d items to encode, %d in the cache",
            encoder.name,
            len(missing),
            len(items) - len(missing),
        )
        for keys in _chunks(missing, chunk_items, encoder.name):
            _write(folder, keys, encoder.encode([items[key] for key in keys]), encoder)
        stored = _index(folder)
    return _gather(stored, list(items))


def _describe(encoder: Encoder) -> str:
    described = [_FORMAT, encoder.name, dict(encoder.settings)]
    return json.dumps(described, sort_keys=True)


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
                    "%s: %d of %d items, about %.0f s left",
                    label,
                    done,
                    len(keys),
                    left,
                )
    seconds = time.monotonic() - start
    logger.info("%s: encoded %d items in %.1f s", label, len(keys), seconds)


def _write(
    folder: Path, keys: Sequence[bytes], values: Tensor, encoder: Encoder
) -> None:
    if len(values) != len(keys):
        raise ValueError(
            f"{encoder.name} returned {len(values)} vectors for {len(keys)} items; "
            "an encoder must return one row per item"
        )
    packed = torch.frombuffer(bytearray(b"".join(keys)), dtype=torch.uint8)
    chunk = {"keys": packed.view(-1, KEY_BYTES), "values": values.float().contiguous()}
    # Named after its keys: two runs that encode at once write one file, or two whole.
    path = folder / f"{hashlib.sha256(b''.join(keys)).hexdigest()[:24]}.safetensors"
    part = path.with_suffix(f".{os.getpid()}.tmp")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        save_file(chunk, part, metadata={"encoder": _describe(encoder)})
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _index(folder: Path) -> dict[bytes, tuple[Path, int]]:
    """Return the chunk and the row of every key on disk; drop damaged chunks."""
    places: dict[bytes, tuple[Path, int]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as chunk:
                packed = chunk.get_tensor("keys").numpy().tobytes()
        except SafetensorError:
            logger.warning("%s is damaged; its items are encoded again", path)
            path.unlink(missing_ok=True)
            continue
        for row in range(len(packed) // KEY_BYTES):
            key = packed[row * KEY_BYTES : (row + 1) * KEY_BYTES]
            places.setdefault(key, (path, row))
    return places


def _gather(
    stored: Mapping[bytes, tuple[Path, int]], keys: Sequence[bytes]
) -> Float[Tensor, "items width"]:
    """Return the vectors of these keys, reading each chunk once."""
    wanted: dict[Path, list[tuple[int, int]]] = {}
    for target, key in enumerate(keys):
        path, row = stored[key]
        wanted.setdefault(path, []).append((target, row))
    targets, parts = [], []
    for path, pairs in wanted.items():
        rows = torch.tensor([row for _, row in pairs])
        with safe_open(path, framework="pt") as chunk:
            parts.append(chunk.get_tensor("values")[rows])
        targets += [target for target, _ in pairs]
    return torch.cat(parts)[torch.tensor(targets).argsort()]
