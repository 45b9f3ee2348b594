"""Sizes, degrees, overlap, coverage and time span of catalogues, as plain numbers."""

import datetime
from collections.abc import Mapping
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
import torch
from jaxtyping import Int
from torch import Tensor

from micrec_pyg.schema import DomainCatalogue, Interactions

QUANTILES = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95, "max": 1}
Statistics = dict[str, Any]


def measure_catalogues(catalogues: Mapping[str, DomainCatalogue]) -> Statistics:
    """Return the numbers of a data set, ready for JSON.

    ``domains`` maps names to users, items, interactions, density, ``user_degree`` and
    ``item_degree`` (mean and quantiles; items without interactions count as 0),
    ``coverage``, ``time``, ``steps``, ``dropped`` and ``digest``; ``overlap`` maps
    pairs ``a, b`` to the users they share.
    """
    return {
        "domains": {name: _domain(each) for name, each in catalogues.items()},
        "overlap": {
            f"{one}, {other}": _overlap(catalogues[one], catalogues[other])
            for one, other in combinations(sorted(catalogues), 2)
        },
    }


def count_degrees(data: Interactions) -> dict[str, Int[Tensor, " _"]]:
    """Return how many interactions each ``user`` and each ``item`` has."""
    return {
        "user": torch.bincount(data.user, minlength=len(data.users)),
        "item": torch.bincount(data.item, minlength=len(data.items)),
    }


def _domain(catalogue: DomainCatalogue) -> Statistics:
    data = catalogue.interactions
    users, items, edges = len(data.users), len(data.items), len(data.user)
    degree = count_degrees(data)
    return {
        "users": users,
        "items": items,
        "interactions": edges,
        "density": edges / (users * items),
        "user_degree": _summary(degree["user"]),
        "item_degree": _summary(degree["item"]),
        "items_without_interactions": int((degree["item"] == 0).sum()),
        "coverage": _coverage(catalogue),
        "time": _time(catalogue),
        "parts": _parts(data),
        "steps": [asdict(step) for step in catalogue.steps],
        "dropped": dict(catalogue.dropped),
        "digest": catalogue.digest,
    }


def _summary(degree: Int[Tensor, " _"]) -> dict[str, float]:
    """Return the mean and quantiles; a quantile is a degree that occurs."""
    values = degree.numpy()
    found = np.quantile(values, list(QUANTILES.values()), method="inverted_cdf")
    named = zip(QUANTILES, found, strict=True)
    return {"mean": float(values.mean()), **{name: int(v) for name, v in named}}


def _coverage(catalogue: DomainCatalogue) -> dict[str, int]:
    """Return how many items have each modality."""
    facts = catalogue.facts
    return {
        **{m: len(c) - c.null_count() for m, c in catalogue.content.items()},
        **{name: int(v.mask.sum()) for name, v in catalogue.vectors.items()},
        **({} if facts is None else {"kg": facts["item"].n_unique()}),
    }


def _time(catalogue: DomainCatalogue) -> dict[str, Any]:
    """Return what the times are, with the first and last of Unix times."""
    time = catalogue.interactions.time
    if catalogue.clock != "timestamp" or time is None:
        return {"is": catalogue.clock}
    first, last = (
        datetime.datetime.fromtimestamp(int(moment), datetime.UTC)
        for moment in (time.min(), time.max())
    )
    return {
        "is": "timestamp",
        "first": first.isoformat(),
        "last": last.isoformat(),
        "days": (last - first).days,
    }


def _parts(data: Interactions) -> dict[str, int] | None:
    """Return the sizes of a split that came with the data, None without one."""
    if data.part is None:
        return None
    counts = torch.bincount(data.part, minlength=3).tolist()
    return dict(zip(("train", "validation", "test"), counts, strict=True))


def _overlap(one: DomainCatalogue, other: DomainCatalogue) -> dict[str, float]:
    """Return how many users two domains share, and what share of each that is."""
    users = [each.interactions.users.ids for each in (one, other)]
    common = users[0].to_frame("id").join(users[1].to_frame("id"), on="id", how="semi")
    return {
        "users": common.height,
        f"share of {one.name}": common.height / len(users[0]),
        f"share of {other.name}": common.height / len(users[1]),
    }


def count_by_month(catalogue: DomainCatalogue) -> pl.DataFrame | None:
    """Return month and interactions; None where no times are known."""
    time = catalogue.interactions.time
    if catalogue.clock != "timestamp" or time is None:
        return None
    moments = pl.from_epoch(pl.Series("month", time.numpy()))
    counted = moments.dt.truncate("1mo").to_frame().group_by("month")
    return counted.len("interactions").sort("month")
