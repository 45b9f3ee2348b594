"""What a data set has, so that each study knows whether it can answer there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

from micrec_pyg.schema import IMAGE, TEXT, DomainCatalogue
from micrec_pyg.storage.digests import json_digest

NEEDS: Mapping[str, str] = {
    "shared_users": "two domains that share users",
    "features": "texts, images or vectors of items",
    "text": "texts",
    "image": "images, and an encoder for them (features=with_images)",
    "two_modalities": "texts and images (features=with_images)",
    "kg": "facts of a knowledge graph",
}
"""What a study or a row may need, in words."""

READ_BY = ("data", "features", "pair", "experiment")
"""Keys of settings, or what their names begin with, that decide what is read."""


@dataclass(frozen=True)
class DataFacts:
    """One data set as its runs will read it."""

    dataset: str
    """Its name in the folders of runs."""
    domains: tuple[str, ...]
    users: int
    items: int
    """Of all domains together, like the others."""
    interactions: int
    has: frozenset[str]
    """Keys of ``NEEDS``."""
    digest: str
    """Of the content of all domains."""

    @property
    def strangers(self) -> bool:
        """Return whether there are several domains and no two of them share users."""
        return len(self.domains) > 1 and "shared_users" not in self.has

    def lacks(self, needs: Sequence[str]) -> str:
        """Return in words what is needed and not there; nothing if all is there."""
        return " and ".join(NEEDS[need] for need in needs if need not in self.has)


def facts_of(overrides: Sequence[str]) -> DataFacts:
    """Return what the data of a run has; equal settings are read once.

    Args:
        overrides: Of the run; those that do not decide what is read have no effect.

    Raises:
        InputError: The data cannot be read.
    """
    return _read(tuple(each for each in overrides if _decides(each)))


def _decides(override: str) -> bool:
    key = override.lstrip("+").partition("=")[0]
    return key.split(".")[0] in READ_BY or key == "dataset"


@lru_cache(maxsize=32)
def _read(overrides: tuple[str, ...]) -> DataFacts:
    # torch takes seconds to load, and help need not wait for that
    from micrec_pyg.cli.config import composed
    from micrec_pyg.runs.experiment import experiment_of
    from micrec_pyg.runs.inputs import data_digests, read_data

    settings = composed(overrides)
    catalogues = read_data(experiment_of(settings))
    sides = [each.interactions for each in catalogues.values()]
    return DataFacts(
        dataset=str(settings["dataset"]),
        domains=tuple(catalogues),
        users=sum(len(side.users) for side in sides),
        items=sum(len(side.items) for side in sides),
        interactions=sum(len(side.user) for side in sides),
        has=frozenset(_found(catalogues, settings["features"])),
        digest=json_digest(data_digests(catalogues, settings["features"])),
    )


def _found(
    catalogues: Mapping[str, DomainCatalogue], features: Mapping[str, Any]
) -> set[str]:
    """Return what is there, as keys of ``NEEDS``."""
    found = set()
    for each in catalogues.values():
        for name, cells in each.content.items():
            if features.get(name) is not None and cells.null_count() < len(cells):
                found.add(name)
        found |= set(each.vectors)
        if each.facts is not None and features.get("kg") is not None:
            found.add("kg")
    if found:
        found.add("features")
    if {TEXT, IMAGE} <= found:
        found.add("two_modalities")
    users = [set(each.interactions.users.ids) for each in catalogues.values()]
    if any(one & other for one, other in combinations(users, 2)):
        found.add("shared_users")
    return found
