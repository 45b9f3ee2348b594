"""Whether vectors that were added under one artefact mean the same in another one.

An artefact does not say what made its vectors, and those that came with the data may be
of anything. So the journal keeps sums of the vectors of some items of the artefact:
where another one has the same vectors for these items, its space is the same.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from micrec_pyg.inference.recommender import Recommender
from micrec_pyg.schema import TEXT, Feature, InputError
from micrec_pyg.serve.additions import ITEM, Additions, NewItems, Spaces, id_digest

logger = logging.getLogger(__name__)

ASKED, PROBES = 256, 32
"""Items of a domain that are looked at, and those of a modality that are kept."""
SUMS = 16
"""Numbers that are kept of a vector."""
CLOSE = 0.05
"""Distance up to which sums are equal, by their length: encoders differ a little from
one machine to the next, and items change."""


def spaces_of(rec: Recommender, salt: str) -> dict[str, Spaces]:
    """Return what tells the spaces of an artefact, by domain and modality.

    Args:
        rec: Of the artefact, without additions.
        salt: Of the journal: the ids themselves are not kept.
    """
    return {domain: _spaces(rec, domain, salt) for domain in rec.domains}


def _spaces(rec: Recommender, domain: str, salt: str) -> Spaces:
    ids = rec.items(domain)
    ids = ids.gather_every(max(1, len(ids) // ASKED)).head(ASKED)
    found: Spaces = {}
    for modality, feature in rec.features(ids, domain=domain).items():
        sums = _sums(feature.values)
        rows = (feature.mask & sums.any(1)).nonzero().flatten()[:PROBES].tolist()
        found[modality] = {
            id_digest(salt, ITEM, domain, ids[row]): [
                float(f"{number:.6g}") for number in sums[row].tolist()
            ]
            for row in rows
        }
    return found


def _sums(values: Float[Tensor, "items width"]) -> Float[Tensor, "items sums"]:
    """Return sums of every 16th number: few, and of sparse vectors not all zero."""
    places = torch.arange(values.shape[1]) % SUMS
    return torch.zeros(len(values), SUMS).index_add_(1, places, values.float())


def fitted(
    rec: Recommender, additions: Additions, digest: str
) -> tuple[Additions, dict[str, list[NewItems]]]:
    """Return additions with vectors of an artefact's spaces, and what is encoded anew.

    Args:
        rec: Of the artefact, without additions.
        additions: Items that it has are left out.
        digest: Of the artefact.

    Raises:
        InputError: Vectors are of another space, and there is no text to encode.
    """
    items: dict[str, list[NewItems]] = {}
    anew: dict[str, list[NewItems]] = {}
    for domain, parts in additions.items.items():
        here, known = _Here(rec, domain, additions, digest), {*rec.items(domain)}
        for part in parts:
            rows = [row for row, item in enumerate(part.item) if item not in known]
            if not rows:
                continue
            new = part.only(rows)
            made = here.fitted(new)
            items.setdefault(domain, []).append(made)
            if made is not new:
                anew.setdefault(domain, []).append(made)
        here.log()
    return replace(additions, items=items), anew


class _Here:
    """A domain of an artefact that items are added to."""

    def __init__(
        self, rec: Recommender, domain: str, additions: Additions, digest: str
    ) -> None:
        self._rec, self._domain, self._digest = rec, domain, digest
        self._additions = additions
        self._widths = {
            modality: feature.values.shape[1]
            for modality, feature in rec.features([], domain=domain).items()
        }
        self._found: dict[tuple[str, str], bool | None] = {}
        self._unchecked: dict[str, int] = {}
        self._unread = False

    def fitted(self, part: NewItems) -> NewItems:
        """Return items with vectors of the artefact's spaces; the same if they are."""
        features = dict(part.features)
        for modality in self._widths:
            if modality not in features:
                if modality == TEXT and (made := self._read(part)) is not None:
                    features[TEXT] = made
            elif features[modality].mask.any() and not self._fits(part, modality):
                features[modality] = self._encoded(part, modality)
        if all(each is part.features.get(name) for name, each in features.items()):
            return part
        return replace(part, features=features, artefact=self._digest)

    def log(self) -> None:
        """Say what could not be checked."""
        for modality, count in self._unchecked.items():
            logger.warning(
                "domain %s: the vectors of %s of %d added items are taken as they are; "
                "it could not be checked whether this artefact has vectors of the same "
                "space",
                self._domain,
                modality,
                count,
            )

    def _fits(self, part: NewItems, modality: str) -> bool:
        """Return whether vectors are of the artefact's space, as far as it is known."""
        feature = part.features[modality]
        if feature.values.shape[1] != self._widths[modality]:
            return False
        if part.artefact == self._digest:
            return True
        key = (part.artefact or "", modality)
        if key not in self._found:
            self._found[key] = self._same(*key)
        same = self._found[key]
        if same is None:
            count = int(feature.mask.sum())
            self._unchecked[modality] = self._unchecked.get(modality, 0) + count
        return same is not False

    @cached_property
    def _ids(self) -> Mapping[str, str]:
        salt, domain = self._additions.salt, self._domain
        return {id_digest(salt, ITEM, domain, i): i for i in self._rec.items(domain)}

    def _same(self, artefact: str, modality: str) -> bool | None:
        """Return whether another artefact had this space; None: no item can tell."""
        spaces = self._additions.spaces.get((artefact, self._domain), {})
        there = {d: s for d, s in spaces.get(modality, {}).items() if d in self._ids}
        feature = self._rec.features(
            [self._ids[each] for each in there], domain=self._domain
        )[modality]
        if not feature.mask.any():
            return None
        before = torch.tensor([*there.values()])[feature.mask]
        moved = (_sums(feature.values)[feature.mask] - before).norm(dim=1)
        return bool((moved / before.norm(dim=1)).median() <= CLOSE)

    def _encoded(self, part: NewItems, modality: str) -> Feature:
        """Return the vectors of texts, in the place of those of another space."""
        old = part.features[modality]
        rows: list[int] = old.mask.nonzero().flatten().tolist()
        bare = [row for row in rows if not (part.text[row] or "").strip()]
        if modality != TEXT or bare:
            first = (bare if modality == TEXT else rows)[0]
            raise self._strange(part, modality, first, "it was given as a vector")
        try:
            made = _encode(self._rec, self._domain, part, rows)
        except InputError as error:
            raise self._strange(part, modality, rows[0], str(error)) from error
        logger.info(
            "domain %s: texts of added items were encoded anew: %d",
            self._domain,
            len(rows),
        )
        return made

    def _strange(
        self, part: NewItems, modality: str, row: int, reason: str
    ) -> InputError:
        return InputError(
            f"domain {self._domain}: the vector {modality} of the added item "
            f"'{part.item[row]}' is of another space than those of this artefact (an "
            "item that both know has another vector, or the width differs), and cannot "
            f"be encoded anew: {reason}; once it was removed it can be added again "
            "with a vector of this artefact"
        )

    def _read(self, part: NewItems) -> Feature | None:
        """Return the vectors of texts that an earlier artefact did not read."""
        rows = [row for row, text in enumerate(part.text) if (text or "").strip()]
        try:
            return _encode(self._rec, self._domain, part, rows) if rows else None
        except InputError as error:
            if not self._unread:
                logger.info("texts of added items are not read: %s", error)
            self._unread = True
            return None


def _encode(
    rec: Recommender, domain: str, part: NewItems, rows: Sequence[int]
) -> Feature:
    """Return the vectors of the texts of some rows; the others have none."""
    texts: list[str | None] = [None] * len(part.item)
    for row in rows:
        texts[row] = part.text[row]
    table = pl.DataFrame(
        {"item": part.item, TEXT: texts},
        schema={"item": pl.String, TEXT: pl.String},
    )
    return rec.encode_items(table, domain=domain)[TEXT]
