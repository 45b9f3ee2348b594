"""The sparse product on CUDA by kernels of our own: fewer passes over the tables.

A row, or a stretch of a long row, is a program that gathers, weighs, sums and stores
once. The stretches of a matrix are planned once; what joins the product (x itself, or
the rows of a gradient) joins it in the store.
"""

import logging
import subprocess
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor

from micrec_pyg.graph.norm import INT32_LIMIT
from micrec_pyg.nn import triton_kernels as kernels
from micrec_pyg.nn.row_parts import RowParts

logger = logging.getLogger(__name__)

FEW = 10
"""Mean non-zeros of a row below which a program takes several rows."""
SHORT, LONG = (4, 4), (1, 8)
"""(rows, non-zeros of each at a time) of a program, for short and for long rows."""
STRETCH = 64
"""Non-zeros of a row that one program sums; the others of the row go to others.

It takes a few at a time: the longest stretch is the least time of a product.
"""
LARGE, LARGE_STRETCH = 2**25, 512
"""So many non-zeros keep a device busy with longer stretches."""
WIDTH = 128
"""Most columns of a table that one program holds."""
SUMMED = (64, 4)
"""(parts at a time, warps) of the program that sums the parts of a long row."""
ASKED = (32, 2)
"""(non-zeros or parts at a time, warps) of the program of an asked row."""
PLANS = 64
"""Matrices whose plans are kept."""

Found = tuple[Tensor, Tensor]
"""(place, table) of some rows: row a is row place[a] of table, -1 if there is none."""

_plans: "OrderedDict[tuple[torch.device, int, int], tuple[Tensor, Plan]]" = (
    OrderedDict()
)
"""By address of the row starts. They are kept too: no others then have the address."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Which program sums which non-zeros of a matrix."""

    num_rows: int
    start: Int[Tensor, " segments"]
    end: Int[Tensor, " segments"]
    dest: Int[Tensor, " segments"]
    """Row of the result; after the rows come the parts of long ones."""
    parts: int
    """How many these are."""
    first: Int[Tensor, " long"]
    """For every long row, its first part,"""
    last: Int[Tensor, " long"]
    """one after its last part,"""
    row: Int[Tensor, " long"]
    """and where their sum goes."""
    shape: tuple[int, int]
    """Segments of a program, and non-zeros of each at a time."""

    @cached_property
    def begin(self) -> Int[Tensor, " _rows_1"]:
        """How many parts the rows before each have."""
        count = self.row.new_zeros(self.num_rows + 1)
        count[self.row + 1] = (self.last - self.first).to(count.dtype)
        return count.cumsum(0).to(self.dest.dtype)

    @cached_property
    def of_parts(self) -> "Plan":
        """The plan of a table of the parts alone."""
        start, end = self.start[: self.parts], self.end[: self.parts]
        dest = self.dest[: self.parts] - self.num_rows
        none = self.row[:0]
        return Plan(self.parts, start, end, dest, 0, none, none, none, LONG)


def works(device: str) -> bool:
    """Return whether a product can be compiled and run; the log says why not."""
    try:
        one = torch.ones(1, 1, device=device)
        crow = torch.arange(2, dtype=torch.int32, device=device)
        found = product(crow, crow[:1], one[0], one, plan=make_plan(crow))
        return bool(found == 1)
    except (
        RuntimeError,
        OSError,
        subprocess.CalledProcessError,
        triton.TritonError,
    ) as error:
        logger.info("spmm=auto takes cuSPARSE, as triton fails: %s", error)
        return False


def make_plan(crow: Int[Tensor, " _rows_1"], stretch: int | None = None) -> Plan:
    """Return the plan of a matrix. It waits for the device.

    Args:
        crow: Row starts.
        stretch: Most non-zeros of a segment; None chooses.
    """
    rows, nonzeros = len(crow) - 1, int(crow[-1])
    if stretch is None:
        stretch = STRETCH if nonzeros < LARGE else LARGE_STRETCH
    length = crow.diff()
    is_long = length > stretch
    long, short = is_long.nonzero().view(-1), (~is_long).nonzero().view(-1)
    count = (length[long] + stretch - 1) // stretch
    total = int(count.sum())
    first = count.cumsum(0) - count
    # a part knows its row, and the how manieth of it it is
    owner = long.repeat_interleave(count, output_size=total)
    nth = torch.arange(total, device=crow.device)
    nth -= first.repeat_interleave(count, output_size=total)
    begin = crow[owner] + nth * stretch
    end = torch.minimum(begin + stretch, crow[owner + 1])
    slot = rows + torch.arange(total, device=crow.device)
    place = torch.int32 if rows + total < INT32_LIMIT else torch.int64
    return Plan(
        num_rows=rows,
        start=torch.cat([begin, crow[short]]).to(crow.dtype),
        end=torch.cat([end, crow[short + 1]]).to(crow.dtype),
        dest=torch.cat([slot, short]).to(place),
        parts=total,
        first=rows + first,
        last=rows + first + count,
        row=long,
        shape=SHORT if nonzeros < FEW * rows else LONG,
    )


def plan_of(crow: Int[Tensor, " _rows_1"]) -> Plan:
    """Return the plan of a matrix, made when it is first asked for."""
    key = (crow.device, crow.data_ptr(), len(crow))
    if key not in _plans:
        _plans[key] = crow, make_plan(crow)
        if len(_plans) > PLANS:
            _plans.popitem(last=False)
    _plans.move_to_end(key)
    return _plans[key][1]


def product(
    crow: Tensor,
    col: Tensor,
    values: Tensor,
    x: Float[Tensor, "_columns dim"],
    *,
    residual: bool = False,
    plus: Found | None = None,
    outer: tuple[Tensor, Tensor] | None = None,
    plan: Plan | None = None,
) -> Float[Tensor, "_rows dim"]:
    """Return a product, as float32 where x is shorter.

    Args:
        crow: Row starts.
        col: Columns.
        values: Non-zeros.
        x: The table.
        residual: Add x.
        plus: Added to the rows that it has.
        outer: A number per row, and a vector: their outer product is added.
        plan: That of ``crow``; None looks it up.
    """
    plan = plan or plan_of(crow)
    out = _result(plan.num_rows + plan.parts, x)
    _segments(plan, col, values, None, x.contiguous(), out, residual, plus, outer)
    return out[: plan.num_rows]


def product_from_rows(
    crow: Tensor, col: Tensor, values: Tensor, given: Found, plus: Found | None = None
) -> Float[Tensor, "_rows dim"]:
    """Return the product of a table that is zero but at some rows.

    Args:
        crow: Row starts.
        col: Columns.
        values: Non-zeros.
        given: These rows.
        plus: Added to the rows that it has.
    """
    plan, (place, table) = plan_of(crow), given
    out = _result(plan.num_rows + plan.parts, table)
    _segments(plan, col, values, place, table, out, False, plus)
    return out[: plan.num_rows]


def product_rows(
    crow: Tensor,
    col: Tensor,
    values: Tensor,
    rows: Tensor,
    x: Tensor,
    plus: Tensor | None = None,
    divisor: int = 1,
) -> Float[Tensor, "_asked dim"]:
    """Return some rows of a product, repeats included; plus is added, divisor divides.

    Long rows are cut and their parts summed, asked for or not: most of those that are
    long are asked for, often many times, and nothing waits to learn which.
    """
    x, plan, out = x.contiguous(), plan_of(crow), _result(len(rows), x)
    parts = _result(plan.parts, x)
    _segments(plan.of_parts, col, values, None, x, parts, False, None)
    if len(rows):
        d, width, blocks = _width(x)
        kernels.asked_rows[len(rows), blocks](
            crow, plan.begin, rows, col, values, x, parts, out,
            out if plus is None else plus.contiguous(), divisor, d,
            D=width, U=ASKED[0], PLUS=plus is not None, ACC=_acc(out),
            num_warps=ASKED[1],
        )  # fmt: skip
    return out


def _segments(
    plan: Plan,
    col: Tensor,
    values: Tensor,
    place: Tensor | None,
    x: Tensor,
    out: Tensor,
    residual: bool,
    added: Found | None,
    outer: tuple[Tensor, Tensor] | None = None,
) -> None:
    """Fill ``out``: the rows of the product, then the parts of long ones."""
    d, width, blocks = _width(x)
    segments, taken = plan.shape
    plus_place, plus = added or (out, out)  # pointers that are not followed
    joined = plus_place, plus, *(outer or (out, out))
    options: dict[str, Any] = {
        "D": width,
        "RESIDUAL": residual,
        "PLUS": added is not None,
        "OUTER": outer is not None,
        "ACC": _acc(out),
    }
    if count := len(plan.start):
        kernels.segment_sums[triton.cdiv(count, segments), blocks](
            plan.start, plan.end, plan.dest, col, values,
            out if place is None else place, x, out,
            count, plan.num_rows, d, *joined,
            R=segments, U=taken, PLACE=place is not None, num_warps=1, **options,
        )  # fmt: skip
    if len(plan.row):
        kernels.long_rows[len(plan.row), blocks](
            plan.first, plan.last, plan.row, x, out, d, *joined,
            U=SUMMED[0], num_warps=SUMMED[1], **options,
        )  # fmt: skip


def row_sums(given: RowParts) -> Float[Tensor, "_given dim"]:
    """Return, at the first place of each row, the sum of its parts."""
    parts = given.parts.contiguous()
    start, end, order = given.index.runs
    size = len(order)
    out = _result(size, parts)
    none = order[:0]
    dest = torch.arange(size, device=order.device)
    plan = Plan(size, start, end, dest, 0, none, none, none, LONG)
    ones = parts.new_ones(size)
    _segments(plan, order, ones, None, parts, out, False, None)
    return out


def _result(rows: int, x: Tensor) -> Tensor:
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    return torch.empty(rows, x.shape[1], dtype=dtype, device=x.device)


def _acc(out: Tensor) -> Any:
    return tl.float64 if out.dtype == torch.float64 else tl.float32


def _width(x: Tensor) -> tuple[int, int, int]:
    """Return the width of a table, that of a program, and programs side by side."""
    width = min(WIDTH, triton.next_power_of_2(x.shape[1]))
    return x.shape[1], width, triton.cdiv(x.shape[1], width)
