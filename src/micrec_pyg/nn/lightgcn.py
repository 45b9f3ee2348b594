"""LightGCN propagation on the user-item graph."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch_geometric.data import HeteroData

from micrec_pyg.nn.batch_rows import NodeRows
from micrec_pyg.nn.conv import WeightedSum
from micrec_pyg.nn.row_parts import RowIndex, RowParts
from micrec_pyg.nn.spmm import (
    product,
    product_from_rows,
    product_rows,
    taken_rows,
)
from micrec_pyg.schema import INTERACTED_BY, INTERACTS, Embeddings

Sides = tuple[Tensor, Tensor]
"""One tensor for users, one for items."""
Parts = tuple[RowParts, RowParts]


class Propagation(nn.Module):
    r"""Return the mean of the layers (LightGCN, arXiv 2002.02126, eqs. 3, 4 and 8).

    .. math::
        X_{l+1} = D^{-1/2} A D^{-1/2} X_l, \quad
        z = \frac{1}{L + 1} \sum_{l=0}^{L} X_l

    No weights and no non-linearity; L = 0 returns its input.
    """

    def __init__(self, *, num_layers: int) -> None:
        """Choose the number of layers L; there are no parameters."""
        super().__init__()
        self.num_layers = num_layers
        self.sum = WeightedSum()

    def forward(
        self, h: Embeddings, data: HeteroData, rows: NodeRows | None = None
    ) -> Embeddings:
        """Return z of every node, or of those in ``rows`` alone."""
        if rows is None and not torch.is_grad_enabled() and _is_large(h):
            return _by_columns(h, self._layers(data))
        if rows is None or rows.is_whole:
            user, item = _MeanOfLayers.apply(  # type: ignore[no-untyped-call]
                h.user, h.item, self._layers(data)
            )
            return Embeddings(user=user, item=item)
        return self.with_start(h, data, rows)[0]

    def with_start(
        self, h: Embeddings, data: HeteroData, rows: NodeRows
    ) -> tuple[Embeddings, Embeddings]:
        """Return z and h of the nodes in ``rows``.

        A penalty on h then shares the one table of gradients, where a selection of
        its own would write, and add, a second one of all nodes.
        """
        if rows.is_whole:
            return self(h, data), h
        z_user, z_item, h_user, h_item = _MeanOfLayersAt.apply(  # type: ignore[no-untyped-call]
            h.user, h.item, self._layers(data), (rows.user, rows.item)
        )
        return Embeddings(z_user, z_item), Embeddings(h_user, h_item)

    def _layers(self, data: HeteroData) -> "_Layers":
        to_user, to_item = data[INTERACTED_BY].adj_t, data[INTERACTS].adj_t
        return _Layers(self.sum, to_user, to_item, self.num_layers)


LARGE, COLUMNS = 2**29, 16
"""Numbers of the tables of both sides, 2 GiB, from which on inference propagates so
many columns at a time; narrow rows are slower to read."""


def _is_large(h: Embeddings) -> bool:
    return h.user.numel() + h.item.numel() >= LARGE


def _by_columns(h: Embeddings, layers: "_Layers") -> Embeddings:
    """Return z of every node without a gradient, a few columns at a time.

    Columns do not see each other, so beside h and z there are three narrow tables
    where there would be three whole ones.
    """
    z = Embeddings(torch.empty_like(h.user), torch.empty_like(h.item))
    for columns in torch.arange(h.user.shape[1]).split(COLUMNS):
        some = slice(int(columns[0]), int(columns[-1]) + 1)
        part = layers.mean((h.user[:, some].contiguous(), h.item[:, some].contiguous()))
        z.user[:, some], z.item[:, some] = part
    return z


@dataclass(frozen=True)
class _Layers:
    """L equal layers; the matrices are transposes of each other."""

    sum: WeightedSum
    to_user: Tensor
    to_item: Tensor
    count: int

    def step(self, x: Sides) -> Sides:
        """Return the next layer of all nodes."""
        to_user, to_item = self.to_user, self.to_item
        return self.sum(x[1], to_user, to_item), self.sum(x[0], to_item, to_user)

    def mean_at(self, x: Sides, rows: Sides, total: Sides) -> Sides:
        """Return the mean of the layers of some nodes: the next, and those summed."""
        count = self.count + 1
        return (
            product_rows(self.to_user, rows[0], x[1], total[0], count),
            product_rows(self.to_item, rows[1], x[0], total[1], count),
        )

    def step_plus(self, x: Sides, parts: Parts) -> Sides:
        """Return the next layer of all nodes with something added to some."""
        to_user, to_item = self.to_user, self.to_item
        return (
            product(to_user, to_user.values(), x[1], plus=parts[0]),
            product(to_item, to_item.values(), x[0], plus=parts[1]),
        )

    def step_from(self, parts: Parts, plus: Parts) -> Sides:
        """Return the layer after one that is zero but at some nodes, likewise."""
        return (
            product_from_rows(self.to_user, parts[1], plus[0]),
            product_from_rows(self.to_item, parts[0], plus[1]),
        )

    def mean(self, x: Sides) -> Sides:
        """Return the mean of x and all layers after it."""
        total = x[0].clone(), x[1].clone()
        for _ in range(self.count):
            x = self.step(x)
            for side, part in zip(total, x, strict=True):
                side.add_(part)
        for side in total:
            side.div_(self.count + 1)
        return total


class _MeanOfLayers(torch.autograd.Function):
    """z of all nodes. Linear, and its own transpose: nothing is stored."""

    @staticmethod
    def forward(ctx: Any, user: Tensor, item: Tensor, layers: _Layers) -> Sides:
        ctx.layers = layers
        return layers.mean((user, item))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return *ctx.layers.mean((grads[0], grads[1])), None


class _MeanOfLayersAt(torch.autograd.Function):
    r"""z and h of some nodes; the last layer is computed for them alone.

    The gradient of z spreads by Horner's rule, with A for the weighted adjacency
    and G for the gradient, zero but at those nodes:
    :math:`(G + A (G + A (G + A G))) / (L + 1)`, L products and no other pass over
    the tables.
    """

    @staticmethod
    def forward(
        ctx: Any, user: Tensor, item: Tensor, layers: _Layers, rows: Sides
    ) -> tuple[Tensor, ...]:
        ctx.layers, ctx.rows, ctx.sizes = layers, rows, (len(user), len(item))
        ctx.set_materialize_grads(False)  # h is often not read: no zeros to add
        ctx.like = user.new_empty(0, user.shape[1])
        x = user, item
        total = start = _take(x, rows)
        if not layers.count:
            return start[0].clone(), start[1].clone(), *start
        for _ in range(layers.count - 1):
            x = layers.step(x)
            user, item = map(taken_rows, x, rows, total)
            total = user, item
        return *layers.mean_at(x, rows, total), *start

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        layers, count = ctx.layers, ctx.layers.count
        at = [
            ctx.like.new_zeros(len(rows), ctx.like.shape[1])
            if grad is None
            else grad / (count + 1)
            for rows, grad in zip(ctx.rows, grads[:2], strict=True)
        ]
        user, item = map(RowIndex, ctx.rows, ctx.sizes)
        parts = RowParts(user, at[0]), RowParts(item, at[1])
        last = _more(parts[0], grads[2]), _more(parts[1], grads[3])
        if count == 0:
            return last[0].table(), last[1].table(), None, None
        x = layers.step_from(parts, parts if count > 1 else last)
        for layer in range(1, count):
            x = layers.step_plus(x, parts if layer < count - 1 else last)
        return *x, None, None


def _take(x: Sides, rows: Sides) -> Sides:
    return x[0].index_select(0, rows[0]), x[1].index_select(0, rows[1])


def _more(parts: RowParts, grad: Tensor | None) -> RowParts:
    return parts if grad is None else RowParts(parts.index, parts.parts + grad)
