"""A data set in NGCF's layout as a catalogue: ``train.txt`` and ``test.txt``.

A line is a user and the items they interacted with, all numbers, separated by blanks.
LightGCN, SGL and INMO publish their data so. Converted once into the own-catalogue
layout, which is read from then on.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch

from micrec_pyg.data.catalogue.domain_folder import hashes
from micrec_pyg.data.catalogue.folder_names import did_you_mean, unread_files
from micrec_pyg.data.files.problems import Problem
from micrec_pyg.data.sources.conversion import convert_once
from micrec_pyg.data.sources.source import OwnFormat, Source
from micrec_pyg.data.splits.parts import TEST, TRAIN, VAL, check_share
from micrec_pyg.schema import InputError

CONVERSION = 2
"""Raised whenever the converted files change, so that old ones are not used."""
FILES = {TRAIN: "train.txt", VAL: "val.txt", TEST: "test.txt"}
NEAR = {name: FILES[VAL] for name in ("valid.txt", "validation.txt", "dev.txt")}
"""Names that other programs give to a part."""
ROWS = 0.95
"""Share of lines of one length, from which a file may be a table."""
MOST = 0.5
VAL_SEED = 0
"""Draws the validation part, the same one for every run."""


@dataclass(frozen=True, kw_only=True)
class NGCF(Source):
    """The data set in a folder of NGCF's layout, as one domain.

    The files are a ready split (``split=ready``). Most data sets of this layout have
    no ``val.txt``, and the test part must not select: then a share of the pairs of
    ``train.txt`` becomes the validation part, whatever the order of its lines; every
    user keeps a training pair. A pair that stands in two files is a duplicate; the
    order of the rows is that of ``FILES``. What else lies there is named in the log.
    """

    root: str
    """Data folder; conversions lie in ``<root>/processed``."""
    path: str
    """The folder."""
    val_share: int | float
    """Share of the training pairs, at least 0, below 1; not used with a ``val.txt``."""

    def convert(self, domains: Sequence[str] | None) -> OwnFormat:
        """Return the converted files.

        Raises:
            InputError: a file is missing or cannot be read, or an option does not fit.
        """
        check_share("val_share", self.val_share)
        source = Path(self.path).expanduser()
        files = self._files()
        name = source.resolve().name
        origin = {name: hashes(source, list(files.values()))}
        share = 0.0 if VAL in files else float(self.val_share)
        content = ["ngcf", CONVERSION, origin, share]
        convert = functools.partial(_convert, files, share, name)
        folder = convert_once(self.root, f"ngcf-{name}", content, convert)
        near = {} if VAL in files else NEAR
        why = {name: did_you_mean(right) for name, right in near.items()}
        notes = unread_files(source, list(files.values()), why)
        return OwnFormat(folder=folder, origin=origin, notes=notes)

    def check_files(self, domains: Sequence[str] | None) -> None:
        """Refuse a folder without the files of the training and the test part."""
        self._files()

    def _files(self) -> dict[int, Path]:
        """Return the file of every part; there may be none of the validation part."""
        source = Path(self.path).expanduser()
        files = {part: source / name for part, name in FILES.items()}
        if not (files[VAL].is_file() or files[VAL].is_symlink()):
            del files[VAL]
        for file in files.values():
            if not file.is_file():
                raise InputError(
                    f"{file}: no such file; give a folder with {FILES[TRAIN]} and "
                    f"{FILES[TEST]} as data.path"
                )
        return files


def _convert(files: Mapping[int, Path], share: float, name: str, folder: Path) -> None:
    """Write the own-catalogue layout."""
    parts = {
        part: _pairs(path).with_columns(x_label=pl.lit(part))
        for part, path in files.items()
    }
    if share:
        parts[TRAIN] = _divided(parts[TRAIN], share)
    target = folder / name
    target.mkdir()
    table = pl.concat([each.cast({"x_label": pl.Int64}) for each in parts.values()])
    table.write_parquet(target / "interactions.parquet")


def _divided(pairs: pl.DataFrame, share: float) -> pl.DataFrame:
    """Return the training pairs, a share of them as the validation part.

    Of every user one stays, that of the highest draw: else training would not know
    the user. A pair that stands there twice is drawn once.
    """
    pairs = pairs.sort("user", "item")
    generator = torch.Generator().manual_seed(VAL_SEED)
    draw = torch.rand(pairs.height, generator=generator)
    pairs = pairs.with_columns(
        draw=pl.Series(draw.numpy()), low=pl.Series((draw < share).numpy())
    ).with_columns(pl.col("draw", "low").first().over("user", "item"))
    other = pl.col("draw") < pl.col("draw").max().over("user")
    label = pl.when(pl.col("low") & other).then(VAL).otherwise(TRAIN)
    return pairs.select("user", "item", x_label=label)


def _pairs(path: Path) -> pl.DataFrame:
    """Return user and item of every pair, as plain numbers in text.

    Raises:
        InputError: the file cannot be read, or a line is no list of whole numbers.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(Problem(path, f"it cannot be read: {error}"))) from error
    lines = pl.DataFrame({"ids": text.split("\n")}).with_row_index("line", offset=1)
    lines = lines.with_columns(
        pl.col("ids").str.strip_chars().str.replace_all(r"[ \t]+", " ")
    ).filter(pl.col("ids") != "")
    wrong = lines.filter(~pl.col("ids").str.contains(r"^[0-9]{1,18}( [0-9]{1,18})*$"))
    if wrong.height:
        number, found = wrong.row(0)
        fault = (
            f"got {found[:40]!r}, needed: a user and items, whole numbers separated by "
            f"blanks ({wrong.height - 1} more such lines in this file)"
        )
        raise InputError(str(Problem(path, fault, place=f"line {number}")))
    ids = pl.col("ids").str.split(" ")
    _refuse_rows(path, lines.select(user=ids.list.first(), numbers=ids.list.len()))
    pairs = lines.select(user=ids.list.first(), item=ids.list.slice(1))
    # a line may be a user alone, without any item: such a user has no pair
    pairs = pairs.explode("item").drop_nulls()
    return pairs.select(pl.all().cast(pl.Int64).cast(pl.String))


def _refuse_rows(path: Path, lines: pl.DataFrame) -> None:
    """Refuse lines that are rows of a table: a list of items has any length.

    Rows of a user and an item alone mean the same either way.

    Args:
        path: for the message.
        lines: user, and how many numbers a line holds.
    """
    usual, count = lines["numbers"].value_counts(sort=True).row(0)
    users = lines["user"].value_counts(name="lines")["lines"]
    repeated = int((users > 1).sum())
    if usual < 3 or count < ROWS * lines.height or repeated <= MOST * len(users):
        return
    names = ", ".join(("user", "item", "rating", "timestamp")[:usual])
    fault = (
        f"{count:,} of {lines.height:,} lines hold {usual} numbers and {repeated:,} of "
        f"{len(users):,} users stand in several lines: these are rows of a table "
        f"(such as {names}), needed: a user and all their items in one line"
    )
    mend = (
        "name the columns in a first line, save the rows as "
        "<folder>/<domain>/interactions.tsv (a column x_label marks train and test by "
        "0 and 2) and read them with data=tables data.path=<folder>"
    )
    raise InputError(str(Problem(path, fault, mend)))
