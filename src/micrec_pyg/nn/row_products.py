"""Rows of the product of a sparse 0/1 matrix and a weighted one, never the whole."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from micrec_pyg.nn.histories import Histories
from micrec_pyg.nn.spmm import product


class RowProducts:
    """A A_w^T, by rows: A the 0/1 matrix of a CSR matrix, A_w with values of its own.

    On a CPU a row costs one product for each pair of non-zeros that share a column,
    added in the order of the columns. CUDA multiplies the matrix by dense rows.
    """

    def __init__(
        self,
        matrix: Float[Tensor, "rows columns"],
        values: Float[Tensor, " nonzeros"],
    ) -> None:
        """Turn the weighted matrix round.

        Args:
            matrix: CSR; its own values are not read.
            values: Non-zeros of A_w.
        """
        self.matrix, self.values = matrix, values
        crow, col, shape = matrix.crow_indices(), matrix.col_indices(), matrix.shape
        if matrix.is_cuda:
            row = torch.arange(shape[0], device=col.device)
            pairs = torch.stack([row.repeat_interleave(crow.diff()), col.long()])
            self._dense = Histories(pairs, num_users=shape[0], num_items=shape[1])
            return
        from scipy.sparse import csr_array

        plain, weighted = (
            csr_array((each.numpy(), col.numpy(), crow.numpy()), shape=tuple(shape))
            for each in (torch.ones_like(values), values)
        )
        self._plain, self._turned = plain, weighted.T.tocsr()

    def rows(self, some: Int[Tensor, " some"]) -> Float[Tensor, "some rows"]:
        """Return dense rows, one beside the other as topk reads them.

        Args:
            some: Consecutive rows.
        """
        if self.matrix.is_cuda:
            dense = self._dense.rows(some).T
            return product(self.matrix, self.values, dense).T.contiguous()
        found = self._plain[int(some[0]) : int(some[-1]) + 1] @ self._turned
        return torch.from_numpy(found.toarray())
