"""The sparse product against loops and its gradient against dense ones."""

import numpy as np
import pytest
import torch
from reference import nn as reference
from torch.testing import assert_close

from micrec_pyg.graph.norm import empty_csr, sparse_csr, transpose
from micrec_pyg.nn.conv import WeightedSum
from micrec_pyg.nn.edge_dropout import dropout
from micrec_pyg.nn.kernels import KERNELS, configure
from micrec_pyg.nn.row_parts import RowIndex, RowParts
from micrec_pyg.nn.spmm import product, product_from_rows, product_rows, spmm
from micrec_pyg.schema import InputError

SHAPE = (7, 5)


def random(seed, *shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype)


def matrix(seed=0, shape=SHAPE):
    """Return (CSR, transposed CSR, perm); row 2 and column 1 are empty."""
    kept = random(seed, *shape) > 0
    kept[2], kept[:, 1] = False, False
    row, col = kept.nonzero(as_tuple=True)
    csr = sparse_csr(row, col, random(seed + 1, len(row)), shape)
    return csr, *transpose(csr)


def test_product_is_that_of_the_loop():
    csr, transposed, _ = matrix()
    x = random(3, 5, 4)
    expected = reference.spmm(csr.to_dense().double().numpy(), x.numpy())
    assert_close(spmm(csr, x, transposed).numpy(), expected)
    single = spmm(csr, x.float(), transposed)
    assert single.dtype == torch.float32
    assert_close(single.numpy(), expected.astype(np.float32), rtol=1e-5, atol=1e-6)


def test_gradient_is_the_dense_one():
    csr, transposed, _ = matrix()
    x = random(3, 5, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: spmm(csr, x, transposed), (x,))
    given = random(4, 7, 4)
    (found,) = torch.autograd.grad(spmm(csr, x, transposed), x, given)
    (dense,) = torch.autograd.grad(csr.to_dense().double() @ x, x, given)
    assert_close(found, dense)


def test_values_replace_those_of_both_matrices():
    csr, transposed, perm = matrix()
    values = random(8, csr.values().numel())
    other = csr.to_dense().double()
    other[csr.to_dense() != 0] = values  # row-major, as CSR is
    x = random(3, 5, 4).requires_grad_()
    product = spmm(csr, x, transposed, (values, values[perm]))
    assert_close(product, other @ x)
    given = random(4, 7, 4)
    (found,) = torch.autograd.grad(product, x, given)
    assert_close(found, other.T @ given)


def test_a_gradient_that_is_not_contiguous():
    csr, transposed, _ = matrix()
    x = random(3, 5, 4).requires_grad_()
    (found,) = torch.autograd.grad(spmm(csr, x, transposed).sum(), x)
    assert_close(found, csr.to_dense().double().sum(0).view(-1, 1).expand(5, 4))
    turned = random(5, 4, 5).T
    assert_close(spmm(csr, turned, transposed), csr.to_dense().double() @ turned)


def test_a_matrix_without_entries():
    x = random(3, 5, 4).requires_grad_()
    product = spmm(empty_csr((7, 5)), x, empty_csr((5, 7)))
    assert torch.equal(product, torch.zeros(7, 4, dtype=torch.float64))
    (found,) = torch.autograd.grad(product.sum(), x)
    assert torch.equal(found, torch.zeros_like(x))


def test_the_path_of_an_edge_list_equals_the_fused_one():
    csr, transposed, _ = matrix()
    x = random(3, 5, 4)
    layer = WeightedSum()
    dense = csr.to_dense()
    row, col = dense.nonzero(as_tuple=True)
    listed = layer.propagate(
        torch.stack([col, row]),
        x=x,
        edge_weight=dense[row, col].double(),
        size=(5, 7),
    )
    assert_close(layer(x, csr, transposed), listed)


@pytest.mark.parametrize("p", [0.3, 0.5, 0.9])
def test_dropout_keeps_a_share_and_scales_it(p):
    count = 40_000
    values = random(1, count, dtype=torch.float32)
    dropped, _ = dropout(values, None, p, torch.Generator().manual_seed(0))
    kept = dropped != 0
    assert_close(dropped[kept], values[kept] / (1 - p))
    # Each entry is a coin of its own: five standard deviations at most, for all
    # and for each of the four draws of a random word.
    for part in (kept, *(kept[place::4] for place in range(4))):
        deviation = (p * (1 - p) / len(part)) ** 0.5
        assert abs(part.double().mean().item() - (1 - p)) < 5 * deviation
    both = (kept[:-1] & kept[1:]).double().mean().item()
    assert abs(both - (1 - p) ** 2) < 10 * (p * (1 - p) / count) ** 0.5


@pytest.mark.parametrize("count", [0, 1, 5, 8])
def test_dropout_of_nothing_keeps_everything(count):
    values = random(1, count, dtype=torch.float32)
    dropped, turned = dropout(values, None, 0.0, torch.Generator())
    assert torch.equal(dropped, values)
    assert turned is dropped


def test_dropout_follows_into_the_transpose():
    csr, transposed, perm = matrix(shape=(40, 30))
    x, given = random(3, 30, 4).requires_grad_(), random(4, 40, 4)
    values = dropout(csr.values(), perm, 0.5, torch.Generator().manual_seed(2))
    other = csr.to_dense().double()
    other[csr.to_dense() != 0] = values[0].double()
    assert 0 < int((values[0] == 0).sum()) < len(values[0])
    product = spmm(csr, x, transposed, values)
    (found,) = torch.autograd.grad(product, x, given)
    assert_close(product, other @ x)
    assert_close(found, other.T @ given)


def test_dropout_is_fresh_in_every_call_and_the_same_from_the_same_seed():
    values = torch.ones(64)
    generator = torch.Generator().manual_seed(3)
    first, second = (dropout(values, None, 0.5, generator)[0] for _ in range(2))
    again, _ = dropout(values, None, 0.5, torch.Generator().manual_seed(3))
    assert not torch.equal(first, second)
    assert torch.equal(first, again)


@pytest.fixture
def kernel(request):
    """Force one kernel for the time of a test."""
    if request.param == "torch_sparse":
        pytest.importorskip("torch_sparse")
    if request.param == "triton":
        pytest.skip("see test_triton_spmm.py")
    configure(kernel=request.param)
    yield request.param
    configure()


@pytest.mark.parametrize("kernel", list(KERNELS), indirect=True)
def test_every_kernel_computes_the_same(kernel):
    csr, transposed, _ = matrix(shape=(40, 30))
    x, given = random(3, 30, 4).requires_grad_(), random(4, 40, 4)
    expected = reference.spmm(csr.to_dense().double().numpy(), x.detach().numpy())
    found = spmm(csr, x, transposed)
    assert_close(found.detach().numpy(), expected)
    (gradient,) = torch.autograd.grad(found, x, given)
    assert_close(gradient, csr.to_dense().double().T @ given)


def test_an_unknown_kernel_is_refused():
    with pytest.raises(InputError, match="embedding_bag, csr, coo, gather_scatter"):
        configure(kernel="fast")
    with pytest.raises(InputError, match="precision=int8: give one of float32, bf16"):
        configure(precision="int8")


def test_the_forced_kernel_is_the_one_that_runs(monkeypatch):
    csr, transposed, _ = matrix()
    seen = []
    monkeypatch.setitem(
        KERNELS, "coo", lambda *given: seen.append(1) or KERNELS["csr"](*given)
    )
    configure(kernel="coo")
    try:
        spmm(csr, random(3, 5, 4), transposed)
    finally:
        configure()
    assert seen == [1]


def test_bf16_rounds_what_is_read():
    csr, transposed, _ = matrix()
    x = random(3, 5, 4, dtype=torch.float32).requires_grad_()
    rows = torch.tensor([0, 3])
    configure(precision="bf16")
    try:
        found, some = spmm(csr, x, transposed), product_rows(csr, rows, x)
        (gradient,) = torch.autograd.grad(found.sum(), x)
    finally:
        configure()
    rounded = (csr.to_dense().bfloat16().double(), x.detach().bfloat16().double())
    assert found.dtype == some.dtype == gradient.dtype == torch.float32
    # sums of at most five terms, rounded once more on the way out
    assert_close(found.double(), rounded[0] @ rounded[1], rtol=2**-8, atol=1e-2)
    assert torch.equal(some, found[rows])
    assert not torch.equal(found, spmm(csr, x, transposed))


@pytest.mark.parametrize("residual", [False, True])
def test_residual_adds_the_input(residual):
    csr, transposed, _ = matrix(shape=(6, 6))
    dense = csr.to_dense().double() + residual * torch.eye(6, dtype=torch.float64)
    x, given = random(3, 6, 4).requires_grad_(), random(4, 6, 4)
    found = spmm(csr, x, transposed, residual=residual)
    assert_close(found, dense @ x)
    (gradient,) = torch.autograd.grad(found, x, given)
    assert_close(gradient, dense.T @ given)


# the last has more non-zeros than the matrix
@pytest.mark.parametrize("rows", [[], [2], [0, 6, 6, 3, 2, 0], [6, 0, 3] * 40])
def test_rows_of_a_product_are_the_same_bits(rows):
    csr, _, _ = matrix()
    x, rows = random(3, 5, 4, dtype=torch.float32), torch.tensor(rows).long()
    expected = product(csr, csr.values(), x)[rows]
    assert torch.equal(product_rows(csr, rows, x), expected)


@pytest.mark.parametrize("kernel", ["auto", "csr"])
@pytest.mark.parametrize("rows", [[], [2], [0, 4, 4, 3, 2, 0]])
def test_product_of_a_table_that_is_zero_but_at_some_rows(rows, kernel):
    csr, _, _ = matrix()
    given, rows = random(3, len(rows), 4), torch.tensor(rows).long()
    table = torch.zeros(5, 4, dtype=torch.float64)
    for row, part in zip(rows, given, strict=True):
        table[row] += part
    expected = reference.spmm(csr.to_dense().double().numpy(), table.numpy())
    configure(kernel=kernel)
    try:
        found = product_from_rows(csr, RowParts(RowIndex(rows, 5), given))
    finally:
        configure()
    assert_close(found.numpy(), expected)
