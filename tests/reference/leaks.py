"""Small shops to audit, and what an audit must say, by loops over every pair."""

import random

import polars as pl
import torch

from micrec_pyg.data.catalogue.interactions import to_interactions
from micrec_pyg.data.splits import at_random, by_time, inductive
from micrec_pyg.data.splits.leak import claim_of
from micrec_pyg.schema import DomainCatalogue, EdgeSplit

PARTS = ("train", "val", "test", "support", "silent", "val_support")
KNOWN = ("train", "support", "val_support", "val")
"""Parts that are known at the test."""
DAY = 86_400


def _user(kind, number):
    if kind == "amazon":
        return f"A{number:013d}"
    return str(number) if kind == "numbers" else f"u{number}"


def _item(kind, domain, number):
    if kind == "amazon":
        return f"B{domain}{number:08d}"
    return str(number) if kind == "numbers" else f"i{domain}-{number}"


def shop(*, clock="timestamp", ids="words", domains=2, users=24, items=30, seed=0):
    """Return catalogues whose domains share the first half of their users.

    Every user has 4 to 9 interactions per domain. Timestamps are spread over a year,
    all different; an order counts each user's steps per domain.
    """
    rng = random.Random(seed)
    stamps = iter(rng.sample(range(10**9, 10**9 + 365 * DAY), 10**4))
    made = {}
    for d in range(domains):
        rows = []
        for u in range(users):
            name = _user(ids, u if u < users // 2 else 1000 * (d + 1) + u)
            for step, i in enumerate(rng.sample(range(items), rng.randint(4, 9))):
                time = next(stamps) if clock == "timestamp" else step
                rows.append((name, _item(ids, d, i), time))
        rng.shuffle(rows)
        made[f"d{d}"] = catalogue(f"d{d}", rows, clock=clock)
    return made


def catalogue(name, rows, *, clock="timestamp", texts=None, part=None):
    """Return a catalogue of (user, item, time) rows; items in order of appearance."""
    table = pl.DataFrame(rows, schema=["user", "item", "time"], orient="row")
    if clock is None:
        table = table.drop("time")
    if part is not None:
        table = table.with_columns(pl.Series("part", part))
    items = table["item"].unique(maintain_order=True)
    data = to_interactions(table, items)
    texts = texts or {}
    nothing = pl.Series([None] * len(items), dtype=pl.String)
    return DomainCatalogue(
        name=name,
        interactions=data,
        content={
            "text": pl.Series([texts.get(i) for i in data.items.ids], dtype=pl.String),
            "image": nothing,
        },
        vectors={},
        digest="",
        clock=clock,
    )


def rows_of(catalogues, splits):
    """Return (domain, part, user, item, time) of every edge, as a list."""
    rows = []
    for name, split in splits.items():
        data = catalogues[name].interactions
        times = {}
        if data.time is not None:
            for u, i, t in zip(data.user, data.item, data.time, strict=True):
                times[int(u), int(i)] = int(t)
        for part in PARTS:
            for u, i in getattr(split, part).T.tolist():
                user, item = data.users.ids[u], data.items.ids[i]
                rows.append((name, part, user, item, times.get((u, i))))
    return rows


def leak_class(rows):
    """Return the label of the leak class of the test edges, by all pairs of edges."""
    tests = [r for r in rows if r[1] == "test" and r[4] is not None]
    known = [r for r in rows if r[1] in KNOWN and r[4] is not None]
    if all(r[4] is None for r in rows):
        return None
    late = [(t, k) for t in tests for k in known if k[4] > t[4]]
    if any(t[2] == k[2] and t[0] == k[0] for t, k in late):
        return "user_future"
    if any(t[2] == k[2] for t, k in late):
        return "cross_domain_future"
    return "global_future" if late else "none"


def late_edges(rows, hidden, known, *, own, elsewhere):
    """Return how many known edges are later than a hidden one, by all pairs."""
    found = set()
    for a in rows:
        for b in rows:
            if a[1] in known and b[1] == hidden and a[4] > b[4]:
                related = a[2] == b[2] or not own
                if related and (a[0] != b[0]) == elsewhere:
                    found.add(a[:4])
    return len(found)


def moved(split, edge, source, target):
    """Return a split in which one edge (user, item) is in another part."""
    parts = {part: getattr(split, part) for part in PARTS}
    mine = (parts[source] == torch.tensor(edge)[:, None]).all(dim=0)
    assert int(mine.sum()) == 1
    parts[target] = torch.cat([parts[target], parts[source][:, mine]], dim=1)
    parts[source] = parts[source][:, ~mine]
    return EdgeSplit(**parts, seen_user=split.seen_user, seen_item=split.seen_item)


def changed(split, **parts):
    """Return a split with other parts."""
    given = {part: getattr(split, part) for part in (*PARTS, "seen_user", "seen_item")}
    return EdgeSplit(**{**given, **parts})


def promised(protocol):
    """Return what the protocol of this name promises, None if there is none."""
    for module in (at_random, by_time, inductive):
        if hasattr(module, protocol):
            return claim_of(getattr(module, protocol))
    return None
