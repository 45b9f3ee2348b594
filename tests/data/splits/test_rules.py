"""What every protocol owes on any data, also the smallest."""

import pytest
import torch
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from reference import splits as naive

from micrec_pyg.data.splits.saved import split_digests
from micrec_pyg.schema import InputError

few = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
some_seed = st.integers(0, 1000)
every = pytest.mark.parametrize("protocol", naive.PROTOCOLS)


def made(protocol, domains, seed):
    """Return a split; data that the protocol refuses is left to other tests."""
    try:
        return naive.PROTOCOLS[protocol](domains, seed)
    except InputError:
        return reject()


def nothing_is_lost_doubled_or_in_two_parts(domains, splits):
    assert list(splits) == list(domains)
    for name, domain in domains.items():
        data, split = domain.interactions, splits[name]
        # as lists: an edge in two parts would be counted twice
        found = [(user, item) for user, item, _ in naive.rows(split)]
        assert sorted(found) == sorted(map(tuple, data.edges.T.tolist()))
        # the edges of each part stay in the order of the data
        rows = data.edges.T.tolist()
        for part in naive.PARTS:
            order = [rows.index(pair) for pair in getattr(split, part).T.tolist()]
            assert order == sorted(order)


def training_joins_seen_nodes_and_seen_users_train(splits):
    for split in splits.values():
        assert naive.marked(split.seen_user) == naive.users_of(split.train)
        assert set(split.train[1].tolist()) <= naive.marked(split.seen_item)


@every
@given(data=st.data(), seed=some_seed, order=some_seed)
@few
def test_rules_of_every_split(protocol, data, seed, order):
    """All in one test: to find data that a protocol accepts takes longest."""
    domains = data.draw(naive.domains_for(protocol))
    splits = made(protocol, domains, seed)
    nothing_is_lost_doubled_or_in_two_parts(domains, splits)
    training_joins_seen_nodes_and_seen_users_train(splits)
    # one seed is one split
    naive.same(splits, made(protocol, domains, seed))
    # and the order of rows and domains is irrelevant
    turned = {n: naive.shuffled(domains[n], order) for n in reversed(domains)}
    assert split_digests(made(protocol, turned, seed), turned) == split_digests(
        splits, domains
    )


@pytest.mark.parametrize("protocol", sorted(naive.PROTOCOLS.keys() - naive.TOGETHER))
@given(domains=naive.some_domains(min_domains=2), seed=some_seed)
@few
def test_other_domains_change_nothing(protocol, domains, seed):
    splits = made(protocol, domains, seed)
    for name, domain in domains.items():
        alone = naive.PROTOCOLS[protocol]({name: domain}, seed)
        naive.same(alone, {name: splits[name]})


@pytest.mark.parametrize(
    "protocol", sorted(naive.PROTOCOLS.keys() - {"global_time", "global_time new"})
)
def test_another_seed_is_another_split(protocol):
    pairs = [(u, i) for u in range(30) for i in range(20)]
    domains = {
        name: naive.make_domain(pairs, 30, 20, time=[0] * len(pairs)) for name in "ab"
    }
    one, two = (
        split_digests(naive.PROTOCOLS[protocol](domains, seed), domains)
        for seed in (0, 1)
    )
    assert one["a"] != two["a"]
    assert one["a"] != one["b"]  # a domain draws for itself


DEGENERATE = {
    "one user, one interaction": ([(0, 0)], [5]),
    "one user, all at once": ([(0, i) for i in range(6)], [5] * 6),
    "an empty domain": ([], []),
}


REFUSALS = {
    "history_elsewhere": "nobody is drawn of 0 users",
    "global_time": "domain 'd': no training edge is left: nothing of it lies before",
}
EMPTY = "domain 'd': no training edge is left: none joins two old nodes"


@pytest.mark.parametrize("named", naive.PROTOCOLS)
@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_data_works_or_is_refused(named, case):
    pairs, time = DEGENERATE[case]
    domains = {"d": naive.make_domain(pairs, 1, 6, time=time)}
    protocol, _, select = named.partition(" ")
    refusal = REFUSALS.get(protocol)
    if protocol in ("new_nodes", "zero_edge") and not pairs:
        refusal = EMPTY
    if refusal:
        with pytest.raises(InputError, match=refusal):
            naive.PROTOCOLS[named](domains, 0)
        return
    split = naive.PROTOCOLS[named](domains, 0)["d"]
    assert split.select == (select or "seen")
    count = {part: getattr(split, part).shape[1] for part in naive.PARTS}
    assert sum(count.values()) == len(pairs)
    assert bool(count["train"]) == bool(pairs)
    if protocol.startswith("leave_one_out") and len(pairs) == 6:
        assert (count["train"], count["val"], count["test"]) == (4, 1, 1)


def test_equal_times_are_not_held_out_by_id_or_row():
    """Which of equal times is held out must be a draw, not the last row or id."""
    users, items = 600, 4
    pairs = [(u, i) for u in range(users) for i in range(items)]
    domains = {"d": naive.make_domain(pairs, users, items, time=[0] * len(pairs))}
    for protocol in ("leave_one_out", "leave_one_out_random"):
        test = naive.PROTOCOLS[protocol](domains, 0)["d"].test
        hits = torch.bincount(test[1], minlength=items)
        # binomial, 600 draws with probability 1/4: five standard deviations are 53
        assert ((hits - users / items).abs() < 54).all()
