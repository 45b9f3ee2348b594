"""Answers of a trained MICRec, K = 3, k = 20, on a generated shop of 30,000 items.

All users through ``micrec recommend --all`` into a Parquet file, and the Python calls,
ids in and frames out: all users at once; one known user; one new person with a history
of 50; 1,024 new people at once; one item more, and ten interactions more. Vectors of
items are random numbers, as wide as those of a sentence encoder: none is needed.
"""

import contextlib
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import polars as pl
import torch

import micrec_pyg
from benchmarks.data import TEXT_WIDTH, TINY, Size, write
from benchmarks.harness import Options, Row, at_least, at_most, row
from micrec_pyg.cli.recommend import main as recommend

SHOP = Size(48_000, 30_000, 340_000)
LONG = 50
"""Items of a long history."""
PEOPLE = 1024
TEN = 10
"""Interactions of ten users that are added at once."""


def measure(options: Options) -> list[Row]:
    """Return rows without peers."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        size = TINY if options.quick else SHOP
        settings = write(folder / "data", {"shop": size})
        run = micrec_pyg.train(
            *settings,
            "model=micrec",
            "K=3",
            "fit.max_epochs=1",
            "rank.ks=[20]",
            f"cache_dir={folder}/knn",
            f"features.cache_dir={folder}/features",
            f"output_dir={folder}/outputs",
        )
        begin = time.perf_counter()
        rec = micrec_pyg.load(run)
        loading = time.perf_counter() - begin
        users, items = rec.users(), rec.items()
        label = f"{len(users):,} users x {len(items):,} items"
        return [
            row(f"loading an artefact, {label}", "s", [loading], None, ""),
            *_of_everybody(rec, str(run.path), folder, label, options),
            *_of_many(rec, label, options),
            *_of_one(rec, label, options),
            *_of_additions(rec, label, options),
        ]


def _of_everybody(
    rec: micrec_pyg.Recommender,
    run: str,
    folder: Path,
    label: str,
    options: Options,
) -> list[Row]:
    users, turns = rec.users(), options.turns(5)
    command = [run, "--all", "-k", "20", "--output", str(folder / "lists.parquet")]

    def written() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            recommend(command)

    def everybody() -> None:
        rec.recommend(users=users)

    return [
        row(
            f"{what}, {label}",
            "users/s",
            [len(users) / s for s in _seconds(call, turns)],
            None,
            "",
            target=at_least(20_000, "users/s"),
            larger_is_better=True,
        )
        for what, call in (
            ("known users, all in one call", everybody),
            ("micrec recommend --all, loading and writing included", written),
        )
    ]


def _of_many(rec: micrec_pyg.Recommender, label: str, options: Options) -> list[Row]:
    generator = torch.Generator().manual_seed(0)
    names = [f"new{n}" for n in range(PEOPLE)]
    items = _some(rec.items(), 10 * PEOPLE, generator)
    many = pl.DataFrame({"user": names * 10, "item": items})

    def histories() -> None:
        rec.recommend(history=many)

    turns = options.turns(5)
    return [
        row(
            f"new people with histories of 10, {PEOPLE:,} at once, {label}",
            "people/s",
            [PEOPLE / s for s in _seconds(histories, turns)],
            None,
            "",
            larger_is_better=True,
        )
    ]


def _of_one(rec: micrec_pyg.Recommender, label: str, options: Options) -> list[Row]:
    users, items = rec.users(), rec.items()
    generator = torch.Generator().manual_seed(0)

    def one_user() -> None:
        rec.recommend(users=_some(users, 1, generator))

    def one_history() -> None:
        rec.recommend(history={"shop": _some(items, LONG, generator)})

    return [
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
        for part, value in _quantiles(_seconds(call, options.turns(100))).items()
    ]


def _of_additions(
    rec: micrec_pyg.Recommender, label: str, options: Options
) -> list[Row]:
    users, items, turns = rec.users(), rec.items(), options.turns(10)
    generator, number = torch.Generator().manual_seed(0), count()

    def an_item() -> None:
        vector = torch.randn(1, TEXT_WIDTH, generator=generator).tolist()
        rec.add_items(pl.DataFrame({"item": [f"new{next(number)}"], "text": vector}))

    def ten_pairs() -> None:
        pairs = {
            "user": _some(users, TEN, generator),
            "item": _some(items, TEN, generator),
        }
        rec.add_interactions(pl.DataFrame(pairs))

    return [
        row(
            f"{what}, {label}",
            "s",
            _seconds(call, turns),
            None,
            "",
            target=at_most(1, "s"),
        )
        for what, call in (
            ("add_items, one item", an_item),
            (f"add_interactions, {TEN} pairs of as many users", ten_pairs),
        )
    ]


def _some(ids: pl.Series, count: int, generator: torch.Generator) -> pl.Series:
    return ids.gather(torch.randint(len(ids), (count,), generator=generator).numpy())


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
