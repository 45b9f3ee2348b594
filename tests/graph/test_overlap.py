"""People by raw id, their links, and the controls that hide or mix them."""

import logging
from collections import Counter
from itertools import combinations

import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from micrec_pyg.graph.overlap import keep_links, links, people_of, random_pairs
from micrec_pyg.schema import Vocab


def vocab(*ids: str) -> Vocab:
    return Vocab(pl.Series(ids, dtype=pl.String))


def test_a_person_is_the_place_among_all_raw_ids():
    users = {
        "b": vocab("ann", "bob", "cy"),
        "a": vocab("cy", "dan", "ann"),
        "c": vocab("eve"),
    }
    found = {name: person.tolist() for name, person in people_of(users).items()}
    assert found == {"b": [0, 1, 2], "a": [2, 3, 0], "c": [4]}
    assert people_of({}) == {}


def test_links_are_rows_of_one_person():
    people = {
        "b": torch.tensor([2, 0]),  # bob (1) is not in this graph
        "a": torch.tensor([2, 3, 0]),
        "c": torch.tensor([4]),
    }
    found = links(people)
    assert set(found) == {("a", "b"), ("a", "c"), ("b", "c")}
    assert found["a", "b"].tolist() == [[0, 2], [0, 1]]
    assert found["a", "c"].shape == found["b", "c"].shape == (2, 0)


def test_one_domain_has_no_link():
    assert links({"a": torch.tensor([0])}) == {}
    empty = torch.zeros(0, dtype=torch.long)
    assert links({"a": empty, "b": empty})["a", "b"].shape == (2, 0)


def world(*members: str, new: str = "") -> tuple[dict, dict, dict]:
    """Return (people, seen, ids) of domains whose users are the letters of a string.

    A letter of ``new`` is in no training graph.
    """
    ids = {
        name: pl.Series(list(letters))
        for name, letters in zip("abc", members, strict=False)
    }
    seen = {
        name: torch.tensor([letter not in new for letter in raw])
        for name, raw in ids.items()
    }
    return people_of({n: Vocab(raw) for n, raw in ids.items()}), seen, ids


def linked(people: dict, ids: dict) -> dict:
    """Return the raw ids at both ends of every link."""
    return {
        (a, b): [(ids[a][i], ids[b][j]) for i, j in rows.T.tolist()]
        for (a, b), rows in links(people).items()
    }


def trained(pairs: dict, new: str) -> dict:
    """Return the links of which training has both ends."""
    return {
        pair: [(a, b) for a, b in found if a not in new and b not in new]
        for pair, found in pairs.items()
    }


def check_accounts(people: dict) -> None:
    """Within a domain nobody has two accounts."""
    for person in people.values():
        assert len(person.unique()) == len(person)
        assert bool((person >= 0).all())


LETTERS = "abcdefghijklmnopqrst"
MEMBERS = st.sets(st.sampled_from(LETTERS), min_size=1).map("".join)
NEW = st.sets(st.sampled_from(LETTERS), max_size=6).map("".join)


@settings(deadline=None)
@given(
    members=st.tuples(MEMBERS, MEMBERS, MEMBERS),
    new=NEW,
    ratios=st.lists(st.floats(0, 1), min_size=2, max_size=2).map(sorted),
    seed=st.integers(0, 5),
)
def test_kept_links_are_an_exact_nested_share_of_the_people(members, new, ratios, seed):
    people, seen, ids = world(*members, new=new)
    before = linked(people, ids)
    kept_before: set[str] = set()
    for ratio in ratios:
        told = keep_links(people, seen, ratio=ratio, seed=seed)
        check_accounts(told)
        after = linked(told, ids)
        everybody = {u for found in trained(before, new).values() for u, _ in found}
        later = {u for found in before.values() for u, _ in found} - everybody
        who = {user for found in after.values() for user, _ in found}
        assert len(who & everybody) == round(ratio * len(everybody))
        assert len(who & later) == round(ratio * len(later))
        assert kept_before <= who
        # Whoever keeps a link keeps all, in the same order; nobody changes partner.
        assert after == {
            pair: [(a, b) for a, b in found if a in who]
            for pair, found in before.items()
        }
        kept_before = who


def test_who_is_kept_depends_on_seed_and_ids_but_not_on_rows():
    kept = set()
    for members in (
        ("abcdefgh", "abcdefgh"),
        ("hgfedcba", "badcfehg"),
        ("xhgfedcba", "badcyfehg"),
    ):
        people, seen, ids = world(*members)
        found = linked(keep_links(people, seen, ratio=0.5, seed=0), ids)["a", "b"]
        kept.add(frozenset(user for user, _ in found))
    (who,) = kept
    people, seen, ids = world("abcdefgh", "abcdefgh")
    others = {
        frozenset(a for a, _ in linked(told, ids)["a", "b"])
        for told in (
            keep_links(people, seen, ratio=0.5, seed=seed) for seed in range(1, 6)
        )
    }
    assert others - {who}


def test_the_log_counts_hidden_links(caplog):
    people, seen, _ = world("abcdn", "abcxn", new="n")
    with caplog.at_level(logging.INFO):
        told = keep_links(people, seen, ratio=0.0, seed=0)
    assert caplog.messages == [
        "overlap_ratio=0: 0 of 3 shared users keep their links in training"
    ]
    assert links(told)["a", "b"].shape == (2, 0)  # that of n is hidden too


def test_domains_without_shared_users_have_nothing_to_hide(caplog):
    people, seen, _ = world("abc", "xyz")
    with caplog.at_level(logging.INFO):
        told = keep_links(people, seen, ratio=0.5, seed=0)
    assert links(told)["a", "b"].shape == (2, 0)
    assert caplog.messages == []


@settings(deadline=None)
@given(members=st.tuples(MEMBERS, MEMBERS, MEMBERS), new=NEW, seed=st.integers(0, 20))
def test_random_pairs_leave_nobody_alone_and_nobody_with_themselves(members, new, seed):
    people, seen, ids = world(*members, new=new)
    mixed = random_pairs(people, seen, seed=seed)
    check_accounts(mixed)
    before, after = linked(people, ids), linked(mixed, ids)
    # people by their domains, and whether training has them
    kind = {
        letter: ("".join(n for n in "abc" if letter in ids[n].to_list()), letter in new)
        for letter in LETTERS
    }
    number = Counter(kind[letter] for letter in LETTERS)
    for pair, found in before.items():
        paired = [(a, b) for a, b in found if number[kind[a]] >= len(kind[a][0])]
        assert all(a != b for a, b in after[pair])
        assert all(kind[a] == kind[b] for a, b in after[pair])
        for side in (0, 1):
            assert sorted(p[side] for p in after[pair]) == sorted(
                p[side] for p in paired
            )
    again = random_pairs(people, seen, seed=seed)
    assert all(torch.equal(again[name], mixed[name]) for name in mixed)


def test_random_pairs_of_three_domains_are_consistent():
    people, seen, ids = world("abcde", "edcba", "cabed")
    mixed = random_pairs(people, seen, seed=3)
    who = {
        name: dict(zip(person.tolist(), ids[name], strict=True))
        for name, person in mixed.items()
    }
    for person in range(5):
        owners = [who[name][person] for name in "abc"]
        assert len(set(owners)) == 3
    for a, b in combinations("abc", 2):
        assert links(mixed)[a, b].shape[1] == 5


def test_every_circle_is_drawn():
    people, seen, ids = world("abcd", "abcd")
    drawn = {
        "".join(
            b for _, b in linked(random_pairs(people, seen, seed=seed), ids)["a", "b"]
        )
        for seed in range(200)
    }
    assert len(drawn) == 6  # circles of four


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (("ab", "ac"), "domains a, b: 1 shared users"),
        (("abx", "aby", "abz"), "domains a, b, c: 2 shared users"),
    ],
)
def test_too_few_for_a_circle_get_no_random_partner(members, said, caplog):
    people, seen, _ = world(*members)
    mixed = random_pairs(people, seen, seed=0)
    check_accounts(mixed)
    assert all(rows.shape == (2, 0) for rows in links(mixed).values())
    assert caplog.messages == [
        f"{said} are too few to pair each with another; these links are hidden"
    ]


def test_mixing_acts_on_the_links_that_are_kept():
    people, seen, ids = world("abcdefghij", "abcdefghij")
    kept = keep_links(people, seen, ratio=0.6, seed=1)
    mixed = random_pairs(kept, seen, seed=1)
    check_accounts(mixed)
    before, after = (linked(told, ids)["a", "b"] for told in (kept, mixed))
    assert [a for a, _ in after] == [a for a, _ in before]
    assert sorted(b for _, b in after) == [a for a, _ in before]
    assert not {*after} & {*before}
