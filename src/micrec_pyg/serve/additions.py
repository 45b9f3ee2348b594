"""What was added to an artefact and removed from it, and how it is told again."""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import polars as pl

from micrec_pyg.inference.recommender import Recommender
from micrec_pyg.schema import TEXT, Feature, InputError
from micrec_pyg.serve.errors import FieldError
from micrec_pyg.serve.questions import NewItem

logger = logging.getLogger(__name__)

USER, ITEM = "user", "item"
"""Kinds of ids that are removed."""
Spaces: TypeAlias = dict[str, dict[str, list[float]]]
"""By modality: digests of some items of an artefact, and sums of their vectors."""


@dataclass(frozen=True, eq=False)
class NewItems:
    """Items of a domain, in the order in which they came."""

    item: Sequence[str]
    text: Sequence[str | None]
    features: Mapping[str, Feature]
    """By modality; encoded already, so that no encoder is needed again."""
    artefact: str | None = None
    """Digest of that of whose spaces the vectors are; None: they are new."""

    def only(self, rows: Sequence[int]) -> "NewItems":
        """Return some of the items.

        Args:
            rows: Their places, in order.
        """
        return NewItems(
            [self.item[row] for row in rows],
            [self.text[row] for row in rows],
            {
                name: Feature(each.values[rows], each.mask[rows])
                for name, each in self.features.items()
            },
            self.artefact,
        )


@dataclass(frozen=True, eq=False)
class Additions:
    """Everything that a journal holds; rows of what was removed are not in it."""

    removed: frozenset[tuple[str, str, str]] = frozenset()
    """Kind, domain and digest of ids that the artefact may still have."""
    salt: str = ""
    items: Mapping[str, Sequence[NewItems]] = field(default_factory=dict)
    """By domain."""
    interactions: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    """By domain: user, item."""
    spaces: Mapping[tuple[str, str], Spaces] = field(default_factory=dict)
    """By artefact and domain."""

    @property
    def empty(self) -> bool:
        """Return whether there is nothing to tell again."""
        return not (self.removed or self.items or self.interactions)


def id_digest(salt: str, kind: str, domain: str, raw: str) -> str:
    """Return what stands for a removed id: the id itself is deleted."""
    return hashlib.sha256(f"{salt}/{kind}/{domain}/{raw}".encode()).hexdigest()


def replay(rec: Recommender, additions: Additions) -> None:
    """Add to a recommender what a journal holds.

    All items, then all interactions, so that a graph is made once for each and not
    once per request. Ids keep the order in which they came.

    Args:
        rec: Of the artefact, without what was removed; is changed.
        additions: With no item that it has.

    Raises:
        InputError: It does not fit the artefact.
    """
    for domain, parts in additions.items.items():
        # parts of artefacts with other modalities have other columns
        table = pl.concat([_frame(part) for part in parts], how="diagonal")
        rec.add_items(_readable(rec, domain, table), domain=domain)
    for domain, table in additions.interactions.items():
        _check_items(rec, domain, table["item"])
        rec.add_interactions(table, domain=domain)


def warm(rec: Recommender) -> None:
    """Let a recommender prepare now what its first questions would wait for."""
    for domain in rec.domains:
        users = rec.users(domain).head(1)
        items = rec.items(domain).head(1).to_list()
        if len(users):
            rec.recommend(users=users, domain=domain, k=1)
        rec.recommend(history={domain: items}, domain=domain, k=1)


def forget(rec: Recommender, additions: Additions) -> None:
    """Take out what was removed from the artefact; the journal keeps no row of it."""
    for domain in rec.domains:
        _remove(rec, domain, additions)


def _remove(rec: Recommender, domain: str, additions: Additions) -> None:
    def gone(kind: str, ids: Callable[[str], pl.Series]) -> list[str]:
        wanted = {d for k, of, d in additions.removed if (k, of) == (kind, domain)}
        if not wanted:
            return []
        salt = additions.salt
        return [i for i in ids(domain) if id_digest(salt, kind, domain, i) in wanted]

    users, items = gone(USER, rec.users), gone(ITEM, rec.items)
    if users or items:
        rec.remove(users=users, items=items, domain=domain)


def _frame(part: NewItems) -> pl.DataFrame:
    """Return items as ``add_items`` takes them: vectors are there already."""
    columns: dict[str, pl.Series] = {
        "item": pl.Series(part.item, dtype=pl.String),
        "title": pl.Series(part.text, dtype=pl.String),
    }
    for modality, feature in part.features.items():
        vectors = pl.Series(feature.values.float().numpy()).arr.to_list()
        nothing = pl.Series([None], dtype=vectors.dtype)
        columns[modality] = vectors.zip_with(pl.Series(feature.mask.numpy()), nothing)
    return pl.DataFrame(columns)


def _readable(rec: Recommender, domain: str, table: pl.DataFrame) -> pl.DataFrame:
    """Return a table without the modalities that a domain does not have.

    An item that has nothing else is kept: it is known by its interactions.
    """
    kept = ("item", "title", *rec.features([], domain=domain))
    for modality in (name for name in table.columns if name not in kept):
        if count := table[modality].count():
            logger.warning(
                "domain %s has no modality %s now: the vectors of %d added items are "
                "left out; they stay in the journal",
                domain,
                modality,
                count,
            )
    return table.select(name for name in table.columns if name in kept)


def _check_items(rec: Recommender, domain: str, items: pl.Series) -> None:
    """Refuse interactions with items that are not there; say how many there are."""
    gone = Counter(items.filter(~items.is_in(rec.items(domain).implode())))
    if gone:
        first = ", ".join(f"'{item}'" for item in list(gone)[:3])
        rest = f" and {len(gone) - 3} more" if len(gone) > 3 else ""
        raise InputError(
            f"domain {domain} has no item {first}{rest} any more (rows of it in the "
            f"table interaction: {gone.total()})"
        )


def check_new(rec: Recommender, domain: str, items: Sequence[NewItem]) -> None:
    """Refuse ids that are there, and vectors of no modality, by their row.

    Args:
        rec: Which the items are added to.
        domain: Of the items.
        items: As a client sent them.

    Raises:
        FieldError: The first row that cannot be used.
    """
    known, seen = {*rec.items(domain)}, set[str]()
    modalities = rec.features([], domain=domain)
    for row, item in enumerate(items, 1):
        fault = None
        if item.item in seen:
            fault = f"'{item.item}' stands twice in the request; give it once"
        elif item.item in known:
            fault = f"'{item.item}' is there already; remove it first"
        elif strange := [name for name in item.vectors if name not in modalities]:
            fault = (
                f"'{strange[0]}' is no modality of domain {domain}; give vectors of "
                f"any of {', '.join(modalities) or 'none'}"
            )
        if fault is not None:
            raise FieldError("items", f"items, row {row}: {fault}")
        seen.add(item.item)


def item_tables(items: Sequence[NewItem]) -> list[pl.DataFrame]:
    """Return new items as ``add_items`` takes them.

    A column has texts to encode or vectors, not both, so there may be two tables.

    Args:
        items: As a client sent them.
    """
    ready = [item for item in items if TEXT in item.vectors]
    others = [item for item in items if TEXT not in item.vectors]
    return [_table(part) for part in (ready, others) if part]


def _table(items: Sequence[NewItem]) -> pl.DataFrame:
    texts = pl.Series([item.text for item in items], dtype=pl.String)
    columns = {"item": pl.Series([item.item for item in items]), "title": texts}
    if TEXT not in items[0].vectors and texts.count():
        columns[TEXT] = texts
    for name in sorted({name for item in items for name in item.vectors}):
        vectors = [item.vectors.get(name) for item in items]
        columns[name] = pl.Series(vectors, dtype=pl.List(pl.Float64))
    return pl.DataFrame(columns)
