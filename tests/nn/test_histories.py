"""Dense rows of what users took, against a loop over the pairs."""

import pytest
import torch
from reference import worlds
from reference.waiting import NoWaiting

from micrec_pyg.nn.histories import Histories, histories
from micrec_pyg.schema import INTERACTED_BY


def by_loop(pairs, num_users, num_items):
    rows = torch.zeros(num_users, num_items)
    for user, item in pairs.T.tolist():
        rows[user, item] = 1
    return rows


@pytest.mark.parametrize("seed", range(3))
def test_rows_equal_the_loop(seed):
    pairs = worlds.random_edges(9, 7, 0.3, seed)
    # the first, one in the middle and the last user took nothing
    pairs = pairs[:, ~torch.isin(pairs[0], torch.tensor([0, 4, 8]))]
    order = torch.randperm(
        pairs.shape[1], generator=torch.Generator().manual_seed(seed)
    )
    twice = torch.cat([pairs[:, order], pairs[:, :2]], dim=1)
    found = Histories(twice, num_users=9, num_items=7)
    user = torch.tensor([8, 3, 0, 3, 4, 7])
    with NoWaiting():
        rows = found.rows(user)
    assert torch.equal(rows, by_loop(pairs, 9, 7)[user])
    assert len(found.rows(user[:0])) == 0


def test_nobody_took_anything():
    none = torch.zeros(2, 0, dtype=torch.int64)
    rows = Histories(none, num_users=3, num_items=2).rows(torch.arange(3))
    assert torch.equal(rows, torch.zeros(3, 2))


def test_a_graph_has_the_histories_of_its_edges(graph):
    for data in graph[:2]:
        matrix = data[INTERACTED_BY].adj_t.to_dense()
        rows = histories(data).rows(torch.arange(len(matrix)))
        assert torch.equal(rows, (matrix > 0).float())
        assert bool(rows.any())
