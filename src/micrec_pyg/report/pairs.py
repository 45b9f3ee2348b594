"""Runs of two models -> one difference per user, for each metric.

A user's difference is taken within each seed that both models have (same split, same
held-out items) and averaged over the seeds in which the user was ranked. So there is
one value per user, whatever the number of seeds, and tests over users do not count a
user twice.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float

from micrec_pyg.runs.read import Run
from micrec_pyg.runs.sealed import check_run
from micrec_pyg.schema import InputError

Seeds = Mapping[int, Run]
"""The runs of one model with one setting, by seed."""

USER_FLAGS: Mapping[str, bool] = {"overlap_user": True, "single_domain_user": False}
"""Groups of users with unrestricted candidates -> value of the column overlap_user."""

OTHER = " of the other"
"""Suffix of the other model's columns; no metric has a space in its name."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """One metric of the users that two models both ranked."""

    difference: Float[np.ndarray, " users"]
    """Other minus reference, mean over seeds; users in the order of their ids."""
    reference: float
    """Mean over users of the mean over seeds."""
    other: float
    by_seed: Mapping[int, float]
    """Mean difference over the users of each seed."""
    undefined: int
    """(user, seed) pairs left out because the metric is undefined in a run."""


def common_seeds(reference: Seeds, other: Seeds) -> list[int]:
    """Return the seeds that both models have.

    Raises:
        InputError: There is none.
    """
    common = sorted(set(reference) & set(other))
    if not common:
        names = [next(iter(seeds.values())).path for seeds in (reference, other)]
        raise InputError(
            f"{names[0]} has the seeds {sorted(reference)}, {names[1]} has "
            f"{sorted(other)}; a paired test needs a seed that both have"
        )
    return common


def metrics_in(run: Run) -> list[str]:
    """Return the metrics that a run has per user.

    Raises:
        InputError: ``per_user.parquet`` cannot be read.
    """
    check_run(Path(run.path), ["per_user.parquet"])
    try:
        columns = _scan(run).collect_schema()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"{_file(run)} cannot be read ({error}); train that run again"
        ) from error
    return [name for name in columns if "@" in name]


def check_results(run: Run, part: str, metrics: Sequence[str]) -> None:
    """Refuse a run without these results.

    Raises:
        InputError: The run was not evaluated, or lacks a metric.
    """
    if part not in run.record:
        raise InputError(
            f"{run.path} has no {part} results; evaluate it first: "
            f"micrec evaluate {shlex.quote(str(run.path))}"
        )
    valid = metrics_in(run)
    unknown = [metric for metric in metrics if metric not in valid]
    if unknown:
        raise InputError(
            f"{run.path} has no metric {', '.join(unknown)} per user; valid: "
            f"{', '.join(valid)}"
        )


def pair(
    reference: Seeds,
    other: Seeds,
    *,
    seeds: Sequence[int],
    part: str,
    domain: str,
    group: str,
    metrics: Sequence[str],
    overlap_of_other: bool = False,
) -> dict[str, Pairs]:
    """Return the pairs of each metric; empty where a model has no answer.

    Args:
        reference: What is subtracted.
        other: What it is subtracted from.
        seeds: Seeds that both have; one in which neither ranked anybody is skipped.
        part: ``val`` or ``test``.
        domain: Name.
        group: Name.
        metrics: Names.
        overlap_of_other: Whether the groups of ``USER_FLAGS`` are made of the group
            ``all`` by the other's flags: a run on one domain does not know them.

    Raises:
        InputError: Within a seed the models ranked different users.
    """
    flag = USER_FLAGS.get(group) if overlap_of_other else None
    stored = group if flag is None else "all"
    frames = []
    for seed in seeds:
        runs = reference[seed], other[seed]
        mine, theirs = (_load(run, part, domain, stored, metrics) for run in runs)
        if mine.is_empty() and theirs.is_empty():
            continue
        if mine.is_empty() or theirs.is_empty():
            return {}
        _check_users(runs, (mine, theirs), domain, stored)
        if flag is not None:
            theirs = theirs.filter(overlap_user=flag)
        joined = mine.join(theirs, on="user_id", suffix=OTHER)
        frames.append(joined.with_columns(seed=pl.lit(seed)))
    rows = pl.concat(frames) if frames else pl.DataFrame()
    return {} if rows.is_empty() else {name: _pairs(rows, name) for name in metrics}


def _pairs(rows: pl.DataFrame, metric: str) -> Pairs:
    """Return one metric's pairs; users without a defined value are counted."""
    values = rows.select(
        "user_id",
        "seed",
        a=pl.col(metric).cast(pl.Float64),
        b=pl.col(f"{metric}{OTHER}").cast(pl.Float64),
    )
    defined = pl.col("a").is_finite() & pl.col("b").is_finite()
    kept = values.filter(defined.fill_null(False))
    difference = (pl.col("b") - pl.col("a")).alias("d")
    means = [pl.col("a").mean(), pl.col("b").mean(), difference.mean()]
    users = kept.group_by("user_id").agg(means).sort("user_id")
    seeds = kept.group_by("seed").agg(means).sort("seed")
    return Pairs(
        difference=users["d"].to_numpy(),
        reference=_mean(users["a"]),
        other=_mean(users["b"]),
        by_seed=dict(seeds.select("seed", "d").iter_rows()),
        undefined=values.height - kept.height,
    )


def _mean(values: pl.Series) -> float:
    return float(values.to_numpy().mean()) if len(values) else float("nan")


def _load(
    run: Run, part: str, domain: str, group: str, metrics: Sequence[str]
) -> pl.DataFrame:
    """Return user_id, overlap_user and the metrics of one group's users."""
    return (
        _scan(run)
        .filter(part=part, domain=domain, group=group)
        .select("user_id", "overlap_user", *metrics)
        .collect()
    )


def _scan(run: Run) -> pl.LazyFrame:
    return pl.scan_parquet(_file(run), glob=False)  # a folder may be called a? or [b]


def _file(run: Run) -> Path:
    return Path(run.path, "per_user.parquet")


def _check_users(
    runs: tuple[Run, Run],
    rows: tuple[pl.DataFrame, pl.DataFrame],
    domain: str,
    group: str,
) -> None:
    """Refuse two runs that ranked different users."""
    mine, theirs = (
        first.join(second, on="user_id", how="anti")["user_id"].sort().to_list()
        for first, second in (rows, rows[::-1])
    )
    if mine or theirs:
        raise InputError(
            f"domain {domain}, group {group}: {len(mine)} users were ranked in "
            f"{runs[0].path} alone and {len(theirs)} in {runs[1].path} alone (such "
            f"as '{(mine or theirs)[0]}'); compare runs on the same data and split"
        )
