"""Which column of a table holds what: by a mapping, by its exact name, or guessed."""

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from micrec_pyg.data.files.problems import Problem, Problems
from micrec_pyg.schema import InputError

ROLES = ("user", "item", "rating", "timestamp", "order", "x_label")
"""The names of the columns that readers know."""

_GUESSES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "user": (
        ("user", "userid", "reviewerid", "customerid", "useridtoken"),
        ("clientid", "memberid", "buyerid", "visitorid", "shopperid"),
        ("customer", "client", "member", "buyer", "reviewer", "visitor", "shopper"),
    ),
    "item": (
        ("item", "itemid", "asin", "parentasin", "productid", "movieid", "itemidtoken"),
        ("sku", "skuid", "productsku", "productcode", "itemcode", "articleid"),
        ("product", "article"),
    ),
    "rating": (("rating", "ratings", "stars", "overall", "ratingfloat"),),
    "timestamp": (
        (
            *("timestamp", "timestamps", "timestampfloat"),
            *("unixreviewtime", "unixtime", "time"),
        ),
        ("datetime", "createdat", "orderedat", "purchasedat", "orderdate", "createdon"),
        ("date", "day"),
    ),
    "order": (("order",),),
    "x_label": (("xlabel",),),
}
"""Other spellings, without case and punctuation; the first group that fits decides."""

_ABBREVIATED: Mapping[str, tuple[str, ...]] = {
    "user": ("uid", "usr", "usrid", "userno", "usernum", "userindex", "useridx"),
    "item": ("iid", "itm", "itmid", "itemno", "itemnum", "itemindex", "itemidx", "pid"),
}
"""Names without case and punctuation that are hinted at, but may mean something else:
they are not taken without the user."""

_NO_ID = re.compile(
    r"(?<!user)(?<!nick)name|title|desc|text|review(?!er)|brand|categor|price|cost|qty"
    r"|quantity|rating|stars|date|time|image|url|createdat|orderedat"
)
"""Inside the plain names of columns that hold no ids, whatever they resemble."""


def check_columns(columns: object) -> None:
    """Check the option ``columns``: role -> name of the column.

    Raises:
        InputError: a role is unknown or a name is no text.
    """
    if columns is None:
        return
    if not isinstance(columns, Mapping):
        raise InputError(f"columns={columns!r}; needed: a mapping as {{user: uid}}")
    for role, name in columns.items():
        if role not in ROLES or not isinstance(name, str):
            raise InputError(
                f"columns: {role!r}: {name!r} is not usable; needed: a column name "
                f"for any of {', '.join(ROLES)}"
            )


def check_texts(**options: object) -> None:
    """Check options that are lists of texts, or None.

    Raises:
        InputError: one is something else.
    """
    for name, value in options.items():
        if isinstance(value, str):
            raise InputError(f"{name}={value} is one text; needed: [{value}]")
        listed = isinstance(value, Sequence) and all(isinstance(v, str) for v in value)
        if value is not None and not listed:
            raise InputError(
                f"{name}={value!r}; needed: texts; write a number in quotes: '7'"
            )


def locate(
    found: Sequence[str],
    roles: Sequence[str],
    columns: Mapping[str, str] | None,
    file: Path,
    problems: Problems,
) -> dict[str, str]:
    """Return the column of each role that the table has.

    A mapped name comes first, then the exact name, then a guess, which is shown as a
    warning. Of several guesses none is taken.

    Args:
        found: column names of the table.
        roles: what to look for.
        columns: the mapping by the user; None has no name.
        file: for messages.
        problems: gets the guesses, and mapped names that are not there.
    """
    columns = columns or {}
    located = {}
    for role in roles:
        mapped = columns.get(role)
        if mapped in found:
            located[role] = str(mapped)
        elif role in found:
            located[role] = role
        elif mapped is not None:
            near = nearest(mapped, found, role=role)
            fault = f"column {mapped} (columns: {role}) is missing; found: "
            problems.add(
                Problem(file, f"{fault}{', '.join(found)}", near, place="line 1")
            )
        elif (guess := _guess(role, found, file, problems)) is not None:
            located[role] = guess
    return located


def nearest(wanted: str, found: Sequence[str], *, role: str | None = None) -> str:
    """Return a hint at the column that a wanted name may mean, empty without one.

    Args:
        wanted: a name that is not there.
        found: the names that are.
        role: what the column holds; None: as it is called.
    """
    if (role or wanted) in ("user", "item"):
        found = [name for name in found if not _NO_ID.search(plain(name))]
    lower = {name.lower(): name for name in reversed(found)}
    near = difflib.get_close_matches(wanted.lower(), lower, n=1, cutoff=0.4)
    inside = [n for low, n in lower.items() if wanted.lower() in low]
    alike = [*inside, *(lower[n] for n in near)]
    known = [name for name in found if plain(name) in _spellings(role or wanted)]
    # a name that somebody gave says more than the role it was given for
    for name in [*known, *alike] if role is None else [*alike, *known]:
        mapping = f"{{{role or wanted}: {name}}}"
        return f"did you mean '{name}'? Then give data.columns={mapping}"
    return ""


def _spellings(role: str) -> set[str]:
    """Return all names, without case and punctuation, that a role often has."""
    groups = (*_GUESSES.get(role, ()), _ABBREVIATED.get(role, ()))
    return {name for group in groups for name in group}


def _guess(
    role: str, found: Sequence[str], file: Path, problems: Problems
) -> str | None:
    """Return the one column whose name is the best other spelling of a role."""
    groups = ([n for n in found if plain(n) in group] for group in _GUESSES[role])
    guesses = next((group for group in groups if group), [])
    if not guesses:
        return None
    if len(guesses) > 1:
        problems.add(
            Problem(
                file,
                f"columns {', '.join(guesses)} may all be the {role}",
                f"choose one with data.columns={{{role}: {guesses[0]}}}",
                error=role in ("user", "item"),
            )
        )
        return None
    problems.add(
        Problem(
            file,
            f"taken as the {role} (a guess from its name)",
            f"if it is not, name the right one with data.columns={{{role}: NAME}}",
            column=guesses[0],
            error=False,
        )
    )
    return guesses[0]


def plain(name: str) -> str:
    """Return a name without case, punctuation and blanks."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
