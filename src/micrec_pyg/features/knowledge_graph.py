"""Facts of a knowledge graph -> one more modality of the items."""

import logging
import math
from collections.abc import Mapping

import polars as pl
import torch
from torch.nn.functional import normalize

from micrec_pyg.data.catalogue.facts import KG
from micrec_pyg.features.domains import combined_digest, with_features
from micrec_pyg.schema import (
    Domain,
    DomainCatalogue,
    Feature,
    InputError,
    OtherDomain,
)

logger = logging.getLogger(__name__)

_FACT = ["relation", "entity"]
_BYTES = 4


class KnowledgeGraph:
    """A vector per item with a place for each fact, a (relation, entity) pair.

    x[i, f] = ln(N / n_f) if item i has fact f, else 0, then scaled to length 1: N items
    have facts at all, n_f have this one. So the cosine of two items is large where
    they share rare facts. Counts are over the items of all domains that were read, also
    of those that ``data.only`` leaves out, seen in training or not: facts are content,
    and no interaction is read. Facts that fewer than ``min_items`` items have are left
    out, and so are those that all have.
    """

    def __init__(self, *, min_items: int, max_gib: float) -> None:
        """Choose which facts count.

        Args:
            min_items: Least items that share a fact, at least 2.
            max_gib: Most GiB that the vectors of items and users may take.

        Raises:
            InputError: If a number is too small.
        """
        if min_items < 2:
            raise InputError(
                f"features.kg.min_items is {min_items}; give 2 or more: what one item "
                "alone has makes it like no other"
            )
        if not max_gib > 0:
            raise InputError(f"features.kg.max_gib is {max_gib}; give more than 0")
        self.min_items = min_items
        self.max_gib = max_gib

    def features(self, catalogues: Mapping[str, DomainCatalogue]) -> dict[str, Feature]:
        """Return the modality by domain; domains without facts have none.

        An item without a fact that counts is masked.

        Raises:
            InputError: If the vectors would take more than ``max_gib``.
        """
        tables = [
            each.facts.with_columns(domain=pl.lit(name))
            for name, each in _every(catalogues).items()
            if each.facts is not None
        ]
        if not tables:
            return {}
        facts = pl.concat(tables)
        owners = facts.select("domain", "item").n_unique()
        counts = facts.group_by(_FACT).agg(items=pl.len()).sort(_FACT)
        kept = counts.filter(pl.col("items").is_between(self.min_items, owners - 1))
        logger.info(
            "kg: %d facts of %d items, %d different ones, of which %d are shared by %d "
            "items or more and count",
            facts.height,
            owners,
            counts.height,
            kept.height,
            self.min_items,
        )
        self._check_size(catalogues, kept["items"])
        weights = kept.with_row_index("place").with_columns(
            weight=math.log(owners) - pl.col("items").log()
        )
        found = facts.join(weights, on=_FACT, how="inner")
        return {
            name: _vectors(
                found.filter(pl.col("domain") == name),
                shape=(len(catalogue.interactions.items), kept.height),
            )
            for name, catalogue in catalogues.items()
            if catalogue.facts is not None
        }

    def _check_size(
        self, catalogues: Mapping[str, DomainCatalogue], items: pl.Series
    ) -> None:
        """Refuse vectors that are too many for the width; say what would fit."""
        data = [each.interactions for each in catalogues.values()]
        nodes = sum(len(each.items) + len(each.users) for each in data)
        limit = int(self.max_gib * 2**30)
        width = limit // (nodes * _BYTES)
        if len(items) <= width:
            return
        # the least threshold that so few facts reach
        enough = int(items.sort(descending=True)[width]) + 1
        raise InputError(
            f"features.kg: {len(items):,} facts shared by {self.min_items} items or "
            f"more, for {nodes:,} items and users, would take "
            f"{nodes * len(items) * _BYTES / 2**30:.1f} GiB; {self.max_gib:g} are "
            f"allowed. Give features.kg.min_items={enough}, or a larger "
            "features.kg.max_gib (several times as much memory is needed), or "
            "features.kg=null"
        )


def add_facts(
    domains: Mapping[str, Domain],
    catalogues: Mapping[str, DomainCatalogue],
    kg: KnowledgeGraph,
) -> dict[str, Domain]:
    """Return the domains with the modality of their facts, where they have some.

    Raises:
        InputError: If a domain brings vectors of that name too, or the vectors of the
            facts would take more memory than is allowed.
    """
    found = kg.features(catalogues)
    # the counts are over all domains
    sources = {name: each.digest for name, each in _every(catalogues).items()}
    added = dict(domains)
    for name, feature in found.items():
        domain = domains[name]
        if KG in catalogues[name].vectors:
            raise InputError(
                f"domain '{name}' brings vectors named '{KG}' and facts, which would "
                "make a modality of that name; rename the vectors, or set "
                "features.kg=null"
            )
        added[name] = with_features(
            domain,
            {**domain.features, KG: feature},
            lambda was: combined_digest(KG, was, kg.min_items, sources),
        )
    return added


def _every(
    catalogues: Mapping[str, DomainCatalogue],
) -> dict[str, DomainCatalogue | OtherDomain]:
    """Return the domains, and those that were read with them and left out."""
    every: dict[str, DomainCatalogue | OtherDomain] = dict(catalogues)
    for each in catalogues.values():
        every |= each.others
    return every


def _vectors(found: pl.DataFrame, shape: tuple[int, int]) -> Feature:
    """Return the vectors of one domain's items; all-zero rows are masked."""
    values = torch.zeros(shape)
    item, place = (
        torch.from_numpy(found[name].cast(pl.Int64).to_numpy(writable=True))
        for name in ("item", "place")
    )
    weight = found["weight"].cast(pl.Float32).to_numpy(writable=True)
    values[item, place] = torch.from_numpy(weight)
    return Feature(normalize(values), values.any(dim=1))
