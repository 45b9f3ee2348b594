"""Lists of similar rows, and of new rows among old ones, pair by pair."""

import torch
from torch.testing import assert_close

from micrec_pyg.graph.similar.vectors import similar_rows, with_new_rows


def expected(values, among, k):
    """Return lists by cosine: of every row, those among some rows."""
    index, similarity = [], []
    for i, row in enumerate(values):
        pairs = []
        for j in among:
            length = row.norm() * values[j].norm()
            if j != i and row @ values[j] > 0:
                pairs.append((float(row @ values[j] / length), j))
        best = sorted(pairs, reverse=True)[:k]
        best += [(0.0, i)] * (k - len(best))
        similarity.append([s for s, _ in best])
        index.append([j for _, j in best])
    return torch.tensor(index), torch.tensor(similarity)


def vectors():
    values = torch.randn(9, 3, generator=torch.Generator().manual_seed(4))
    values[2] = 0
    return values


def test_lists_of_a_table():
    values = vectors()
    index, similarity = similar_rows(values, 4)
    theirs = expected(values, range(9), 4)
    assert torch.equal(index, theirs[0])
    assert_close(similarity, theirs[1])


def test_new_rows_find_old_ones_whose_lists_stay():
    values = vectors()
    old, new = torch.tensor([6, 0, 2, 4, 7]), torch.tensor([1, 3, 5, 8])
    known = similar_rows(values[old], 4)
    index, similarity = with_new_rows(known, values, old, new)
    theirs = expected(values, old.tolist(), 4)
    assert torch.equal(index, theirs[0])
    assert_close(similarity, theirs[1])
