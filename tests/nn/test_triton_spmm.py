"""The kernels of Triton against the float64 loop: on CUDA, or by its interpreter."""

import copy
import logging

import pytest
import torch
from reference import nn as reference
from torch.testing import assert_close

from micrec_pyg.graph.norm import empty_csr, sparse_csr, transpose
from micrec_pyg.nn import kernels
from micrec_pyg.nn.batch_rows import NodeRows
from micrec_pyg.nn.lightgcn import Propagation
from micrec_pyg.nn.row_parts import RowIndex, RowParts
from micrec_pyg.nn.spmm import (
    product,
    product_from_rows,
    product_rows,
    spmm,
    taken_rows,
)
from micrec_pyg.schema import ITEM, USER, Embeddings, InputError

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture
def triton(monkeypatch):
    """Return the module of products, and force its kernels."""
    pytest.importorskip("triton")
    from micrec_pyg.nn import triton_spmm

    # small pieces, so that short rows are long ones: the interpreter is slow
    sizes = {"STRETCH": 8, "SUMMED": (2, 4), "ASKED": (4, 2)}
    for name, value in sizes.items():
        monkeypatch.setattr(triton_spmm, name, value)
    triton_spmm._plans.clear()
    kernels.configure(kernel="triton")
    with torch.device(DEVICE):
        yield triton_spmm
    triton_spmm._plans.clear()
    kernels.configure()


def random(seed, *shape, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(*shape, generator=generator, dtype=dtype, device="cpu")
    return drawn.to(DEVICE)


def matrix(lengths, columns, seed=0):
    """Return (CSR, its transpose): rows with so many non-zeros each."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("cpu"):
        col = [torch.randperm(columns, generator=generator)[:n] for n in lengths]
        row = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    values = random(seed, len(row)).cpu()
    csr = sparse_csr(
        row,
        torch.cat([each.sort()[0] for each in col]),
        values,
        (len(lengths), columns),
    )
    return csr.to(DEVICE), transpose(csr)[0].to(DEVICE)


def loop(csr, x):
    dense, table = csr.to_dense().double().cpu(), x.detach().double().cpu()
    return torch.from_numpy(reference.spmm(dense.numpy(), table.numpy())).to(DEVICE)


LENGTHS = {
    "one row": [3],
    "empty rows": [0, 2, 0, 0, 5, 0],
    "long rows": [1, 30, 0, 9, 8, 17],
    "short rows": [2, 1, 3, 0, 1, 2, 4, 1, 1],
}


@pytest.mark.parametrize("dim", [1, 4, 6])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_product_is_that_of_the_loop(triton, lengths, dim):
    csr, _ = matrix(lengths, 31)
    x = random(3, 31, dim)
    assert_close(product(csr, csr.values(), x), loop(csr, x))
    single = product(csr, csr.values(), x.float())
    assert single.dtype == torch.float32
    assert_close(single, loop(csr, x).float(), rtol=1e-5, atol=1e-5)


def test_a_table_wider_than_a_program(triton, monkeypatch):
    monkeypatch.setattr(triton, "WIDTH", 4)
    csr, _ = matrix([2, 13, 0], 14)
    x = random(3, 14, 10)
    assert_close(product(csr, csr.values(), x), loop(csr, x))
    rows = torch.tensor([1, 2, 1])
    assert_close(product_rows(csr, rows, x), loop(csr, x)[rows])


def test_a_matrix_without_entries_or_rows(triton):
    x = random(3, 5, 4)
    found = product(empty_csr((7, 5)).to(DEVICE), torch.zeros(0), x)
    assert torch.equal(found, torch.zeros(7, 4, dtype=torch.float64))
    assert product(empty_csr((0, 5)).to(DEVICE), torch.zeros(0), x).shape == (0, 4)
    assert product_rows(
        empty_csr((7, 5)).to(DEVICE), torch.zeros(0).long(), x
    ).shape == (0, 4)


def test_the_gradient_is_that_of_the_transpose(triton):
    csr, transposed = matrix([3, 0, 14, 2, 1], 15)
    x, given = random(3, 15, 3).requires_grad_(), random(4, 5, 3)
    (found,) = torch.autograd.grad(spmm(csr, x, transposed), x, given)
    assert_close(found, csr.to_dense().double().T @ given)
    values = (2 * csr.values(), 2 * transposed.values())
    (twice,) = torch.autograd.grad(spmm(csr, x, transposed, values), x, given)
    assert_close(twice, 2 * found)


def test_what_joins_the_sum(triton):
    csr, transposed = matrix([3, 0, 14, 2] + [1] * 11, 15)
    x, given = random(3, 15, 3).requires_grad_(), random(4, 15, 3)
    found = spmm(csr, x, transposed, residual=True)
    assert_close(found.detach(), loop(csr, x) + x.detach())
    (gradient,) = torch.autograd.grad(found, x, given)
    assert_close(gradient, csr.to_dense().double().T @ given + given)
    plus = RowParts(RowIndex(torch.tensor([14, 2, 2, 1, 14, 2]), 15), random(5, 6, 3))
    expected = loop(csr, x) + plus.table()
    assert_close(product(csr, csr.values(), x.detach(), plus=plus), expected)
    both = product(csr, csr.values(), x.detach(), plus=plus, residual=True)
    assert_close(both, expected + x.detach())


def test_an_outer_product_joins_the_sum(triton):
    csr, transposed = matrix([3, 0, 14, 2] + [1] * 11, 15)
    x, token = random(3, 15, 3).requires_grad_(), random(5, 3).requires_grad_()
    scale, given = random(4, 15), random(6, 15, 3)
    found = spmm(csr, x, transposed, outer=(scale, token))
    expected = loop(csr, x) + scale[:, None] * token.detach()
    assert_close(found.detach(), expected)
    gradients = torch.autograd.grad(found, (x, token), given)
    assert_close(gradients[0], csr.to_dense().double().T @ given)
    assert_close(gradients[1], (scale[:, None] * given).sum(0))
    with torch.no_grad():
        assert_close(spmm(csr, x, transposed, outer=(scale, token)), expected)


# more parts of a row than the kernel takes at a time
@pytest.mark.parametrize("rows", [[], [2], [4, 0, 4, 3, 0, 0, 4] * 3])
def test_a_table_that_is_zero_but_at_some_rows(triton, rows):
    csr, _ = matrix([3, 0, 5, 2], 5)
    given = RowParts(RowIndex(torch.tensor(rows).long(), 5), random(3, len(rows), 3))
    found = product_from_rows(csr, given)
    assert_close(found, loop(csr, given.table()))
    other = RowParts(given.index, 2 * given.parts)
    assert_close(product_from_rows(csr, other), 2 * found)


# rows of 8 are the longest that are not cut
@pytest.mark.parametrize("lengths", [[3, 0, 30, 7, 9, 8, 0], [9], [0, 40], [1, 8]])
def test_rows_of_a_product(triton, lengths):
    csr, _ = matrix(lengths, 41)
    x, last = random(3, 41, 3), len(lengths) - 1
    for asked in ([0], [last, 0, last, last // 2, last // 2, last]):
        rows, plus = torch.tensor(asked), random(4, len(asked), 3)
        expected = loop(csr, x)[rows]
        assert_close(product_rows(csr, rows, x), expected)
        assert_close(product_rows(csr, rows, x, plus, 4), (expected + plus) / 4)
        kernels.configure(kernel="gather_scatter")
        assert_close(product_rows(csr, rows, x, plus, 4), (expected + plus) / 4)
        kernels.configure(kernel="triton")


@pytest.mark.parametrize("shape", [(1, 1), (9, 3), (5, 130)])
def test_taken_rows_and_what_is_added(triton, shape):
    x, rows = random(3, *shape), torch.tensor([0, shape[0] - 1, 0] * 6)
    plus = random(4, len(rows), shape[1])
    given = plus.clone()
    assert torch.equal(taken_rows(x, rows, plus), x[rows] + given)
    assert torch.equal(plus, given)
    assert taken_rows(x, rows[:0], plus[:0]).shape == (0, shape[1])


@pytest.mark.parametrize("index", [torch.int32, torch.int64])
def test_rows_of_both_types_of_indices(triton, index):
    crow, col = torch.tensor([0, 20, 21]).to(index), torch.arange(21).to(index)
    x, values = random(3, 21, 3), random(4, 21)
    weighted = values[:, None] * x
    expected = torch.stack([weighted[:20].sum(0), weighted[20]])
    for rows in (torch.tensor([1, 0]), torch.tensor([1, 0], dtype=torch.int32)):
        found = triton.product_rows(crow, col, values, rows, x)
        assert_close(found, expected.flip(0))


def test_what_joins_the_sum_of_a_few_rows(triton):
    csr, _ = matrix([3, 0, 14, 2] + [1] * 11, 15)
    given = RowParts(RowIndex(torch.tensor([3, 1, 3]), 15), random(6, 3, 3))
    plus = RowParts(RowIndex(torch.tensor([14, 2, 2, 1, 14]), 15), random(5, 5, 3))
    expected = loop(csr, given.table()) + plus.table()
    assert_close(product_from_rows(csr, given, plus), expected)


def test_rows_that_are_found_without_sorting(triton):
    """As auto has it for small matrices; other rows of the table may be anything."""
    csr, transposed = matrix([3, 0, 14, 2] + [1] * 11, 15)
    given = RowParts(RowIndex(torch.tensor([14, 2, 2, 1, 14, 2]), 15), random(5, 6, 3))
    place, table, x = given.index.own_place, given.spread, random(3, 15, 3)
    assert place.tolist() == [i if i in (1, 2, 14) else -1 for i in range(15)]
    table[place < 0] = torch.nan
    for each in (csr, transposed):
        read = each.crow_indices(), each.col_indices(), each.values()
        joined = triton.product(*read, x, plus=(place, table))
        assert_close(joined, loop(each, x) + given.table())
        spread = triton.product_from_rows(*read, (place, table), plus=(place, table))
        assert_close(spread, loop(each, given.table()) + given.table())


@pytest.mark.parametrize("sorts", [True, False])
def test_propagation_and_its_gradient_are_those_of_another_kernel(
    graph, triton, monkeypatch, sorts
):
    if not sorts:  # as auto does for a small matrix
        monkeypatch.setattr(f"{product.__module__}.is_forced", lambda: False)
    data = copy.copy(graph[0]).to(DEVICE)
    size = [data[kind].num_nodes for kind in (USER, ITEM)]
    rows = NodeRows(torch.tensor([0, 3, 3, 1]), torch.tensor([2, 0, 2]), {})
    found = {}
    for kernel in ("triton", "gather_scatter"):
        kernels.configure(kernel=kernel)
        h = [random(side, n, 3).requires_grad_() for side, n in enumerate(size)]
        propagation = Propagation(num_layers=3)
        z, start = propagation.with_start(Embeddings(*h), data, rows)
        loss = sum((side**2).sum() for side in (z.user, z.item, start.user))
        found[kernel] = [z.user, z.item, *torch.autograd.grad(loss, h)]
    for ours, other in zip(*found.values(), strict=True):
        assert_close(ours, other)


def test_the_same_input_gives_the_same_bits(triton):
    csr, _ = matrix([3, 0, 70, 9, 2], 80)
    x = random(3, 80, 5, dtype=torch.float32)
    rows = torch.tensor([2, 2, 0, 2])
    plus = RowParts(RowIndex(rows, 5), random(4, 4, 5, dtype=torch.float32))
    first = product(csr, csr.values(), x, plus=plus)
    assert torch.equal(product(csr, csr.values(), x, plus=plus), first)
    some = product_rows(csr, rows, x)
    assert torch.equal(some[0], some[1])
    assert torch.equal(some[0], some[3])


def test_places_beyond_the_limit_of_int32(triton):
    """2^31 elements, of which the system gives those pages that are touched."""
    last = 2**25 + 2
    x = torch.empty(last + 1, 64, dtype=torch.bfloat16)
    x[0], x[last] = 1.0, torch.arange(64.0)
    crow, col = torch.tensor([0, 2, 3]), torch.tensor([0, last, last])
    values = torch.tensor([10.0, 1.0, 2.0])
    for index in (torch.int64, torch.int32):
        found = triton.product(crow.to(index), col.to(index), values, x)
        assert torch.equal(found[0], 10 + torch.arange(64.0))
        assert torch.equal(found[1], 2 * torch.arange(64.0))
    # and a row of the result beyond it
    plan = triton.make_plan(crow)
    plan.dest[1] = last
    out = torch.empty(last + 1, 64, dtype=torch.bfloat16)
    triton._segments(plan, col, values, None, x, out, False, None)
    assert torch.equal(out[last].float(), 2 * torch.arange(64.0))


def test_a_plan_is_made_once_for_a_matrix_and_old_ones_go(triton, monkeypatch):
    made, make = [], triton.make_plan
    monkeypatch.setattr(triton, "make_plan", lambda crow: made.append(1) or make(crow))
    monkeypatch.setattr(triton, "PLANS", 2)
    csr, _ = matrix([1, 2], 3)
    x = random(3, 3, 2)
    for _ in range(2):
        product(csr, csr.values(), x)
    assert len(made) == 1
    others = [matrix([1], 3)[0] for _ in range(2)]
    for other in others:
        product(other, other.values(), x)
    assert len(triton._plans) == 2
    product(csr, csr.values(), x)
    assert len(made) == 4


def test_a_plan_covers_every_non_zero_once(triton):
    crow = torch.tensor([0, 0, 3, 20, 21, 37])
    plan = triton.make_plan(crow, stretch=4)
    spans = sorted(zip(plan.start.tolist(), plan.end.tolist(), strict=True))
    covered = [place for start, end in spans for place in range(start, end)]
    assert covered == list(range(37))
    assert max(end - start for start, end in spans) == 4
    assert plan.row.tolist() == [2, 4]
    assert (plan.last - plan.first).tolist() == [5, 4]


def test_bf16_rounds_what_is_read(triton):
    csr, transposed = matrix([3, 0, 5, 2, 1], 5)
    x = random(3, 5, 4, dtype=torch.float32)
    kernels.configure(kernel="triton", precision="bf16")
    found = spmm(csr, x, transposed, residual=True)
    rounded = csr.to_dense().bfloat16().double() @ x.bfloat16().double()
    assert found.dtype == torch.float32
    assert_close(found.double(), rounded + x, rtol=1e-5, atol=1e-5)


def test_a_cpu_without_the_interpreter_is_refused(monkeypatch):
    pytest.importorskip("triton")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    csr, x = matrix([1, 2], 3)[0].cpu(), random(3, 3, 2).cpu()
    kernels.configure(kernel="triton")
    try:
        with pytest.raises(InputError, match="run on CUDA, not on cpu"):
            product(csr, csr.values(), x)
    finally:
        kernels.configure()


def test_without_triton_another_kernel_is_taken(monkeypatch):
    def chosen(nonzeros, on_cuda=True):
        return kernels.kernel_for(nonzeros, on_cuda=on_cuda)

    monkeypatch.setattr(kernels, "triton_works", lambda: True)
    assert chosen(10) == "csr"
    assert chosen(kernels.LARGE) == "triton"
    with kernels.recorded():
        assert chosen(10) == "triton"
        assert chosen(10, on_cuda=False) == "embedding_bag"
    assert chosen(10) == "csr"
    monkeypatch.undo()
    kernels.triton_works.cache_clear()
    monkeypatch.setattr(kernels, "has_triton", lambda: False)
    with kernels.recorded():
        assert chosen(kernels.LARGE) == "csr"
    kernels.triton_works.cache_clear()
    with pytest.raises(InputError, match="triton is not installed"):
        kernels.configure(kernel="triton")


def test_a_compiler_that_fails_is_told(triton, monkeypatch, caplog):
    assert triton.works(DEVICE)

    def fails(*given, **options):
        raise RuntimeError("Failed to find C compiler")

    monkeypatch.setattr(triton, "_segments", fails)
    with caplog.at_level(logging.INFO, logger="micrec_pyg"):
        assert not triton.works(DEVICE)
    assert "takes cuSPARSE, as triton fails: Failed to find C" in caplog.text
