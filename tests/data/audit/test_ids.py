"""Exchanged columns, spellings, and what two domains share or do not share."""

import dataclasses

import polars as pl
import pytest
import torch
from reference import leaks

from micrec_pyg.data.audit.report import audit
from micrec_pyg.data.splits.at_random import random_ratio, ready
from micrec_pyg.data.splits.leak import claim_of
from micrec_pyg.schema import Interactions, Vocab


def audited(catalogues, splits=None):
    if splits is None:
        splits = random_ratio(catalogues, ratios=[7, 1, 2], seed=0)
    return audit(catalogues, splits, promised=claim_of(random_ratio), claim=None)


def found(result, check):
    return [f for f in result.findings if f.check == check]


def exchanged(catalogue):
    """Return a catalogue read with its two columns the wrong way round."""
    data = catalogue.interactions
    return dataclasses.replace(
        catalogue,
        interactions=Interactions(
            user=data.item,
            item=data.user,
            users=Vocab(data.items.ids),
            items=Vocab(data.users.ids),
            time=data.time,
        ),
        content={"text": pl.Series([None] * len(data.users), dtype=pl.String)},
    )


def rows_of(catalogue):
    data = catalogue.interactions
    return [
        (data.users.ids[u], data.items.ids[i], t)
        for u, i, t in zip(
            data.user.tolist(), data.item.tolist(), data.time.tolist(), strict=True
        )
    ]


def renamed(catalogue, rename):
    """Return a catalogue whose users have other ids."""
    data = catalogue.interactions
    users = Vocab(pl.Series([rename(raw) for raw in data.users.ids]))
    return dataclasses.replace(
        catalogue, interactions=dataclasses.replace(data, users=users)
    )


@pytest.mark.parametrize("ids", ["words", "amazon"])
def test_one_domain_with_exchanged_columns(ids):
    catalogues = leaks.shop(ids=ids)
    planted = {**catalogues, "d1": exchanged(catalogues["d1"])}
    result = audited(planted)
    assert {f.error for f in found(result, "swapped_columns")} == {True}
    assert found(result, "swapped_columns")


@pytest.mark.parametrize("ids", ["words", "amazon"])
def test_all_domains_with_exchanged_columns(ids):
    # words that mean nothing to anybody cannot tell; Amazon's ids can
    catalogues = {n: exchanged(c) for n, c in leaks.shop(ids=ids).items()}
    wheres = {f.where for f in found(audited(catalogues), "swapped_columns")}
    assert wheres == ({"d0", "d1"} if ids == "amazon" else set())


def test_a_single_domain_with_exchanged_columns():
    catalogues = {"d0": exchanged(leaks.shop(ids="amazon", domains=1)["d0"])}
    (finding,) = found(audited(catalogues), "swapped_columns")
    assert finding.count == len(catalogues["d0"].interactions.users)


@pytest.mark.parametrize("ids", ["words", "amazon"])
@pytest.mark.parametrize("domains", [1, 2])
def test_one_row_with_exchanged_columns(ids, domains):
    catalogues = leaks.shop(ids=ids, domains=domains)
    rows = rows_of(catalogues["d0"])
    user, item, time = rows[7]
    rows[7] = (item, user, time)
    result = audited({**catalogues, "d0": leaks.catalogue("d0", rows)})
    (finding,) = found(result, "swapped_columns")
    assert (finding.count, finding.error) == (1, True)
    assert finding.examples == (f"user {item}, item {user}",)


def test_numbers_of_users_and_items_may_coincide():
    assert found(audited(leaks.shop(ids="numbers")), "swapped_columns") == []


def test_domains_without_a_common_user():
    catalogues = leaks.shop(domains=3)
    planted = {**catalogues, "d2": renamed(catalogues["d2"], "other-{}".format)}
    result = audited(planted)
    wheres = [f.where for f in found(result, "no_overlap") if f.error]
    assert wheres == ["d0 + d2", "d1 + d2"]
    assert "would match" not in found(result, "no_overlap")[0].message


@pytest.mark.parametrize("rename", [str.upper, " {} ".format])
def test_common_users_in_another_spelling(rename):
    catalogues = leaks.shop()
    planted = {**catalogues, "d1": renamed(catalogues["d1"], rename)}
    (finding,) = found(audited(planted), "no_overlap")
    assert "; 12 would match without case" in finding.message


def test_common_users_who_are_all_new():
    catalogues = leaks.shop()
    splits = random_ratio(catalogues, ratios=[7, 1, 2], seed=0)
    shared = catalogues["d0"].interactions.users.ids.is_in(
        catalogues["d1"].interactions.users.ids.implode()
    )
    split = splits["d0"]
    seen = split.seen_user & ~torch.tensor(shared.to_list())
    new = ~seen[split.train[0]]
    planted = leaks.changed(
        split,
        train=split.train[:, ~new],
        support=split.train[:, new],
        seen_user=seen,
    )
    result = audited(catalogues, {**splits, "d0": planted})
    (finding,) = found(result, "no_overlap")
    assert "all 12 common users are new" in finding.message


@pytest.mark.parametrize(
    ("user", "item"),
    [("{}", "{} "), ("{}", "{}.0"), ("00{}", "{}")],
)
@pytest.mark.parametrize("ids", ["words", "numbers"])
def test_a_pair_in_another_spelling(user, item, ids):
    catalogues = leaks.shop(ids=ids, domains=1)
    rows = rows_of(catalogues["d0"])
    rows.append((user.format(rows[3][0]), item.format(rows[3][1]), rows[3][2]))
    result = audited({"d0": leaks.catalogue("d0", rows)})
    (finding,) = found(result, "near_duplicates")
    assert (finding.count, finding.error) == (2, True)


@pytest.mark.parametrize(
    ("texts", "leaks_pair"),
    [
        (("Tea", "Tea"), True),
        (("Tea", "Pan"), False),
        ((None, None), True),
        (("Tea", None), True),
        ((None, "Tea"), True),
        (("Tea | Green", "Tea"), True),
        (("Tea", "Tea pot and pan"), True),
    ],
)
def test_a_test_pair_known_in_another_domain(texts, leaks_pair):
    catalogues = leaks.shop()
    splits = random_ratio(catalogues, ratios=[7, 1, 2], seed=0)
    one, two = (catalogues[name] for name in ("d0", "d1"))
    shared = set(one.interactions.users.ids) & set(two.interactions.users.ids)
    # a test edge of a shared user, and one of his training edges in the other domain
    edge = next(
        e
        for e in splits["d0"].test.T.tolist()
        if one.interactions.users.ids[e[0]] in shared
    )
    person = one.interactions.users.ids[edge[0]]
    other = two.interactions.users.ids.to_list().index(person)
    known = int(splits["d1"].train[1][splits["d1"].train[0] == other][0])
    planted = {
        "d0": _called(one, edge[1], "same", texts[0]),
        "d1": _called(two, known, "same", texts[1]),
    }
    result = audited(planted, splits)
    pairs = [f for f in found(result, "cross_domain_pairs") if f.where == "d0"]
    assert bool(pairs) == leaks_pair
    if leaks_pair:
        assert pairs[0].error
        assert pairs[0].examples == (f"user {person}, item same: known in d1",)
        (note, *_) = found(result, "shared_items")
        assert not note.error


def test_giving_texts_to_one_domain_hides_no_leak():
    rows = [(f"u{u}", f"i{i}", 100 * u + i) for u in range(6) for i in range(6)]
    texts = {f"i{i}": f"Title {i}" for i in range(6)}
    known = leaks.catalogue("d1", rows, part=[0] * 36)
    tested = leaks.catalogue(
        "d0", rows, part=[2 if i % 6 > 3 else 0 for i in range(36)]
    )
    named = leaks.catalogue("d0", rows, part=tested.interactions.part, texts=texts)
    counts = []
    for shop in ({"d0": tested, "d1": known}, {"d0": named, "d1": known}):
        result = audit(shop, ready(shop), promised=None, claim="user_future")
        (finding,) = found(result, "cross_domain_pairs")
        counts.append((finding.where, finding.count, finding.error))
    assert counts == [("d0", 12, True)] * 2


def test_a_bare_number_is_no_evidence_where_a_text_is_missing():
    catalogues = leaks.shop(ids="numbers")
    titles = [f"Title {i}" for i in range(len(catalogues["d0"].content["text"]))]
    one = dataclasses.replace(catalogues["d0"], content={"text": pl.Series(titles)})
    result = audited({**catalogues, "d0": one})
    assert found(result, "cross_domain_pairs") == []


def _called(catalogue, place, raw, text):
    """Return a catalogue in which one item has this id and this text."""
    data = catalogue.interactions
    ids, texts = data.items.ids.to_list(), catalogue.content["text"].to_list()
    ids[place], texts[place] = raw, text
    return dataclasses.replace(
        catalogue,
        interactions=dataclasses.replace(data, items=Vocab(pl.Series(ids))),
        content={"text": pl.Series(texts, dtype=pl.String)},
    )


def test_equal_numbers_without_text_are_no_evidence():
    result = audited(leaks.shop(ids="numbers"))
    assert found(result, "cross_domain_pairs") == []
    assert found(result, "shared_items") == []


def test_a_test_item_that_the_user_knows_under_another_id():
    catalogues = leaks.shop(domains=1)
    splits = random_ratio(catalogues, ratios=[7, 1, 2], seed=0)
    user, item = splits["d0"].test[:, 0].tolist()
    twin = int(splits["d0"].train[1][splits["d0"].train[0] == user][0])
    given = _called(catalogues["d0"], item, "left", "Red tea")
    given = _called(given, twin, "right", "Red tea")
    (finding,) = found(audited({"d0": given}, splits), "copied_items")
    name = catalogues["d0"].interactions.users.ids[user]
    assert not finding.error
    assert f"user {name}, item left: known as right" in finding.examples


@pytest.mark.parametrize(
    ("copied", "error"), [(0, None), (4, False), (6, False), (7, True), (12, True)]
)
@pytest.mark.parametrize("elsewhere", [False, True])
def test_copies_of_known_items_above_one_half_are_an_error(copied, error, elsewhere):
    # 12 test pairs; the text of some is that of an item that the user knows
    known = [(f"u{u}", "old", u) for u in range(12)]
    tests = [(f"u{u}", f"new{u}", 20 + u) for u in range(12)]
    texts = {f"new{u}": "Red tea" if u < copied else f"Tea {u}" for u in range(12)}
    texts["old"] = "Red tea"
    shops = {"d0": (known + tests, [0] * 12 + [2] * 12)}
    if elsewhere:
        plain = [(f"u{u}", "plain", u) for u in range(12)]
        shops = {"d0": (plain + tests, [0] * 12 + [2] * 12), "d1": (known, [0] * 12)}
    given = {
        name: leaks.catalogue(name, rows, part=part, texts=texts)
        for name, (rows, part) in shops.items()
    }
    result = audit(given, ready(given), promised=None, claim="user_future")
    findings = found(result, "copied_items")
    if error is None:
        assert findings == []
    else:
        (finding,) = findings
        assert (finding.where, finding.count, finding.error) == ("d0", copied, error)
        assert finding.examples[0] == "user u0, item new0: known as old"
