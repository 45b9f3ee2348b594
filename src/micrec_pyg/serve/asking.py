"""Questions of clients -> frames of a recommender -> answers."""

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from micrec_pyg.schema import InputError
from micrec_pyg.serve import answers, questions
from micrec_pyg.serve.errors import FieldError
from micrec_pyg.serve.shelf import Served


def similar_to(served: Served, question: questions.Similar) -> answers.SimilarItems:
    """Return the items most like one."""
    domain = served.domain(question.domain)
    frame = served.rec.similar_items(
        question.item, domain=domain, k=question.k, by=question.by
    )
    return answers.SimilarItems(
        model=served.name,
        domain=domain,
        item=question.item,
        rows=[answers.Row(**row) for row in frame.iter_rows(named=True)],
    )


def explained(served: Served, question: questions.Explain) -> answers.Explanation:
    """Return what a score is made of."""
    if (question.user is None) == (question.history is None):
        raise FieldError("user", "give either user or history")
    domain = served.domain(question.domain)
    who = question.history if question.user is None else question.user
    assert who is not None
    with _one_user():
        frame = served.rec.explain(who, question.item, domain=domain)
    parts = [answers.Part(**row) for row in frame.iter_rows(named=True)]
    return answers.Explanation(
        model=served.name,
        domain=domain,
        item=question.item,
        score=sum(part.contribution for part in parts),
        parts=parts,
    )


def found_items(served: Served, search: questions.Search) -> answers.FoundItems:
    """Return the items whose id or title has a text in it.

    A whole id comes first, then titles that begin with the text, short ones first.
    """
    domain = served.domain(search.domain)
    table = served.rec.titles(domain)
    found = table.filter(_holds("item", search.q) | _holds("title", search.q))
    title = pl.col("title").str.to_lowercase()
    best = [
        pl.col("item") != search.q,
        ~title.str.starts_with(search.q.lower()),
        title.str.len_chars(),
    ]
    found = (
        found.sort(*best, maintain_order=True, nulls_last=True) if search.q else found
    )
    return answers.FoundItems(
        model=served.name,
        domain=domain,
        total=found.height,
        items=[answers.Item(**r) for r in found.head(search.limit).to_dicts()],
    )


def found_users(served: Served, search: questions.Search) -> answers.FoundUsers:
    """Return the users whose id has a text in it; a whole id comes first."""
    domain = served.domain(search.domain)
    table = served.rec.users(domain).alias("user").to_frame()
    found = table.filter(_holds("user", search.q))
    found = found.sort(pl.col("user") != search.q, maintain_order=True)
    return answers.FoundUsers(
        model=served.name,
        domain=domain,
        total=found.height,
        users=found["user"].head(search.limit).to_list(),
    )


def _holds(column: str, text: str) -> pl.Expr:
    lower = pl.col(column).str.to_lowercase()
    return lower.str.contains(text.lower(), literal=True).fill_null(False)


def known_of(served: Served, user: str) -> answers.Known:
    """Return what is known of a user, with titles."""
    history = {}
    with _one_user():
        known = served.rec.history(user)
    for domain, items in known.items():
        titles = served.rec.titles(domain)
        rows = titles.filter(pl.col("item").is_in(items.to_list()))
        history[domain] = [answers.Item(**row) for row in rows.to_dicts()]
    return answers.Known(model=served.name, user=user, history=history)


@contextmanager
def _one_user() -> Iterator[None]:
    """Call the field at fault ``user`` where a sentence speaks of users."""
    try:
        yield
    except InputError as error:
        if str(error).startswith("users"):
            raise FieldError("user", str(error)) from error
        raise
