"""Answers of a trained MICRec, K = 3, k = 20: the Python calls, ids in and frames out.

All users of the larger domain at once, as ``micrec recommend --all`` asks for them; one
known user; one new person with a history of 50; and 1,024 new people at once.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import torch

import micrec_pyg
from benchmarks.data import food_and_kitchen
from benchmarks.harness import Options, Row, at_least, at_most, row

LONG = 50
"""Items of a long history."""
PEOPLE = 1024


def measure(options: Options) -> list[Row]:
    """Return rows without peers."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        source = food_and_kitchen(folder, options)
        run = micrec_pyg.train(
            *source.overrides,
            "model=micrec",
            "K=3",
            "fit.max_epochs=1",
            "rank.ks=[20]",
            f"output_dir={folder}/outputs",
        )
        begin = time.perf_counter()
        rec = micrec_pyg.load(run)
        loading = time.perf_counter() - begin
        return [
            row(f"loading an artefact, {source.label}", "s", [loading], None, ""),
            *_rows(rec, source.label, options),
        ]


def _rows(rec: micrec_pyg.Recommender, label: str, options: Options) -> list[Row]:
    users, items = rec.users("kitchen"), rec.items("kitchen")
    size = f"{len(users):,} users x {len(items):,} items, {label}"
    generator = torch.Generator().manual_seed(0)

    def some(ids: pl.Series, count: int) -> pl.Series:
        return ids.gather(
            torch.randint(len(ids), (count,), generator=generator).numpy()
        )

    def everybody() -> None:
        rec.recommend(users=users, domain="kitchen")

    def one_user() -> None:
        rec.recommend(users=some(users, 1), domain="kitchen")

    def one_history() -> None:
        rec.recommend(history={"kitchen": some(items, LONG)}, domain="kitchen")

    names = [f"new{n}" for n in range(PEOPLE)]
    many = pl.DataFrame(
        {"user": names * 10, "item": some(items, 10 * PEOPLE), "domain": "kitchen"}
    )

    def histories() -> None:
        rec.recommend(history=many, domain="kitchen")

    turns = options.turns(100)
    return [
        row(
            f"known users, {size}",
            "users/s",
            [len(users) / s for s in _seconds(everybody, options.turns(5))],
            None,
            "",
            target=at_least(20_000, "users/s"),
            larger_is_better=True,
        ),
        row(
            f"new people with histories of 10, {PEOPLE:,} at once, {label}",
            "people/s",
            [PEOPLE / s for s in _seconds(histories, options.turns(5))],
            None,
            "",
            larger_is_better=True,
        ),
        *(
            row(
                f"{what}, {label}: {part}",
                "s",
                [value],
                None,
                "",
                target=at_most(limit, "s") if part == "p99" else None,
            )
            for what, call, limit in (
                ("one known user", one_user, 0.02),
                (f"one new person with a history of {LONG}", one_history, 0.05),
            )
            for part, value in _quantiles(_seconds(call, turns)).items()
        ),
    ]


def _seconds(call: Callable[[], None], turns: int) -> list[float]:
    """Return the seconds of every call after a first one."""
    call()
    found = []
    for _ in range(turns):
        begin = time.perf_counter()
        call()
        found.append(time.perf_counter() - begin)
    return found


def _quantiles(seconds: list[float]) -> dict[str, float]:
    last = sorted(seconds)[min(len(seconds) - 1, int(0.99 * len(seconds)))]
    return {"median": statistics.median(seconds), "p99": last}
