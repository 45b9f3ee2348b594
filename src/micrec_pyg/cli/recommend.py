"""``micrec recommend``: lists for known or new people, from a run or its artefact."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from tqdm import tqdm

from micrec_pyg.cli.process import log_to_stderr, prepare, show
from micrec_pyg.cli.recommend_files import (
    read_candidates,
    read_history,
    read_interactions,
    read_items,
    read_users,
)
from micrec_pyg.cli.recommend_output import check_output, write_lists
from micrec_pyg.inference.recommender import Recommender, load
from micrec_pyg.schema import InputError

USERS_AT_ONCE = 8192
"""Users whose lists are held at a time."""
HISTORIES_AT_ONCE = 2048


def main(argv: list[str]) -> int:
    """Return 0 when every list is written.

    Raises:
        InputError: There is no artefact, or a file names what it does not know.
    """
    given = _parser().parse_args(argv)
    prepare()
    log_to_stderr()
    if given.k < 1:
        raise InputError(f"-k {given.k}: give 1 or more")
    output = None if given.output is None else check_output(Path(given.output))
    rec = load(given.run, device=given.device)
    domain = _domain(rec, given.domain)
    if given.new_items is not None:
        path = Path(given.new_items)
        table = read_items(rec, domain, path)
        try:
            rec.add_items(table, domain=domain)
        except InputError as error:  # of a column or a vector
            raise InputError(f"{path}: {error}") from error
    if given.new_interactions is not None:
        path = Path(given.new_interactions)
        rec.add_interactions(read_interactions(rec, domain, path))
    items = _candidates(given, rec, domain)
    count, questions = _questions(given, rec, domain)

    def lists() -> Iterator[pl.DataFrame]:
        with tqdm(total=count, desc="recommend", unit="user", disable=None) as bar:
            for question in questions:
                yield rec.recommend(
                    users=question.users,
                    history=question.history,
                    domain=domain,
                    k=given.k,
                    exclude_seen=not given.keep_seen,
                    items=items,
                )
                bar.update(question.count)

    rows = write_lists(lists(), output)
    if output is not None:
        show(f"{output}: {rows:,} rows, lists of {count:,} people in {domain}\n")
    return 0


def _domain(rec: Recommender, given: str | None) -> str:
    if given is None and len(rec.domains) == 1:
        return rec.domains[0]
    if given not in rec.domains:
        what = "it is missing" if given is None else f"'{given}' was given"
        raise InputError(f"--domain: {what}; give one of {', '.join(rec.domains)}")
    return given


def _candidates(
    given: argparse.Namespace, rec: Recommender, domain: str
) -> pl.Series | None:
    if given.items is not None:
        return read_candidates(rec, domain, Path(given.items), given.where)
    if given.where:
        raise InputError(
            f"--where {given.where[0]}: give --items FILE, whose column it speaks of"
        )
    return None


@dataclass(frozen=True, eq=False)
class Question:
    """Some of the people, by id or by history."""

    count: int
    users: pl.Series | None = None
    history: pl.DataFrame | None = None


def _questions(
    given: argparse.Namespace, rec: Recommender, domain: str
) -> tuple[int, Iterator[Question]]:
    """Return how many people there are, and questions for some of them at a time."""
    if given.history is not None:
        table = read_history(rec, domain, Path(given.history))
        people = table["user"].unique(maintain_order=True).to_frame()
        return people.height, (
            Question(
                part.height,
                history=part.join(table, on="user", maintain_order="left"),
            )
            for part in _slices(people, HISTORIES_AT_ONCE)
        )
    users = rec.users(domain)
    if given.users is not None:
        users = read_users(rec, Path(given.users))
    return len(users), (
        Question(part.height, users=part["user"])
        for part in _slices(users.to_frame("user"), USERS_AT_ONCE)
    )


def _slices(people: pl.DataFrame, rows: int) -> Iterator[pl.DataFrame]:
    """Yield some rows at a time; of nobody one empty frame, which has the columns."""
    yield from people.iter_slices(rows) if people.height else [people]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "micrec recommend",
        description="Write the best items of known or new people, by raw id: user, "
        "rank, item, score, title, reason (docs/serving.md).",
    )
    parser.add_argument("run", metavar="RUN", help="folder of a run, or of an artefact")
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--users", metavar="FILE", help="known users: column user")
    who.add_argument("--all", action="store_true", help="all users of the domain")
    who.add_argument(
        "--history",
        metavar="FILE",
        help="people known by a history alone: columns user, item and, if there are "
        "several domains, domain; a row without an item names one without a history",
    )
    parser.add_argument("--domain", help="whose items; needed if there are several")
    parser.add_argument("-k", type=int, default=20, help="items per person (20)")
    parser.add_argument(
        "--output", metavar="FILE", help=".parquet, .csv or .jsonl; else CSV on stdout"
    )
    _add_files(parser)
    parser.add_argument(
        "--keep-seen", action="store_true", help="also items that a person has already"
    )
    parser.add_argument("--device", default="cpu", help="where the model computes")
    return parser


def _add_files(parser: argparse.ArgumentParser) -> None:
    """Add the options that name the items to choose from, and what is added first."""
    parser.add_argument(
        "--items",
        metavar="FILE",
        help="the items to choose from, such as what is in stock: column item",
    )
    parser.add_argument(
        "--where",
        metavar="COLUMN=VALUE",
        action="append",
        default=[],
        help="only rows of --items with this value, such as category=shoes; may be "
        "repeated: of one column any value, of several columns all",
    )
    parser.add_argument(
        "--new-items",
        metavar="FILE",
        help="items that are added first: item, and text, or vectors by modality",
    )
    parser.add_argument(
        "--new-interactions",
        metavar="FILE",
        help="interactions that are added first: user, item and, if they are not all "
        "of --domain, domain",
    )
