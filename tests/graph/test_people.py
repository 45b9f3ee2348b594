"""The person of a user in every stage, and what the controls of the overlap change."""

import pytest
import torch
from reference import worlds

from micrec_pyg.graph.build import test_stage as make_test_stage
from micrec_pyg.graph.build import train_stage, valid_stage
from micrec_pyg.schema import USER

PAIR = ("books", "food")
CONTROLS = [
    {},
    {"overlap_ratio": 0.5},
    {"overlap_ratio": 0.0},
    {"overlap": "random_pairs"},
    {"overlap": "random_pairs", "overlap_ratio": 0.75},
]


def stages(**changes):
    """Return (domains, training stage, [validation stage, test stage])."""
    domains, splits = worlds.worlds()
    options = worlds.options(**changes)
    train = train_stage(domains, splits, options)
    ranked = [
        valid_stage(train, domains, splits, options),
        make_test_stage(train, domains, splits, options),
    ]
    return domains, train, ranked


def ids_of(domains, name, data):
    return domains[name].interactions.users.ids.gather(data[USER].n_id.tolist())


def linked(domains, graphs):
    """Return the raw ids of users of books and food who are one person, by loops."""
    (a, person_a), (b, person_b) = (
        (ids_of(domains, name, graphs[name]), graphs[name][USER].person.tolist())
        for name in PAIR
    )
    return [
        (a[i], b[j])
        for i, one in enumerate(person_a)
        for j, other in enumerate(person_b)
        if one == other
    ]


def test_a_person_is_the_place_of_the_raw_id_among_those_of_all_domains():
    domains, train, ranked = stages()
    everybody = sorted({u for d in domains.values() for u in d.interactions.users.ids})
    for stage in (train, *ranked):
        for name, data in stage.graphs.items():
            expected = [everybody.index(u) for u in ids_of(domains, name, data)]
            assert data[USER].person.tolist() == expected


@pytest.mark.parametrize("changes", CONTROLS, ids=str)
def test_every_stage_has_the_same_people(changes):
    domains, train, ranked = stages(**changes)
    told = {}
    for stage in (train, *ranked):
        for name, data in stage.graphs.items():
            pairs = zip(
                ids_of(domains, name, data), data[USER].person.tolist(), strict=True
            )
            for user, person in pairs:
                assert told.setdefault((name, user), person) == person
    assert len(set(told.values())) >= len({user for _, user in told})


@pytest.mark.parametrize("changes", CONTROLS, ids=str)
def test_the_pairs_of_training_follow_from_the_people(changes):
    domains, train, ranked = stages(**changes)
    rows = train.overlap[PAIR]
    ids = [
        ids_of(domains, name, train.graphs[name]).gather(rows[side].tolist())
        for side, name in enumerate(PAIR)
    ]
    assert list(zip(*ids, strict=True)) == linked(domains, train.graphs)
    # and the groups of users follow from the truth
    _, _, plain = stages()
    for stage, true in zip(ranked, plain, strict=True):
        for pair, expected in true.overlap.items():
            assert torch.equal(stage.overlap[pair], expected)


def test_a_hidden_link_is_hidden_at_every_stage_and_no_user_is():
    domains, plain, plain_ranked = stages()
    _, train, ranked = stages(overlap_ratio=0.5)
    links, kept = (linked(domains, s.graphs) for s in (plain, train))
    assert len(links) > 3
    assert len(kept) == round(len(links) / 2)
    assert set(kept) < set(links)
    for stage, before in zip(ranked, plain_ranked, strict=True):
        here = linked(domains, stage.graphs)
        in_training = {user for user, _ in links}
        assert {pair for pair in here if pair[0] in in_training} == set(kept)
        for name, data in stage.graphs.items():
            assert torch.equal(data[USER].n_id, before.graphs[name][USER].n_id)
    _, _, (_, test) = stages(overlap_ratio=0.0)
    assert linked(domains, test.graphs) == []


def test_random_pairs_mix_the_kept_links():
    domains, halved, _ = stages(overlap_ratio=0.75)
    _, train, (_, test) = stages(overlap_ratio=0.75, overlap="random_pairs")
    links, pairs = (linked(domains, s.graphs) for s in (halved, train))
    assert len(links) > 1
    assert [a for a, _ in pairs] == [a for a, _ in links]
    assert sorted(b for _, b in pairs) == [a for a, _ in sorted(links)]
    assert not set(links) & set(pairs)
    assert set(pairs) <= set(linked(domains, test.graphs))
