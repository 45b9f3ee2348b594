"""Pools of negatives that a batch shares, against what they promise."""

import math

import pytest
import torch
from reference import worlds

from micrec_pyg.training.samples import PoolSampler

EDGES = worlds.random_edges(7, 9, 0.4, seed=3)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("size", "in_batch"), [(4, False), (4, True), (50, True)])
def test_taken_is_who_has_what(size, in_batch):
    sampler = PoolSampler(EDGES, 7, 9, size=size, in_batch=in_batch)
    has = set(zip(*EDGES.tolist(), strict=True))
    pool = sampler.draw(30, generator())
    assert len(pool.neg.unique()) == len(pool.neg) == min(size, 9)
    columns = pool.neg.tolist() + (pool.pos.tolist() if in_batch else [])
    expected = [[(u, i) in has for i in columns] for u in pool.user.tolist()]
    assert pool.taken.tolist() == expected
    assert all(
        pair in has for pair in zip(pool.user.tolist(), pool.pos.tolist(), strict=True)
    )


def test_the_pool_is_uniform_and_the_pairs_are_those_of_triplets():
    sampler = PoolSampler(EDGES, 7, 9, size=3, in_batch=False)
    draw = generator(1)
    counts = torch.zeros(9)
    for _ in range(600):
        counts[sampler.draw(1, draw).neg] += 1
    assert float((counts - 200).abs().max()) < 5 * (200 * 2 / 3) ** 0.5
    pool, triplets = sampler.draw(8, generator(2)), sampler.pairs.draw(8, generator(2))
    assert torch.equal(pool.user, triplets.user)
    assert torch.equal(pool.pos, triplets.pos)


def test_log_q_is_the_chance_of_a_positive():
    sampler = PoolSampler(EDGES, 7, 9, size=3, in_batch=True)
    pairs = EDGES.T.tolist()
    for item in range(9):
        chance = sum(
            1 / 7 / sum(u == user for u, _ in pairs) for user, i in pairs if i == item
        )
        expected = math.log(9 * chance) if chance else -math.inf
        assert float(sampler.log_q[item]) == pytest.approx(expected, rel=1e-6)
