"""Which interactions and items of a catalogue stay, with counts after every step.

The steps, in this order, each over all domains before the next one begins:

1. time window: the rest is as if it had never been written
2. duplicates: every (user, item) pair once
3. rating threshold
4. minimum text: items with a shorter one go, and their interactions
5. k-core: users and items with too few interactions go, again and again until all
   that are left have enough
6. shared users: who is not in every domain goes
"""

import itertools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from micrec_pyg.data.catalogue.filter_options import Filters
from micrec_pyg.schema import FilterStep, InputError

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class RawDomain:
    """One domain in raw ids."""

    rows: pl.DataFrame
    """user, item (Categorical, no null) and any of rating, time, part."""
    items: pl.DataFrame
    """item (Categorical, unique) and text; all items of the catalogue."""
    clock: str | None
    """The column that time is from: ``timestamp``, ``order``, or None."""
    steps: tuple[FilterStep, ...] = ()
    """Sizes after every step so far."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """How much was removed, by reason."""


Domains = Mapping[str, RawDomain]


def apply_filters(domains: Domains, filters: Filters) -> dict[str, RawDomain]:
    """Return the domains after all steps; of each step the sizes are kept.

    Items stay unless ``min_text`` or ``item_core`` says otherwise; users left with
    nothing are gone. The order of rows and items is kept.

    Raises:
        InputError: a filter needs a column that is not there, a duplicate is
            forbidden, or a domain is left with no interaction.
    """
    steps: list[tuple[str, Callable[[Domains], Domains]]] = [
        ("as read", lambda each: each)
    ]
    if filters.window is not None:
        steps.append((f"time {filters.window}", lambda d: _each(_window, d, filters)))
    name = f"duplicates: {filters.duplicates}"
    steps.append((name, lambda d: _each(_duplicates, d, filters)))
    if filters.rating_min is not None:
        name = f"rating >= {filters.rating_min:g}"
        steps.append((name, lambda d: _each(_ratings, d, filters)))
    if filters.min_text:
        name = f"text of {filters.min_text} characters or more"
        steps.append((name, lambda d: _each(_texts, d, filters)))
    if filters.user_core > 1 or filters.item_core > 0:
        name = (
            f"core of {filters.user_core} per user and {filters.item_core} per item, "
            f"over each {filters.core_of}"
        )
        steps.append((name, lambda d: _core(d, filters)))
    if filters.users == "shared":
        steps.append(("users of every domain", _shared))
    start = domains
    for name, step in steps:
        domains = {
            k: replace(each, steps=(*each.steps, _sizes(name, each)))
            for k, each in step(domains).items()
        }
    found = {k: _counted(start[k], each) for k, each in domains.items()}
    _refuse_empty(start, found)
    _tell(found)
    return found


def no_rows(domain: str) -> str:
    """Return the sentence that refuses a domain without interactions."""
    return (
        f"domain '{domain}': its interactions have no rows; add some, or leave the "
        "domain out with data.domains=[...]"
    )


def _each(
    step: Callable[[RawDomain, Filters], RawDomain], domains: Domains, filters: Filters
) -> Domains:
    """Return every domain after a step that looks at one domain alone."""
    done = {}
    for name, domain in domains.items():
        try:
            done[name] = step(domain, filters)
        except InputError as error:
            raise InputError(f"domain '{name}': {error}") from error
    return done


def _sizes(name: str, domain: RawDomain) -> FilterStep:
    """Return the sizes of a domain as they are now."""
    users = domain.rows["user"].n_unique()
    return FilterStep(name, domain.rows.height, users, domain.items.height)


def _counted(start: RawDomain, end: RawDomain) -> RawDomain:
    """Return a filtered domain with all its counts."""
    users = start.rows["user"].n_unique() - end.rows["user"].n_unique()
    dropped = {**end.dropped, "users_without_interactions": users}
    return replace(end, dropped=dropped)


def _refuse_empty(start: Domains, end: Domains) -> None:
    """Refuse the domains without rows, all of them in one sentence."""
    said = []
    for name, domain in end.items():
        before = start[name].rows.height
        gone = {reason: count for reason, count in domain.dropped.items() if count}
        if not before:
            said.append(no_rows(name))
        elif domain.rows.is_empty():
            said.append(
                f"domain '{name}': no interaction is left of {before} "
                f"(dropped: {gone or 'nothing'}); loosen the filters or give other data"
            )
    if said:
        raise InputError("; ".join(said))


def _tell(domains: Domains) -> None:
    """Log a line per filter that changed a domain."""
    for name, domain in domains.items():
        for before, after in itertools.pairwise(domain.steps):
            if replace(before, name=after.name) != after:
                log.info("domain %s: %s leaves %s", name, after.name, after)


def _keep(domain: RawDomain, rows: pl.DataFrame, reason: str) -> RawDomain:
    """Return a domain with these rows alone, the others counted under a reason."""
    gone = domain.rows.height - rows.height
    return replace(domain, rows=rows, dropped={**domain.dropped, reason: gone})


def _window(domain: RawDomain, filters: Filters) -> RawDomain:
    """Return the rows with time_from <= time < time_to."""
    if domain.clock != "timestamp":
        found = domain.clock or "neither"
        raise InputError(
            f"filters.time_from and time_to need a column timestamp; of timestamp and "
            f"order there is {found}; set both to null or give such data"
        )
    start, end = filters.bounds
    inside = pl.lit(True)
    if start is not None:
        inside &= pl.col("time") >= start
    if end is not None:
        inside &= pl.col("time") < end
    return _keep(domain, domain.rows.filter(inside), "outside_time_window")


def _duplicates(domain: RawDomain, filters: Filters) -> RawDomain:
    """Return the rows with every (user, item) pair once, in their order."""
    rows, pair, policy = domain.rows, ["user", "item"], filters.duplicates
    user, item = (pl.col(name).cast(pl.Categorical).to_physical() for name in pair)
    # one number per pair: counting needs no copy of the rows then
    key = rows.select(key=user.cast(pl.UInt64) * 2**32 + item)
    if policy == "error" and (repeated := key["key"].is_duplicated()).any():
        one, other = rows.select(pair).row(int(repeated.arg_max() or 0))
        raise InputError(
            f"user '{one}' and item '{other}' occur together more than once; "
            "choose duplicates=first or duplicates=last, or clean the data"
        )
    place = pl.int_range(pl.len(), dtype=pl.UInt32)
    if "time" in rows.columns:
        place = pl.arg_sort_by(rows["time"], maintain_order=True)
    ordered = key.select(place=place, key=pl.col("key").gather(place))
    which = "first" if policy == "first" else "last"
    keep = ordered.filter(getattr(pl.col("key"), f"is_{which}_distinct")())["place"]
    if len(keep) < rows.height:
        rows = rows[keep.sort()]
    return _keep(domain, rows, "duplicates")


def _ratings(domain: RawDomain, filters: Filters) -> RawDomain:
    """Return the rows with a rating that counts."""
    kept = domain.rows.filter(pl.col("rating") >= filters.rating_min)
    return _keep(domain, kept, "rating_below_min")


def _texts(domain: RawDomain, filters: Filters) -> RawDomain:
    """Return the items with enough text, and their rows."""
    length = pl.col("text").str.len_chars().fill_null(0)
    items = domain.items.filter(length >= filters.min_text)
    rows = domain.rows.join(items, on="item", how="semi", maintain_order="left")
    kept = _keep(domain, rows, "interactions_of_short_text")
    gone = domain.items.height - items.height
    dropped = {**kept.dropped, "items_with_short_text": gone}
    return replace(kept, items=items, dropped=dropped)


def _shared(domains: Domains) -> Domains:
    """Return the rows of the users who have some in every domain."""
    users = [each.rows.select("user").unique() for each in domains.values()]
    shared = users[0]
    for others in users[1:]:
        shared = shared.join(others, on="user", how="semi")
    return {
        name: _keep(
            each,
            each.rows.join(shared, on="user", how="semi", maintain_order="left"),
            "of_users_not_in_every_domain",
        )
        for name, each in domains.items()
    }


def _core(domains: Domains, filters: Filters) -> Domains:
    """Return the largest part in which all have enough interactions.

    A user counts the interactions of one domain, or of all (``core_of: union``);
    items belong to one domain either way.
    """
    union = filters.core_of == "union"
    rows = pl.concat(
        [
            domain.rows.select("user", "item", domain=pl.lit(name))
            for name, domain in domains.items()
        ]
    ).with_row_index("_place")
    rows = rows.with_columns(pl.col(pl.String).cast(pl.Categorical))  # to count fast
    user = ["user"] if union else ["domain", "user"]
    degree_user, degree_item = pl.len().over(user), pl.len().over("domain", "item")
    before = -1
    while rows.height != before:
        before = rows.height
        enough = (degree_user >= filters.user_core) & (degree_item >= filters.item_core)
        rows = rows.filter(enough)
    done, offset = {}, 0
    for name, domain in domains.items():
        mine = rows.filter(pl.col("domain") == name)
        kept = _keep(domain, domain.rows[(mine["_place"] - offset)], "below_core")
        offset += domain.rows.height
        items = domain.items
        if filters.item_core:
            items = items.join(kept.rows, on="item", how="semi", maintain_order="left")
        gone = domain.items.height - items.height
        dropped = {**kept.dropped, "items_below_core": gone}
        done[name] = replace(kept, items=items, dropped=dropped)
    return done
