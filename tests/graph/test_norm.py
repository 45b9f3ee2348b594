"""CSR matrices against dense ones."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference import graph as reference

from micrec_pyg.graph.norm import (
    empty_csr,
    sparse_csr,
    symmetric_weights,
    transpose,
)

edge_lists = st.sets(st.tuples(st.integers(0, 4), st.integers(0, 6)), max_size=20)


def sorted_columns(edges: set[tuple[int, int]]) -> tuple[torch.Tensor, torch.Tensor]:
    row, col = torch.tensor(sorted(edges), dtype=torch.int64).reshape(-1, 2).T
    return row, col


@given(edge_lists)
def test_matrix_and_transpose_hold_the_right_entries(edges):
    row, col = sorted_columns(edges)
    value = torch.arange(1.0, len(edges) + 1)
    matrix = sparse_csr(row, col, value, (5, 7))
    flipped, perm = transpose(matrix)
    expected = reference.dense((5, 7), row.tolist(), col.tolist(), value.tolist())
    np.testing.assert_array_equal(matrix.to_dense().numpy(), expected)
    np.testing.assert_array_equal(flipped.to_dense().numpy(), expected.T)
    assert torch.equal(flipped.values(), value[perm])
    # Columns ascend within each row, which the fast kernels rely on.
    for m in (matrix, flipped):
        torch.sparse_csr_tensor(
            m.crow_indices(),
            m.col_indices(),
            m.values(),
            m.shape,
            check_invariants=True,
        )


@given(edge_lists)
def test_symmetric_weights_equal_the_loop(edges):
    row, col = sorted_columns(edges)
    weights = symmetric_weights(row, col, (5, 7))
    expected = reference.normalised(sorted(edges), 5, 7)
    np.testing.assert_allclose(
        weights.numpy(), expected[row, col].astype(np.float32), rtol=1e-7
    )


def test_indices_are_int32_and_values_float32():
    row, col = torch.tensor([[0, 1], [1, 0]])
    matrix = sparse_csr(row, col, torch.ones(2, dtype=torch.float64), (2, 2))
    flipped, perm = transpose(matrix)
    for m in (matrix, flipped):
        assert m.crow_indices().dtype == m.col_indices().dtype == torch.int32
        assert m.values().dtype == torch.float32
    assert perm.dtype == torch.int64


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 4)])
def test_empty_matrix_has_its_shape(shape):
    matrix = empty_csr(shape)
    flipped, perm = transpose(matrix)
    assert matrix.shape == shape
    assert flipped.shape == shape[::-1]
    assert len(matrix.values()) == len(perm) == 0


def test_the_beta_warning_is_kept_quiet_and_no_other():
    # Raised once per process, hence a process of its own.
    code = (
        "import warnings; warnings.simplefilter('error')\n"
        "import torch\n"
        "from micrec_pyg.graph.norm import empty_csr, transpose\n"
        "transpose(empty_csr((2, 3)))\n"
        "try: warnings.warn('another')\n"
        "except UserWarning: print('raised')"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.strip() == "raised", done.stderr
