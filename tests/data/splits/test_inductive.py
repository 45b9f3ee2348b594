"""New interactions, new nodes, zero-edge items, and histories in other domains."""

import math
from collections import Counter

import pytest
import torch
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from reference.splits import (
    PARTS,
    RATIOS,
    linked_domains,
    make_domain,
    marked,
    part_of,
    same,
    some_domains,
)

from micrec_pyg.data.splits.at_random import random_ratio
from micrec_pyg.data.splits.inductive import (
    history_elsewhere,
    new_interactions,
    new_nodes,
    zero_edge,
)
from micrec_pyg.schema import InputError

SEEN = {"select": "seen"}
NEW = {"select": "new"}
share = st.integers(0, 10)
some_ratios = st.tuples(st.integers(1, 10), share, share).map(list)
some_seed = st.integers(0, 1000)
few = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


def divided(split, domains, **options):
    """Return a split; data too small for it is left to another test."""
    try:
        return split(domains, **options)
    except InputError:
        return reject()


@given(some_domains(), some_ratios, some_seed, st.floats(0, 0.9))
@few
def test_new_interactions_are_taken_from_training_alone(domains, ratios, seed, new):
    base = random_ratio(domains, ratios=ratios, seed=seed)
    options = {"ratios": ratios, "new_share": new, "seed": seed}
    old = new_interactions(domains, graph="old", **options)
    full = new_interactions(domains, graph="full", **options)
    for name, before in base.items():
        for split, where in ((old[name], "silent"), (full[name], "support")):
            expected, found = part_of(before), part_of(split)
            late = {pair for pair, part in found.items() if part == where}
            assert all(expected[pair] == "train" for pair in late)
            assert {**found, **dict.fromkeys(late, "train")} == expected
        assert torch.equal(old[name].silent, full[name].support)
        for part in ("train", "val", "test", "seen_user", "seen_item"):
            assert torch.equal(getattr(old[name], part), getattr(full[name], part))
        assert full[name].seen_item.all()
        count = Counter(user for user, _, *_ in before.train.T.tolist())
        late = Counter(full[name].support[0].tolist())
        for user, n in count.items():
            assert late[user] <= n - 1
            if n - 1 >= math.ceil(n * new):
                assert math.floor(n * new) <= late[user] <= math.ceil(n * new)


def test_no_new_interaction_is_random_ratio():
    domain = make_domain([(u, i) for u in range(9) for i in range(7)], 9, 7)
    options = {"ratios": RATIOS, "seed": 4}
    base = random_ratio({"d": domain}, **options)
    for graph in ("old", "full"):
        found = new_interactions({"d": domain}, new_share=0, graph=graph, **options)
        same(found, base)


def test_the_share_of_new_interactions_is_right_and_the_rounding_independent():
    users, n = 20_000, 4
    domain = make_domain([(u, i) for u in range(users) for i in range(n)], users, n)
    split = new_interactions(
        {"d": domain}, ratios=[1, 0, 0], new_share=0.2, graph="full", seed=0
    )["d"]
    chance = n * 0.2  # 0 or 1 per user: a coin
    error = 5 * math.sqrt(chance * (1 - chance) / users)
    assert abs(split.support.shape[1] / users - chance) < error


def test_impossible_options_of_new_interactions_are_refused():
    domains = {"d": make_domain([(0, 0)], 1, 1)}
    options = {"ratios": RATIOS, "seed": 0}
    with pytest.raises(InputError, match="'new' is unknown; valid: old, full"):
        new_interactions(domains, new_share=0.2, graph="new", **options)
    with pytest.raises(InputError, match="new_share=1; needed: at least 0, below 1"):
        new_interactions(domains, new_share=1, graph="old", **options)


@given(some_domains(min_edges=3), some_ratios, some_seed, st.floats(0, 0.6))
@few
def test_new_nodes_keep_their_rules(domains, ratios, seed, unseen):
    base = random_ratio(domains, ratios=ratios, seed=seed)
    options = {"ratios": ratios, "unseen_share": unseen, "seed": seed, **SEEN}
    splits = divided(new_nodes, domains, **options)
    for name, split in splits.items():
        assert torch.equal(split.val, base[name].val)
        assert torch.equal(split.test, base[name].test)
        touches_new = ~(split.seen_user[split.support[0]])
        touches_new |= ~(split.seen_item[split.support[1]])
        assert touches_new.all()


def test_nobody_is_new_with_a_share_of_zero():
    domain = make_domain([(u, i) for u in range(5) for i in range(4)], 5, 6)
    base = random_ratio({"d": domain}, ratios=RATIOS, seed=3)
    # the two items without any edge are old, too
    for split in (new_nodes, zero_edge):
        same(split({"d": domain}, ratios=RATIOS, unseen_share=0, **SEEN, seed=3), base)


def test_a_user_is_new_in_every_domain_or_in_none():
    pairs = [(u, i) for u in range(200) for i in range(10)]
    domains = {
        "a": make_domain(pairs, 200, 10),
        "b": make_domain([(u, 9 - i) for u, i in reversed(pairs)], 200, 10),
    }
    splits = new_nodes(domains, ratios=[1, 0, 0], unseen_share=0.2, **SEEN, seed=1)
    # with ten items each, every old user has a training edge
    assert torch.equal(splits["a"].seen_user, splits["b"].seen_user)
    assert not splits["a"].seen_user.all()
    # items are drawn per domain; equal ids mean nothing across domains
    pairs = [(i, i) for i in range(200)]
    many = {name: make_domain(pairs, 200, 200) for name in "xy"}
    drawn = new_nodes(many, ratios=[1, 0, 0], unseen_share=0.2, **SEEN, seed=1)
    assert not torch.equal(drawn["x"].seen_item, drawn["y"].seen_item)


def test_another_seed_draws_other_nodes_and_edges():
    domain = make_domain([(u, i) for u in range(40) for i in range(40)], 40, 40)
    one, two = (
        new_nodes({"d": domain}, ratios=RATIOS, unseen_share=0.2, **SEEN, seed=seed)[
            "d"
        ]
        for seed in (0, 1)
    )
    assert not torch.equal(one.seen_user, two.seen_user)
    assert not torch.equal(one.seen_item, two.seen_item)
    assert not torch.equal(one.test, two.test)


def test_the_share_of_new_nodes_is_right_on_average():
    n = 20_000
    domain = make_domain([(u, u) for u in range(n)], n, n)
    split = new_nodes(
        {"d": domain}, ratios=[1, 0, 0], unseen_share=0.2, **SEEN, seed=0
    )["d"]
    error = 5 * math.sqrt(0.2 * 0.8 / n)  # five standard deviations
    assert abs(split.seen_item.double().mean().item() - 0.8) < error
    # one edge per user: seen needs the user and the item to be old, independently
    error = 5 * math.sqrt(0.64 * 0.36 / n)
    assert abs(split.seen_user.double().mean().item() - 0.64) < error


@pytest.mark.parametrize("split", [new_nodes, zero_edge])
def test_impossible_shares_are_refused(split):
    domain = make_domain([(0, 0)], 1, 1)
    for unseen in (-0.1, 1, 1.5):
        with pytest.raises(InputError, match="at least 0, below 1"):
            split({"d": domain}, ratios=RATIOS, unseen_share=unseen, **SEEN, seed=0)
    with pytest.raises(InputError, match="domain 'd': no training edge"):
        split({"d": domain}, ratios=RATIOS, unseen_share=1 - 1e-9, **SEEN, seed=0)


@given(some_domains(min_edges=3), some_ratios, some_seed, st.floats(0, 0.6))
@few
def test_a_zero_edge_item_is_in_the_test_alone(domains, ratios, seed, unseen):
    options = {"ratios": ratios, "unseen_share": unseen, "seed": seed, **SEEN}
    base = divided(new_nodes, domains, **options)
    splits = zero_edge(domains, **options)
    for name, split in splits.items():
        assert torch.equal(split.seen_item, base[name].seen_item)
        assert torch.equal(split.seen_user, base[name].seen_user)
        expected = {
            (user, item): part if split.seen_item[item] else "test"
            for (user, item), part in part_of(base[name]).items()
        }
        assert part_of(split) == expected


def naive_owners(domains):
    """Return {raw user: domains with an edge of that user}."""
    owners = {}
    for name, domain in domains.items():
        data = domain.interactions
        for user in set(data.user.tolist()):
            owners.setdefault(data.users.ids[user], set()).add(name)
    return owners


@given(linked_domains(), some_ratios, some_seed)
@few
def test_a_target_user_has_a_history_elsewhere_alone(domains, ratios, seed):
    base = random_ratio(domains, ratios=ratios, seed=seed)
    options = {"ratios": ratios, "share": 0.7, "seed": seed, **SEEN}
    splits = divided(history_elsewhere, domains, **options)
    owners, targets = naive_owners(domains), {}
    for name, split in splits.items():
        ids = domains[name].interactions.users.ids
        mine = {
            user
            for user in domains[name].interactions.user.tolist()
            if user not in marked(split.seen_user)
        }
        for user in mine:
            targets.setdefault(ids[user], []).append(name)
        expected = {
            (user, item): "test" if user in mine else part
            for (user, item), part in part_of(base[name]).items()
        }
        assert part_of(split) == expected
        assert split.seen_item.all()
    assert targets
    for user, where in targets.items():
        assert len(where) == 1
        elsewhere = owners[user] - set(where)
        assert elsewhere
        for name in elsewhere:
            data = domains[name].interactions
            row = data.users.ids.to_list().index(user)
            assert splits[name].seen_user[row]


def test_every_domain_is_the_target_of_its_share_of_users():
    users = 9_000
    pairs = [(u, 0) for u in range(users)]
    domains = {name: make_domain(pairs, users, 1) for name in "abc"}
    # two further users, in one domain each, are never drawn
    domains["a"] = make_domain([*pairs, (users, 0)], users + 1, 1)
    splits = history_elsewhere(domains, ratios=[1, 0, 0], share=0.3, **SEEN, seed=0)
    for split in splits.values():
        error = 5 * math.sqrt(users * 0.1 * 0.9)
        assert abs(split.test.shape[1] - users * 0.1) < error
    assert splits["a"].seen_user[users]


def test_a_domain_that_shares_nobody_is_divided_as_at_random():
    pairs = [(u, i) for u in range(40) for i in range(5)]
    domains = {
        "a": make_domain(pairs, 40, 5),
        "b": make_domain(pairs, 40, 5),
        "c": make_domain(pairs, 40, 5, first_user=1000),
    }
    options = {"ratios": RATIOS, "seed": 2}
    found = history_elsewhere(domains, share=0.5, **SEEN, **options)
    same({"c": found["c"]}, random_ratio({"c": domains["c"]}, **options))


def test_a_history_elsewhere_needs_shared_users():
    pairs = [(u, i) for u in range(3) for i in range(3)]
    one, other = make_domain(pairs, 3, 3), make_domain(pairs, 3, 3, first_user=50)
    options = {"ratios": RATIOS, "seed": 0}
    for domains in ({"a": one}, {"a": one, "b": other}):
        with pytest.raises(InputError, match="nobody is drawn of 0 users"):
            history_elsewhere(domains, share=0.5, **SEEN, **options)
    both = {"a": one, "b": one}
    with pytest.raises(InputError, match="nobody is drawn of 3 users"):
        history_elsewhere(both, share=0, **SEEN, **options)
    with pytest.raises(InputError, match="share=1; needed: at least 0, below 1"):
        history_elsewhere(both, share=1, **SEEN, **options)
    single = {name: make_domain([(0, 0)], 1, 1) for name in "ab"}
    with pytest.raises(InputError, match=r"no training edge.*too many users are drawn"):
        history_elsewhere(single, share=0.999999, **SEEN, **options)


def test_parts_are_those_of_the_type():
    domain = make_domain([(0, 0)], 1, 1)
    split = random_ratio({"d": domain}, ratios=RATIOS, seed=0)["d"]
    assert {*PARTS, "seen_user", "seen_item", "select"} == set(vars(split))


@given(some_domains(min_edges=3), some_ratios, some_seed, st.floats(0, 0.6))
@few
def test_selection_by_new_nodes_moves_support_to_validation(
    domains, ratios, seed, unseen
):
    options = {"ratios": ratios, "unseen_share": unseen, "seed": seed}
    base = divided(new_nodes, domains, **options, **SEEN)
    for name, split in new_nodes(domains, **options, **NEW).items():
        moved = {"support": "val_support"}
        expected = {e: moved.get(part, part) for e, part in part_of(base[name]).items()}
        assert part_of(split) == expected
        assert (split.select, base[name].select) == ("new", "seen")
        assert torch.equal(split.seen_user, base[name].seen_user)
        assert torch.equal(split.seen_item, base[name].seen_item)


@given(some_domains(min_edges=3), some_ratios, some_seed, st.floats(0, 0.6))
@few
def test_selection_by_zero_edge_items_keeps_their_validation_pairs(
    domains, ratios, seed, unseen
):
    options = {"ratios": ratios, "unseen_share": unseen, "seed": seed}
    base = divided(new_nodes, domains, **options, **NEW)
    for name, split in zero_edge(domains, **options, **NEW).items():
        expected = {
            (user, item): part if split.seen_item[item] or part == "val" else "test"
            for (user, item), part in part_of(base[name]).items()
        }
        assert part_of(split) == expected
        # nobody has touched a new item, at validation or at the test
        for edges in (split.known_at_validation, split.known_at_test):
            assert bool(split.seen_item[edges[1]].all())


@given(linked_domains(), some_ratios, some_seed)
@few
def test_selection_by_histories_elsewhere_keeps_validation_pairs(domains, ratios, seed):
    base = random_ratio(domains, ratios=ratios, seed=seed)
    options = {"ratios": ratios, "share": 0.7, "seed": seed}
    seen = divided(history_elsewhere, domains, **options, **SEEN)
    for name, split in history_elsewhere(domains, **options, **NEW).items():
        whole = part_of(base[name])
        expected = {
            edge: "val" if whole[edge] == "val" else part
            for edge, part in part_of(seen[name]).items()
        }
        assert part_of(split) == expected
        assert torch.equal(split.seen_user, seen[name].seen_user)


@pytest.mark.parametrize("split", [new_nodes, zero_edge, history_elsewhere])
def test_an_unknown_rule_of_selection_is_refused(split):
    domain = make_domain([(u, i) for u in range(4) for i in range(4)], 4, 4)
    own = {"share": 0.5} if split is history_elsewhere else {"unseen_share": 0}
    with pytest.raises(InputError, match=r"select='all' is unknown; valid: seen, new"):
        split({"d": domain}, ratios=RATIOS, select="all", seed=0, **own)
