"""Small domains, every protocol by name, and naive views of a split."""

import dataclasses

import polars as pl
import torch
from hypothesis import strategies as st

from micrec_pyg.data.splits.at_random import random_ratio
from micrec_pyg.data.splits.by_time import global_time, leave_one_out, user_time
from micrec_pyg.data.splits.inductive import (
    history_elsewhere,
    new_interactions,
    new_nodes,
    zero_edge,
)
from micrec_pyg.schema import Domain, Interactions, Vocab

RATIOS = [7, 1, 2]
PARTS = ("train", "support", "silent", "val", "val_support", "test")
FIELDS = (*PARTS, "seen_user", "seen_item")

PROTOCOLS = {
    "random": lambda domains, seed: random_ratio(domains, ratios=RATIOS, seed=seed),
    "leave_one_out": lambda domains, seed: leave_one_out(
        domains, without_time="error", seed=seed
    ),
    "leave_one_out_random": lambda domains, seed: leave_one_out(
        {name: without_time(domain) for name, domain in domains.items()},
        without_time="random",
        seed=seed,
    ),
    "user_time": lambda domains, seed: user_time(domains, ratios=RATIOS, seed=seed),
    "global_time": lambda domains, seed: global_time(
        domains, ratios=RATIOS, select="seen"
    ),
    "old_graph": lambda domains, seed: new_interactions(
        domains, ratios=RATIOS, new_share=0.4, graph="old", seed=seed
    ),
    "full_graph": lambda domains, seed: new_interactions(
        domains, ratios=RATIOS, new_share=0.4, graph="full", seed=seed
    ),
    "new_nodes": lambda domains, seed: new_nodes(
        domains, ratios=RATIOS, unseen_share=0.3, select="seen", seed=seed
    ),
    "zero_edge": lambda domains, seed: zero_edge(
        domains, ratios=RATIOS, unseen_share=0.3, select="seen", seed=seed
    ),
    "history_elsewhere": lambda domains, seed: history_elsewhere(
        domains, ratios=RATIOS, share=0.5, select="seen", seed=seed
    ),
    "global_time new": lambda domains, seed: global_time(
        domains, ratios=RATIOS, select="new"
    ),
    "new_nodes new": lambda domains, seed: new_nodes(
        domains, ratios=RATIOS, unseen_share=0.3, select="new", seed=seed
    ),
    "zero_edge new": lambda domains, seed: zero_edge(
        domains, ratios=RATIOS, unseen_share=0.3, select="new", seed=seed
    ),
    "history_elsewhere new": lambda domains, seed: history_elsewhere(
        domains, ratios=RATIOS, share=0.5, select="new", seed=seed
    ),
}
TOGETHER = {
    "global_time",
    "history_elsewhere",
    "global_time new",
    "history_elsewhere new",
}
"""Protocols in which a domain's split depends on the other domains."""


def make_domain(
    pairs, num_users, num_items, *, part=None, time=None, first_user=0, name="any"
):
    """Return a domain without features; users u0, u1, ... and items i0, i1, ..."""
    edges = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)
    users = [f"u{first_user + n}" for n in range(num_users)]
    data = Interactions(
        user=edges[:, 0],
        item=edges[:, 1],
        users=Vocab(pl.Series(users, dtype=pl.String)),
        items=Vocab(pl.Series([f"i{n}" for n in range(num_items)], dtype=pl.String)),
        part=None if part is None else torch.tensor(part),
        time=None if time is None else torch.tensor(time, dtype=torch.int64),
    )
    return Domain(name=name, interactions=data, features={}, digest="")


def without_time(domain):
    """Return the domain with its times forgotten."""
    return dataclasses.replace(
        domain, interactions=dataclasses.replace(domain.interactions, time=None)
    )


def shuffled(domain, seed):
    """Return the domain with rows, users and items in another order."""
    data = domain.interactions
    generator = torch.Generator().manual_seed(seed)
    rows, users, items = (
        torch.randperm(n, generator=generator)
        for n in (len(data.user), len(data.users), len(data.items))
    )
    # place p of a shuffled vocabulary holds the old node users[p]
    return dataclasses.replace(
        domain,
        interactions=Interactions(
            user=users.argsort()[data.user[rows]],
            item=items.argsort()[data.item[rows]],
            users=Vocab(data.users.ids.gather(users.tolist())),
            items=Vocab(data.items.ids.gather(items.tolist())),
            time=None if data.time is None else data.time[rows],
            part=None if data.part is None else data.part[rows],
        ),
    )


SOME_TIME = st.integers(0, 2)


@st.composite
def some_domains(draw, min_edges=0, min_domains=1):
    """Return up to three domains: any edges, shared users, times with many ties."""
    names = draw(
        st.sampled_from([["a"], ["b", "a"], ["c", "a", "b"]][min_domains - 1 :])
    )
    found = {}
    for name in names:
        users, items = draw(st.integers(1, 8)), draw(st.integers(1, 8))
        pair = st.tuples(st.integers(0, users - 1), st.integers(0, items - 1))
        least = min(min_edges, users * items)
        pairs = draw(st.lists(pair, unique=True, min_size=least, max_size=40))
        last = draw(st.sampled_from([0, 2, 1000]))
        clock = st.integers(0, last)
        time = draw(st.lists(clock, min_size=len(pairs), max_size=len(pairs)))
        first = draw(st.integers(0, 4))
        found[name] = make_domain(
            pairs, users, items, time=time, first_user=first, name=name
        )
    return found


@st.composite
def linked_domains(draw):
    """Return two or three domains with shared users, and each with one of its own.

    Some of the shared users are drawn by ``history_elsewhere`` (nearly always), and
    the own user, whom it cannot draw, keeps every domain in training.
    """
    names = draw(st.sampled_from([["b", "a"], ["c", "a", "b"]]))
    shared = [3 + n for n in range(draw(st.integers(2, 6)))]
    others = st.sampled_from([*range(3, 9), 12, 13, 14])  # 9, 10, 11: somebody's own
    found = {}
    for place, name in enumerate(names):
        items, first = draw(st.integers(1, 8)), draw(st.integers(0, 3))
        item = st.integers(0, items - 1)
        least = [(user, draw(item)) for user in [*shared, 9 + place]]
        more = draw(st.lists(st.tuples(others, item), max_size=30))
        ids = draw(st.permutations(list(dict.fromkeys([*least, *more]))))
        pairs = [(user - first, item) for user, item in ids]
        time = draw(st.lists(SOME_TIME, min_size=len(pairs), max_size=len(pairs)))
        found[name] = make_domain(
            pairs, 15 - first, items, time=time, first_user=first, name=name
        )
    return found


def domains_for(protocol):
    """Return a strategy of domains that a protocol need not refuse."""
    linked = protocol.startswith("history_elsewhere")
    return linked_domains() if linked else some_domains()


def rows(split):
    """Return every edge of a split as (user, item, part)."""
    return [
        (user, item, part)
        for part in PARTS
        for user, item in getattr(split, part).T.tolist()
    ]


def part_of(split):
    """Return {(user, item): part}."""
    return {(user, item): part for user, item, part in rows(split)}


def same(left, right):
    """Check that two splits are equal, in the order of their edges too."""
    assert left.keys() == right.keys()
    for name in left:
        assert left[name].select == right[name].select
        for field in FIELDS:
            assert torch.equal(
                getattr(left[name], field), getattr(right[name], field)
            ), (name, field)


def users_of(edges):
    """Return the users of some edges."""
    return set(edges[0].tolist())


def marked(flags):
    """Return the places of True."""
    return set(flags.nonzero()[:, 0].tolist())
