"""A data set whose right answer is certain, for the contract every model is held to."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch

from micrec_pyg.data.files.writing import write_tsv
from micrec_pyg.data.sources.conversion import convert_once
from micrec_pyg.data.sources.source import OwnFormat, Source
from micrec_pyg.data.sources.synthetic.planting import TOPICS
from micrec_pyg.schema import InputError

VERSION = 1
"""Raised whenever the generator changes, so that old files are not used."""


@dataclass(frozen=True, kw_only=True)
class Checkerboard(Source):
    """Domains in which even users like even items, with a ready split.

    Per domain ``size`` users and as many items; user n has all items of n's own
    parity. Withheld are item n (test) and item n + 2, modulo the size (validation),
    so a model that has understood anything ranks item n first among the items that
    user n is not known to have. Users are the same in all domains. Titles show the
    parity.
    """

    root: str
    """Data folder; the files lie in ``<root>/processed``."""
    size: int
    """Number of users and of items, even, at least 8."""
    num_domains: int
    """At least 1."""

    def convert(self, domains: Sequence[str] | None) -> OwnFormat:
        """Return the generated files, written only once.

        Raises:
            InputError: an impossible value.
        """
        size, count = self.size, self.num_domains
        if size < 8 or size % 2 or count < 1:
            raise InputError(
                f"size={size}, num_domains={count}; needed: an even size of at "
                "least 8 and at least 1 domain"
            )
        key = {"version": VERSION, "size": size, "num_domains": count}
        write = functools.partial(_write, size, count)
        return OwnFormat(folder=convert_once(self.root, "checkerboard", key, write))


def _write(size: int, num_domains: int, folder: Path) -> None:
    """Write all domains; they differ in their item ids alone."""
    number = torch.arange(size)
    user, item = torch.nonzero((number[:, None] - number) % 2 == 0).T
    part = torch.zeros_like(user)
    part[item == (user + 2) % size] = 1
    part[item == user] = 2
    titles = [" ".join(words) for words in list(TOPICS.values())[:2]]
    for name in (f"d{n}" for n in range(num_domains)):
        rows = pl.DataFrame(
            {
                "user": [f"u{n}" for n in user.tolist()],
                "item": [f"{name}i{n}" for n in item.tolist()],
                "x_label": part.numpy(),
            }
        )
        items = pl.DataFrame(
            {
                "item": [f"{name}i{n}" for n in range(size)],
                "title": [titles[n % 2] for n in range(size)],
            }
        )
        write_tsv(rows, folder / name / "interactions.tsv")
        write_tsv(items, folder / name / "items.tsv")
