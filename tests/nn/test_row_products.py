"""Rows of a sparse product against a loop over pairs of rows."""

import pytest
import torch
from torch.testing import assert_close

from micrec_pyg.graph.norm import sparse_csr
from micrec_pyg.nn.row_products import RowProducts

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.mark.parametrize("device", DEVICES)
def test_a_row_holds_the_weights_of_what_it_shares_with_each(device):
    generator = torch.Generator().manual_seed(0)
    taken = torch.rand(7, 5, generator=generator) < 0.5
    taken[3] = False
    row, col = taken.nonzero().T
    weight = torch.rand(len(row), generator=generator)
    matrix = sparse_csr(row, col, torch.full_like(weight, 9.0), (7, 5)).to(device)
    products = RowProducts(matrix, weight.to(device))
    pairs = zip(row.tolist(), col.tolist(), weight.tolist(), strict=True)
    held = {(r, c): w for r, c, w in pairs}
    expected = [
        [
            sum(w for (r, c), w in held.items() if r == b and taken[a, c])
            for b in range(7)
        ]
        for a in range(7)
    ]
    blocks = torch.arange(7, device=device).split(4)
    found = [products.rows(some) for some in blocks]
    assert_close(torch.cat(found).cpu(), torch.tensor(expected))
    assert all(each.is_contiguous() for each in found)
