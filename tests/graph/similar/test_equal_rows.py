"""Equal rows against a loop, and that a colliding hash changes nothing."""

import pytest
import torch

from micrec_pyg.graph.similar import equal_rows as module
from micrec_pyg.graph.similar.equal_rows import equal_rows


def tables(rows=200):
    generator = torch.Generator().manual_seed(0)
    values = torch.randint(0, 2, (rows, 4), generator=generator).float()
    values[::3] *= -1  # makes -0.0 as well
    other = torch.randint(0, 3, (rows, 2), generator=generator).float()
    mask = torch.rand(rows, generator=generator) < 0.5
    return [values, mask, other]


def loop(given):
    seen = {}
    rows = [
        tuple(x + 0.0 for t in given for x in torch.atleast_1d(t[row]).tolist())
        for row in range(len(given[0]))
    ]
    return [seen.setdefault(row, len(seen)) for row in rows]


def same_partition(a, b):
    pairs = set(zip(a, b, strict=True))
    return len(pairs) == len(set(a)) == len(set(b))


@pytest.mark.parametrize("block", [7, 4096])
def test_labels_are_those_of_a_loop(monkeypatch, block):
    monkeypatch.setattr(module, "BLOCK", block)
    given = tables()
    expected = loop(given)
    assert 1 < len(set(expected)) < len(expected)
    assert same_partition(equal_rows(given).tolist(), expected)


def test_a_collision_draws_other_multipliers(monkeypatch):
    given, real, seeds = tables(), module._hashes, []

    def colliding(parts, seed):
        seeds.append(seed)
        return (
            torch.zeros(len(parts[0]), dtype=torch.int64)
            if seed < 2
            else real(parts, seed)
        )

    monkeypatch.setattr(module, "_hashes", colliding)
    assert same_partition(equal_rows(given).tolist(), loop(given))
    assert seeds == [0, 1, 2]
