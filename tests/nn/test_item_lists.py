"""Products over lists of items, entry by entry, with their gradients."""

import pytest
import torch
from torch.testing import assert_close

from micrec_pyg.nn.item_lists import ItemLists

INDEX = torch.tensor([[1, 3], [1, 0], [0, 1], [2, 3], [4, 4]])
"""An item in its own list is a pad."""


def naive_sum(weight, x):
    return torch.stack(
        [
            sum(weight[i, c] * x[j] for c, j in enumerate(row))
            for i, row in enumerate(INDEX)
        ]
    )


def naive_products(x):
    return torch.stack(
        [
            torch.stack([(x[i] * x[j]).sum() * (i != j) for j in row])
            for i, row in enumerate(INDEX)
        ]
    )


@pytest.fixture
def lists():
    made = ItemLists()
    made.fill(torch.zeros(5, 2, dtype=torch.int64))
    made.fill(INDEX)  # in the memory of those before
    return made


def drawn(*shape):
    generator = torch.Generator().manual_seed(len(shape) + shape[1])
    return torch.randn(shape, generator=generator, requires_grad=True)


def test_weighted_sums(lists):
    weight, x, given = drawn(5, 2), drawn(5, 3), drawn(5, 3).detach()
    found, expected = lists.weighted_sum(weight, x), naive_sum(weight, x)
    assert_close(found, expected)
    ours, theirs = (
        torch.autograd.grad(y, (weight, x), given) for y in (found, expected)
    )
    assert_close(ours, theirs)


def test_products(lists):
    x, given = drawn(5, 3), drawn(5, 2).detach()
    found, expected = lists.products(x), naive_products(x)
    assert_close(found, expected)
    ours, theirs = (torch.autograd.grad(y, x, given) for y in (found, expected))
    assert_close(ours, theirs)


def test_the_memory_of_lists_stays(lists):
    before = [lists.index.data_ptr(), lists.entry.data_ptr(), lists.start.data_ptr()]
    lists.fill(INDEX.flip(1))
    after = [lists.index.data_ptr(), lists.entry.data_ptr(), lists.start.data_ptr()]
    assert before == after
    assert torch.equal(lists.index, INDEX.flip(1).int())
