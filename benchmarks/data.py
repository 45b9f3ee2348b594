"""The data of the benchmarks: Kitchen and Food, or generated ones of their size."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch

from benchmarks.harness import Options, shared
from micrec_pyg.data.files.writing import write_tsv

PROTOCOL = ["split=random", "seed=0", "device=cpu", "logger=none"]
"""Settings of every run: the default split, 7:1:2, and the CPU."""


@dataclass(frozen=True)
class Size:
    """How large a generated domain is."""

    users: int
    items: int
    interactions: int


KITCHEN, FOOD, SHARED_USERS = (
    Size(47_589, 27_637, 337_811),
    Size(14_870, 8_661, 98_316),
    9_398,
)
TINY, TINY_SHARED_USERS = Size(120, 60, 900), 40
TEXT_WIDTH = 384


@dataclass(frozen=True)
class Source:
    """Where the data of a benchmark comes from."""

    label: str
    """What rows call it."""
    overrides: list[str]
    """Settings of ``micrec train`` that read it, every domain."""

    def only(self, domain: str) -> list[str]:
        """Return the settings that read one domain, without features."""
        return [*self.overrides, f"data.domains=[{domain}]", "features=none"]


def food_and_kitchen(folder: Path, options: Options) -> Source:
    """Return the two domains; generated ones if the data is not at hand.

    Args:
        folder: Generated files go here.
        options: ``quick`` makes the domains tiny.
    """
    if options.quick:
        sizes = {"food": TINY, "kitchen": TINY}
        overrides = write(folder / "tiny", sizes, shared_users=TINY_SHARED_USERS)
        return Source("tiny generated data", overrides)
    if (shared() / "data" / "amazon_food_kitchen").is_dir():
        return Source("Food-Kitchen", ["data=food_kitchen", *PROTOCOL])
    sizes = {"food": FOOD, "kitchen": KITCHEN}
    overrides = write(folder / "generated", sizes, shared_users=SHARED_USERS)
    return Source("generated data of Food-Kitchen's size", overrides)


def write(
    folder: Path, sizes: dict[str, Size], *, shared_users: int = 0, text: bool = True
) -> list[str]:
    """Return the settings that read generated domains, after writing their files.

    Every user has at least two interactions, few items have most of them, and users
    of several domains have the low numbers.

    Args:
        folder: Gets a folder per domain.
        sizes: By domain.
        shared_users: How many users every domain has in common.
        text: Whether items have a vector.
    """
    generator = torch.Generator().manual_seed(0)
    for domain, size in sizes.items():
        _write_domain(folder / domain, size, shared_users, generator)
        if text:
            write_vectors(folder / domain, "text", size.items, TEXT_WIDTH, generator)
    return [
        "data=tables",
        f"data.path={folder}",
        "data.duplicates=error",
        "features=none",
        *PROTOCOL,
    ]


def _write_domain(
    folder: Path, size: Size, shared_users: int, generator: torch.Generator
) -> None:
    everyone = torch.arange(size.users)
    drawn = 2 * size.interactions  # more than enough: many are double
    user = torch.cat(
        [everyone, torch.randint(size.users, (drawn,), generator=generator)]
    )
    share = torch.rand(len(user), generator=generator, dtype=torch.float64)
    item = (size.items * share**3).long()
    key = (user * size.items + item).unique()
    order = torch.randperm(len(key), generator=generator)[: size.interactions]
    key = key[order]
    number = pl.Series((key // size.items).numpy())
    raw = pl.col("n").cast(pl.String)
    own = pl.when(pl.col("n") < shared_users).then(pl.lit("u"))
    table = pl.DataFrame({"n": number, "i": (key % size.items).numpy()}).select(
        user=own.otherwise(pl.lit(f"{folder.name}-")) + raw,
        item=pl.lit("i") + pl.col("i").cast(pl.String),
        order=pl.int_range(pl.len()),
    )
    write_tsv(table, folder / "interactions.tsv")
    write_tsv(_items(size.items), folder / "items.tsv")


def write_vectors(
    folder: Path,
    modality: str,
    items: int,
    width: int,
    generator: torch.Generator | None = None,
) -> None:
    """Write random vectors of a domain's items.

    Args:
        folder: Of the domain.
        modality: ``text`` or ``image``.
        items: How many they are.
        width: Of a vector.
        generator: Draws them; None is one of its own.
    """
    generator = generator or torch.Generator().manual_seed(0)
    values = torch.randn(items, width, generator=generator)
    table = _items(items).select(
        "item", pl.Series("vector", values.numpy()).arr.to_list()
    )
    table.write_parquet(folder / f"{modality}.parquet")


def _items(count: int) -> pl.DataFrame:
    place = pl.int_range(count, eager=True).cast(pl.String)
    return pl.DataFrame({"item": "i" + place, "title": "item " + place})
