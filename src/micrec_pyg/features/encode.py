"""Catalogues -> domains: encode texts and files, mask what is missing."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch
from torch import Tensor

from micrec_pyg.data.files.images import OF_PATH
from micrec_pyg.features.cache import (
    KEY_BYTES,
    cached_vectors,
    identity,
)
from micrec_pyg.features.domains import combined_digest, without_absent
from micrec_pyg.features.encoder import READS_FILE, READS_TEXT, Encoder
from micrec_pyg.schema import TEXT, Domain, DomainCatalogue, Feature, InputError
from micrec_pyg.storage.digests import file_digest
from micrec_pyg.storage.failures import explained
from micrec_pyg.storage.mapped import BLOCK, empty_table

logger = logging.getLogger(__name__)

_NAMED = 5  # unreadable items that a log line names


@dataclass(frozen=True)
class _Inputs:
    """What one domain gives an encoder, by item; None where it gives nothing."""

    items: Sequence[str | None]
    keys: Sequence[bytes | None]

    @property
    def digest(self) -> str:
        joined = b"".join(key or bytes(KEY_BYTES) for key in self.keys)
        return hashlib.sha256(joined).hexdigest()


def encode(
    catalogues: Mapping[str, DomainCatalogue],
    encoders: Mapping[str, Encoder | None],
    *,
    cache_dir: str,
) -> dict[str, Domain]:
    """Return every catalogue as a domain with its encoded and precomputed features.

    An item with empty text, without a file, or with an unreadable one is masked. A
    modality that no item of a domain has is left out of its features.

    Args:
        catalogues: By domain name. All domains share one pass of an encoder.
        encoders: By modality; null leaves the modality out.
        cache_dir: Folder that keeps vectors from run to run.

    Raises:
        InputError: If a catalogue brings a precomputed modality that is also encoded,
            or an encoder is none.
    """
    inputs: dict[str, dict[str, _Inputs]] = {}
    features: dict[str, dict[str, Feature]] = {name: {} for name in catalogues}
    used = {m: encoder for m, encoder in encoders.items() if encoder is not None}
    for modality, encoder in used.items():
        _check(modality, encoder, catalogues)
        inputs[modality] = {
            name: _inputs(modality, encoder, each) for name, each in catalogues.items()
        }
        for name, feature in _features(encoder, inputs[modality], cache_dir).items():
            features[name][modality] = feature
    return {
        name: Domain(
            name=catalogue.name,
            interactions=catalogue.interactions,
            features=without_absent(name, {**features[name], **catalogue.vectors}),
            digest=combined_digest(
                catalogue.digest,
                {m: (identity(e), inputs[m][name].digest) for m, e in used.items()},
            ),
        )
        for name, catalogue in catalogues.items()
    }


def _check(
    modality: str, encoder: Encoder, catalogues: Mapping[str, DomainCatalogue]
) -> None:
    """Refuse what is no encoder, and a modality that comes from two places."""
    if not isinstance(encoder, Encoder) or encoder.reads not in (
        READS_TEXT,
        READS_FILE,
    ):
        raise InputError(
            f"features.{modality} is {encoder!r}; needed: an encoder, with name, "
            f"settings, encode, and reads='{READS_TEXT}' or '{READS_FILE}'"
        )
    for name, catalogue in catalogues.items():
        if modality in catalogue.vectors:
            raise InputError(
                f"domain '{name}' brings precomputed vectors named '{modality}', and "
                f"features.{modality} would encode the same modality; set "
                f"features.{modality}=null to use the vectors, or rename them"
            )


def _inputs(modality: str, encoder: Encoder, catalogue: DomainCatalogue) -> _Inputs:
    """Return what a domain gives an encoder: its texts, or the modality's files."""
    if encoder.reads == READS_TEXT:
        return _texts(catalogue.content[TEXT])
    if modality in catalogue.content:
        return _files(catalogue.content[modality])
    nothing = [None] * len(catalogue.interactions.items)
    return _Inputs(nothing, nothing)


def _texts(content: pl.Series) -> _Inputs:
    items = [text if text and text.strip() else None for text in content]
    keys = [
        None if text is None else hashlib.sha256(text.encode()).digest()
        for text in items
    ]
    return _Inputs(items, keys)


def _files(content: pl.Series) -> _Inputs:
    items = [path or None for path in content]
    return _Inputs(items, [None if path is None else _content(path) for path in items])


def _content(path: str) -> bytes | None:
    """Return the sha256 digest of a file, None if it is not there or not to be read.

    Raises:
        StorageError: The system refuses for another reason, which may pass.
    """
    with explained(Path(path)):
        try:
            return bytes.fromhex(file_digest(Path(path)))
        except OSError as error:
            if error.errno not in OF_PATH:
                raise
    return None


def _features(
    encoder: Encoder, inputs: Mapping[str, _Inputs], cache_dir: str
) -> dict[str, Feature]:
    """Return one modality's feature of every domain; say what cannot be read."""
    unique = {
        key: item
        for each in inputs.values()
        for key, item in zip(each.keys, each.items, strict=True)
        if key is not None and item is not None
    }
    if unique:
        values = cached_vectors(encoder, unique, cache_dir=Path(cache_dir))
    else:
        values = torch.zeros(1, 1)  # every row is masked, so none is read
    row = {key: place for place, key in enumerate(unique)}
    features = {}
    for name, each in inputs.items():
        rows = torch.tensor([-1 if key is None else row[key] for key in each.keys])
        features[name] = _feature(values, rows, cache_dir)
        _warn_unreadable(name, encoder, each.items, features[name].mask)
    return features


def _feature(values: Tensor, rows: Tensor, folder: str) -> Feature:
    """Return the vectors of these rows; a row of -1 or NaN is masked and zero."""
    table = empty_table(len(rows), values.shape[1], folder)
    mask = torch.zeros(len(rows), dtype=torch.bool)
    for first in range(0, len(rows), BLOCK):
        some = slice(first, first + BLOCK)
        picked = values[rows[some].clamp(min=0)]
        mask[some] = (rows[some] >= 0) & ~picked.isnan().any(dim=1)
        table[some] = torch.where(mask[some, None], picked, 0.0)
    return Feature(table, mask)


def _warn_unreadable(
    name: str, encoder: Encoder, items: Sequence[str | None], mask: Tensor
) -> None:
    unreadable = [
        item
        for item, usable in zip(items, mask.tolist(), strict=True)
        if item is not None and not usable
    ]
    if unreadable:
        logger.warning(
            "domain '%s': %d of %d items cannot be read by %s and are masked: %s%s",
            name,
            len(unreadable),
            len(items),
            encoder.name,
            ", ".join(unreadable[:_NAMED]),
            ", ... (`micrec data check` lists all)" * (len(unreadable) > _NAMED),
        )
