"""Questions for lists, many at once: the model is asked once for all that are alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from micrec_pyg.serve import answers, questions
from micrec_pyg.serve.errors import FieldError
from micrec_pyg.serve.shelf import Served

MOST = questions.MAX_LIST_ROWS
"""Rows that are made at once, of all questions that are answered together."""


@dataclass(frozen=True, eq=False)
class Asked:
    """A question for lists, checked as far as it can be without the model."""

    served: Served
    domain: str
    question: questions.Recommend

    @property
    def kind(self) -> tuple[Any, ...]:
        """Return what questions have in common that are answered together."""
        q = self.question
        alone = id(self) if q.items is not None else None
        by_history = q.users is None
        return (self.served.name, self.domain, by_history, q.k, q.exclude_seen, alone)

    @property
    def rows(self) -> int:
        """Return how many rows the lists may have."""
        return len(self.question.users or [None]) * self.question.k


def asked_of(served: Served, question: questions.Recommend) -> Asked:
    """Return a question for the lists of a domain.

    Raises:
        FieldError: Not exactly one of users and history is given, the domain is
            unknown, or the lists would be too long together.
    """
    if (question.users is None) == (question.history is None):
        raise FieldError("users", "give either users or history")
    for name in question.history or {}:
        served.domain(name, field=f"history.{name}")
    asked = Asked(served, served.domain(question.domain), question)
    if asked.rows > questions.MAX_LIST_ROWS:
        raise FieldError(
            "users",
            f"{len(question.users or [])} users with k={question.k} are {asked.rows:,} "
            f"rows; give at most {questions.MAX_LIST_ROWS:,}, users times k",
        )
    return asked


def answer_together(asked: Sequence[Asked]) -> list[answers.Lists | Exception]:
    """Return the lists of each question, or what is wrong with it."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for place, each in enumerate(asked):
        groups.setdefault(each.kind, []).append(place)
    found: dict[int, answers.Lists | Exception] = {}
    for places in groups.values():
        alike = [asked[place] for place in places]
        found.update(zip(places, _group(alike), strict=True))
    return [found[place] for place in range(len(asked))]


def _group(alike: Sequence[Asked]) -> Sequence[answers.Lists | Exception]:
    """Return the answers to questions of one kind; one fault spoils no other answer."""
    try:
        return _lists(alike)
    except Exception as error:  # one that is unexpected is not everybody's either
        if len(alike) == 1:
            return [error]
        return [one for each in alike for one in _group([each])]


def _lists(alike: Sequence[Asked]) -> list[answers.Lists]:
    first = alike[0]
    if first.question.users is not None:
        people = [list(dict.fromkeys(each.question.users or [])) for each in alike]
        every = list(dict.fromkeys(user for some in people for user in some))
        frame = _recommend(alike, users=every)
        names: list[list[Any]] = people
    else:
        frame = _recommend(alike, history=_histories(alike))
        names = [[str(place)] for place in range(len(alike))]
    rows = _rows(frame)
    return [
        answers.Lists(
            model=each.served.name,
            domain=each.domain,
            lists=[
                answers.UserList(
                    user=None if each.question.users is None else name,
                    rows=rows.get(name, []),
                )
                for name in some
            ],
        )
        for each, some in zip(alike, names, strict=True)
    ]


def _recommend(alike: Sequence[Asked], **people: Any) -> pl.DataFrame:
    first = alike[0]
    return first.served.rec.recommend(
        **people,
        domain=first.domain,
        k=first.question.k,
        exclude_seen=first.question.exclude_seen,
        items=first.question.items,
    )


def _histories(alike: Sequence[Asked]) -> pl.DataFrame:
    """Return the histories of several people, who are called by their places."""
    rows: list[tuple[str, str | None, str | None]] = []
    for place, each in enumerate(alike):
        # a row without an item names a person whose history may be empty
        rows.append((str(place), None, None))
        for domain, items in (each.question.history or {}).items():
            rows.extend((str(place), item, domain) for item in items)
    return pl.DataFrame(
        rows,
        schema={"user": pl.String, "item": pl.String, "domain": pl.String},
        orient="row",
    )


def _rows(frame: pl.DataFrame) -> dict[Any, list[answers.Row]]:
    """Return the rows of every list."""
    found: dict[Any, list[answers.Row]] = {}
    for user, rank, item, score, title, reason in frame.iter_rows():
        row = answers.Row(rank=rank, item=item, score=score, title=title, reason=reason)
        found.setdefault(user, []).append(row)
    return found
