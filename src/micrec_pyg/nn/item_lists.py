"""Lists of other items of every item, and products with weights that are learnt."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from micrec_pyg.nn.kernels import run

KERNEL = "embedding_bag"
"""Of all products: other kernels plan by the address of a matrix, and lists change."""


class ItemLists(nn.Module):
    """As many others for every item, with products that give weights a gradient.

    ``spmm`` is for weights without one. An item in its own list is a pad: weights and
    products are zero there. Lists and their transpose are state.
    """

    def __init__(self) -> None:
        """Make empty lists."""
        super().__init__()
        self.index: Tensor
        self.register_buffer("index", None)
        self.entry: Tensor
        self.register_buffer("entry", None)
        self.start: Tensor
        self.register_buffer("start", None)

    def fill(self, index: Int[Tensor, "items k"]) -> None:
        """Take over lists, in place of those of before.

        In their memory, too: a recorded step reads the same addresses.

        Args:
            index: Rows of items.
        """
        entry = index.flatten().argsort(stable=True)
        rows = torch.arange(len(index) + 1, device=index.device)
        start = torch.searchsorted(index.flatten()[entry], rows)
        found = {"index": index, "entry": entry, "start": start}
        for name, value in found.items():
            old = getattr(self, name)
            if old is None:
                setattr(self, name, value.int())  # faster than int64 by a third
            else:
                old.copy_(value)

    def weighted_sum(
        self, weight: Float[Tensor, "items k"], x: Float[Tensor, "items dim"]
    ) -> Float[Tensor, "items dim"]:
        r"""Return :math:`\sum_j w_{ij} x_j` over the list of every item i."""
        found: Tensor = _WeightedSum.apply(weight, x, self)  # type: ignore[no-untyped-call]
        return found

    def products(self, x: Float[Tensor, "items dim"]) -> Float[Tensor, "items k"]:
        r"""Return :math:`x_i \cdot x_j` of every item i and those of its list."""
        found: Tensor = _Products.apply(x, self)  # type: ignore[no-untyped-call]
        rows = torch.arange(len(x), dtype=self.index.dtype, device=x.device)
        return torch.where(self.index == rows.view(-1, 1), 0.0, found)

    def sums(self, weight: Tensor, x: Tensor) -> Tensor:
        """Return the weighted sums without a gradient."""
        first = _row_starts(self.index)
        return run(KERNEL, first, self.index.flatten(), weight.flatten(), x)

    def transposed_sums(self, weight: Tensor, x: Tensor) -> Tensor:
        """Return sums over the items i in whose lists every item j is."""
        row = self.entry // max(self.index.shape[1], 1)
        values = weight.flatten().index_select(0, self.entry)
        return run(KERNEL, self.start, row, values, x)


def _row_starts(index: Tensor) -> Tensor:
    """Return where the list of every row begins, and where the last one ends."""
    rows = torch.arange(len(index) + 1, dtype=index.dtype, device=index.device)
    return rows * index.shape[1]


def _inner_products(index: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return a_i b_j of every row i and the rows j of its list, without a gradient.

    It is what a weight of a weighted sum gets for its gradient, and torch computes that
    in one pass, without a table of all rows that the lists name.
    """
    with torch.enable_grad():
        weight = torch.zeros(index.numel(), device=a.device, requires_grad=True)
        total = functional.embedding_bag(
            index.flatten(),
            b.detach(),
            _row_starts(index),
            mode="sum",
            per_sample_weights=weight,
            include_last_offset=True,
        )
        (found,) = torch.autograd.grad(total, weight, a)
    return found.view(index.shape)


class _WeightedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, x: Tensor, lists: ItemLists) -> Tensor:
        ctx.save_for_backward(weight, x)
        ctx.lists = lists
        return lists.sums(weight, x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        weight, x = ctx.saved_tensors
        of_weight, of_x = ctx.needs_input_grad[:2]
        return (
            _inner_products(ctx.lists.index, grads[0], x) if of_weight else None,
            ctx.lists.transposed_sums(weight, grads[0]) if of_x else None,
            None,
        )


class _Products(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, lists: ItemLists) -> Tensor:
        ctx.save_for_backward(x)
        ctx.lists = lists
        return _inner_products(lists.index, x, x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        given = ctx.lists.sums(grads[0], x)
        return given.add_(ctx.lists.transposed_sums(grads[0], x)), None
