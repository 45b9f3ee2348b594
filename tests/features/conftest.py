"""Small catalogues and an encoder that counts what it is asked."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl
import pytest
import torch
from torch import Tensor

from micrec_pyg.schema import DomainCatalogue, Feature, Interactions, Vocab

MakeCatalogue = Callable[..., DomainCatalogue]


@pytest.fixture
def make_catalogue() -> MakeCatalogue:
    """A catalogue of one user and an item per text, with one interaction."""

    def make(
        name: str = "food",
        *,
        texts: Sequence[str | None],
        images: Sequence[str | None] | None = None,
        vectors: Mapping[str, Feature] | None = None,
        facts: pl.DataFrame | None = None,
        digest: str = "inputs",
    ) -> DomainCatalogue:
        items = Vocab(pl.Series([f"i{place}" for place in range(len(texts))]))
        return DomainCatalogue(
            name=name,
            interactions=Interactions(
                user=torch.tensor([0]),
                item=torch.tensor([0]),
                users=Vocab(pl.Series(["u0"])),
                items=items,
            ),
            content={
                "text": pl.Series(texts, dtype=pl.String),
                "image": pl.Series(images or [None] * len(texts), dtype=pl.String),
            },
            vectors=vectors or {},
            digest=digest,
            facts=facts,
        )

    return make


class CountingEncoder:
    """Encodes an item as (length, code of its first letter); NaN for 'unreadable'."""

    name = "counting"

    def __init__(
        self, salt: int = 0, fail_after: int | None = None, reads: str = "text"
    ) -> None:
        self.reads = reads
        self.settings = {"salt": salt}
        self.fail_after = fail_after
        self.calls: list[list[str]] = []

    @property
    def seen(self) -> list[str]:
        return [item for call in self.calls for item in call]

    def encode(self, items: Sequence[str]) -> Tensor:
        if len(self.calls) == self.fail_after:
            raise KeyboardInterrupt
        self.calls.append(list(items))
        return torch.tensor(
            [
                [float("nan")] * 2
                if "unreadable" in Path(item).name
                else [float(len(item)), float(ord(item[0]))]
                for item in items
            ]
        )


@pytest.fixture
def counting() -> type[CountingEncoder]:
    return CountingEncoder
