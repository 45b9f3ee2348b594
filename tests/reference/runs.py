"""Run folders written by hand, for what reads them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import yaml

Values = Mapping[str, Mapping[str, Mapping[str, Sequence[float | None]]]]
"""Domain -> group -> metric -> a value per user u0, u1, ..."""


def write_run(
    folder: Path,
    values: Values,
    *,
    model: str = "ours",
    seed: int = 0,
    part: str = "test",
    users: Sequence[str] | None = None,
    shared: Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
    digests: Mapping[str, str] | None = None,
    split: str = "split",
    items: Sequence[str] = ("i0", "i1"),
) -> Path:
    """Return the folder of a run with these results.

    Args:
        folder: Where to.
        values: Results per user.
        model: Its name.
        seed: Of the run and of its split.
        part: Which results they are.
        users: Ids of the users, in the order of the values; None: u0, u1, ...
        shared: Users whose flag overlap_user is set.
        config: More settings.
        digests: Of the domains, where they are not the usual ones.
        split: Stands for the content of the split.
        items: The catalogue.
    """
    rows, means = [], {}
    for domain, groups in values.items():
        means[domain] = {group: _means(v) for group, v in groups.items()}
        for group, by_metric in groups.items():
            count = len(next(iter(by_metric.values())))
            names = list(users or [f"u{n}" for n in range(count)])[:count]
            rows.append(
                pl.DataFrame({"user_id": names, **by_metric}).select(
                    pl.lit(part).alias("part"),
                    pl.lit(domain).alias("domain"),
                    "user_id",
                    pl.lit(group).alias("group"),
                    pl.lit(False).alias("new_user"),
                    pl.col("user_id").is_in(list(shared)).alias("overlap_user"),
                    *(pl.col(metric).cast(pl.Float64) for metric in by_metric),
                )
            )
    artefact = folder / "artefact"
    (artefact / "split").mkdir(parents=True)
    pl.concat(rows).write_parquet(folder / "per_user.parquet")
    for domain in values:
        for kind, ids in (("users", ["u0", "u1"]), ("items", list(items))):
            vocab = pl.DataFrame({"id": ids, "train_row": range(len(ids))})
            vocab.write_parquet(artefact / f"{kind}-{domain}.parquet")
    card = {d: {"sha256": f"{split} of {d}, seed {seed}"} for d in values}
    (artefact / "split" / "card.json").write_text(json.dumps({"domains": card}))
    usual = {domain: f"digest of {domain}" for domain in values}
    (artefact / "digests.json").write_text(json.dumps({**usual, **(digests or {})}))
    settings = {
        "K": 3,
        "seed": seed,
        "data": {"path": "toy", "domains": sorted(values)},
        "split": {"_target_": "random_ratio", "ratios": [7, 1, 2], "seed": seed},
        "features": {"text": "a"},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump({**settings, **(config or {})}))
    metrics = {
        "schema": 1,
        "dataset": "toy",
        "model": model,
        "seed": seed,
        "split": "random",
        part: means,
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def _means(by_metric: Mapping[str, Sequence[float | None]]) -> dict[str, float]:
    return {
        metric: sum(v for v in values if v is not None) / len(values)
        for metric, values in by_metric.items()
    }
