"""Shared users by raw id, and the controls that hide or mix their links."""

import logging

import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from micrec_pyg.graph.overlap import keep_links, random_pairs, shared_users
from micrec_pyg.schema import Vocab


def vocab(*ids: str) -> Vocab:
    return Vocab(pl.Series(ids, dtype=pl.String))


def test_three_domains_pair_by_raw_id_in_graph_rows():
    users = {
        "b": vocab("ann", "bob", "cy"),
        "a": vocab("cy", "dan", "ann"),
        "c": vocab("eve"),
    }
    # In b's graph: cy is row 0, ann row 1; bob is not in it.
    n_id = {
        "a": torch.tensor([0, 1, 2]),
        "b": torch.tensor([2, 0]),
        "c": torch.tensor([0]),
    }
    shared = shared_users(users, n_id)
    assert set(shared) == {("a", "b"), ("a", "c"), ("b", "c")}
    assert shared["a", "b"].tolist() == [[0, 2], [0, 1]]
    assert shared["a", "c"].shape == shared["b", "c"].shape == (2, 0)


def test_a_user_missing_in_one_graph_is_left_out():
    users = {"a": vocab("x", "y"), "b": vocab("y", "x")}
    n_id = {"a": torch.tensor([0, 1]), "b": torch.tensor([1])}
    # y has no row in b's graph, x has row 0 there.
    assert shared_users(users, n_id)["a", "b"].tolist() == [[0], [0]]


def test_one_domain_has_no_pair():
    assert shared_users({"a": vocab("x")}, {"a": torch.tensor([0])}) == {}


def people(*members: str) -> tuple[dict, dict]:
    """Return (shared, ids) of domains whose users are the letters of a string."""
    ids = {
        name: pl.Series(list(letters))
        for name, letters in zip("abc", members, strict=False)
    }
    users = {name: Vocab(raw) for name, raw in ids.items()}
    n_id = {name: torch.arange(len(raw)) for name, raw in ids.items()}
    return shared_users(users, n_id), ids


def linked(shared: dict, ids: dict) -> dict:
    """Return the raw ids at both ends of every link."""
    return {
        (a, b): [(ids[a][i], ids[b][j]) for i, j in rows.T.tolist()]
        for (a, b), rows in shared.items()
    }


LETTERS = "abcdefghijklmnopqrst"
MEMBERS = st.sets(st.sampled_from(LETTERS), min_size=1).map("".join)


@settings(deadline=None)
@given(
    members=st.tuples(MEMBERS, MEMBERS, MEMBERS),
    ratios=st.lists(st.floats(0, 1), min_size=2, max_size=2).map(sorted),
    seed=st.integers(0, 5),
)
def test_kept_links_are_an_exact_nested_share_of_the_people(members, ratios, seed):
    shared, ids = people(*members)
    before = linked(shared, ids)
    everybody = {user for links in before.values() for user, _ in links}
    kept_before: set[str] = set()
    for ratio in ratios:
        kept = linked(keep_links(shared, ids, ratio=ratio, seed=seed), ids)
        who = {user for links in kept.values() for user, _ in links}
        assert len(who) == round(ratio * len(everybody))
        assert kept_before <= who
        # Whoever keeps a link keeps all, in the same order; nobody changes partner.
        assert kept == {
            pair: [(a, b) for a, b in links if a in who]
            for pair, links in before.items()
        }
        kept_before = who


def test_who_is_kept_depends_on_seed_and_ids_but_not_on_rows():
    kept = set()
    for members in (
        ("abcdefgh", "abcdefgh"),
        ("hgfedcba", "badcfehg"),
        ("xhgfedcba", "badcyfehg"),
    ):
        shared, ids = people(*members)
        links = linked(keep_links(shared, ids, ratio=0.5, seed=0), ids)["a", "b"]
        kept.add(frozenset(user for user, _ in links))
    (who,) = kept
    shared, ids = people("abcdefgh", "abcdefgh")
    others = {
        frozenset(a for a, _ in linked(links, ids)["a", "b"])
        for links in (
            keep_links(shared, ids, ratio=0.5, seed=seed) for seed in range(1, 6)
        )
    }
    assert others - {who}


def test_the_log_counts_hidden_links(caplog):
    shared, ids = people("abcd", "abcx")
    with caplog.at_level(logging.INFO):
        keep_links(shared, ids, ratio=0.0, seed=0)
    assert caplog.messages == [
        "overlap_ratio=0: 0 of 3 shared users keep their links in training"
    ]


def test_domains_without_shared_users_have_nothing_to_hide():
    shared, ids = people("abc", "xyz")
    kept = keep_links(shared, ids, ratio=0.5, seed=0)
    assert kept["a", "b"].shape == (2, 0)
    assert keep_links({}, {}, ratio=0.5, seed=0) == {}


@pytest.mark.parametrize("seed", range(20))
def test_random_pairs_are_a_derangement(seed):
    shared, ids = people("abcde", "edcba", "xabc")
    mixed = random_pairs(shared, seed=seed)
    for pair, rows in shared.items():
        assert torch.equal(mixed[pair][0], rows[0])
        assert mixed[pair][1].sort().values.tolist() == sorted(rows[1].tolist())
        assert all(a != b for a, b in linked(mixed, ids)[pair])
    again = random_pairs(shared, seed=seed)
    assert all(torch.equal(again[pair], mixed[pair]) for pair in mixed)


def test_every_derangement_is_drawn():
    shared, ids = people("abcd", "abcd")
    drawn = {
        "".join(b for _, b in linked(random_pairs(shared, seed=seed), ids)["a", "b"])
        for seed in range(200)
    }
    assert len(drawn) == 9  # subfactorial of 4


def test_a_lone_shared_user_has_no_random_partner(caplog):
    shared, _ = people("ab", "ac", "de")
    mixed = random_pairs(shared, seed=0)
    assert mixed["a", "b"].shape == mixed["b", "c"].shape == (2, 0)
    assert caplog.messages == ["domains a and b share one user: no random pair"]
