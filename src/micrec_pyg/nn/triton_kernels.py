"""CUDA kernels of the sparse product, in Triton.

Rows of a table lie d elements apart; a program holds up to D of them. Sums are kept in
``ACC`` and nothing is added by atomics: the same input gives the same bits.
"""

from typing import no_type_check

import triton
import triton.language as tl


@triton.jit
@no_type_check
def segment_sums(
    start_p,
    end_p,
    dest_p,
    col_p,
    val_p,
    place_p,
    x_p,
    out_p,
    count,
    num_rows,
    d,
    plus_place_p,
    plus_p,
    scale_p,
    token_p,
    D: tl.constexpr,
    R: tl.constexpr,
    U: tl.constexpr,
    PLACE: tl.constexpr,
    RESIDUAL: tl.constexpr,
    PLUS: tl.constexpr,
    OUTER: tl.constexpr,
    ACC: tl.constexpr,
):
    """Sum the weighted rows of R segments of non-zeros, U of each at a time.

    Segment m is start[m]..end[m] and goes to row dest[m] of out. With PLACE the table
    holds the rows that place names alone, -1 stands for a row of zeros. RESIDUAL adds
    row dest of x, PLUS row plus_place[dest] of plus, where it is not -1, and OUTER
    scale[dest] times token to rows below num_rows; those after it hold parts of long
    rows.
    """
    m = tl.program_id(0).to(tl.int64) * R + tl.arange(0, R)
    lane = tl.program_id(1) * D + tl.arange(0, D)
    u = tl.arange(0, U)
    live = m < count
    wide = lane < d
    start = tl.load(start_p + m, mask=live, other=0)
    end = tl.load(end_p + m, mask=live, other=0)
    dest = tl.load(dest_p + m, mask=live, other=0).to(tl.int64)
    acc = tl.zeros((R, U, D), ACC)
    longest = tl.max(end - start, axis=0)
    for i in range(0, longest, U):
        at = start[:, None] + i + u[None, :]
        inside = at < end[:, None]
        col = tl.load(col_p + at, mask=inside, other=0)
        val = tl.load(val_p + at, mask=inside, other=0.0).to(ACC)
        if PLACE:
            col = tl.load(place_p + col, mask=inside, other=-1)
            inside = inside & (col >= 0)
        where = col.to(tl.int64)[:, :, None] * d + lane[None, None, :]
        there = inside[:, :, None] & wide[None, None, :]
        acc += tl.load(x_p + where, mask=there, other=0.0).to(ACC) * val[:, :, None]
    total = tl.sum(acc, axis=1)
    target = dest[:, None] * d + lane[None, :]
    stored = live[:, None] & wide[None, :]
    whole = live & (dest < num_rows)
    if RESIDUAL:
        own = whole[:, None] & wide[None, :]
        total += tl.load(x_p + target, mask=own, other=0.0).to(ACC)
    if PLUS:
        place = tl.load(plus_place_p + dest, mask=whole, other=-1).to(tl.int64)
        own = (place >= 0)[:, None] & wide[None, :]
        added = tl.load(
            plus_p + place[:, None] * d + lane[None, :], mask=own, other=0.0
        )
        total += added.to(ACC)
    if OUTER:
        scale = tl.load(scale_p + dest, mask=whole, other=0.0).to(ACC)
        token = tl.load(token_p + lane, mask=wide, other=0.0).to(ACC)
        total += scale[:, None] * token[None, :]
    tl.store(out_p + target, total, mask=stored)


@triton.jit
@no_type_check
def long_rows(
    first_p,
    last_p,
    row_p,
    x_p,
    out_p,
    d,
    plus_place_p,
    plus_p,
    scale_p,
    token_p,
    D: tl.constexpr,
    U: tl.constexpr,
    RESIDUAL: tl.constexpr,
    PLUS: tl.constexpr,
    OUTER: tl.constexpr,
    ACC: tl.constexpr,
):
    """Sum the parts first..last of a long row, which lie in out, to its row."""
    m = tl.program_id(0)
    lane = tl.program_id(1) * D + tl.arange(0, D)
    wide = lane < d
    first = tl.load(first_p + m)
    last = tl.load(last_p + m)
    row = tl.load(row_p + m).to(tl.int64)
    u = tl.arange(0, U)
    acc = tl.zeros((U, D), ACC)
    for i in range(first, last, U):
        at = (i + u).to(tl.int64)
        there = (at < last)[:, None] & wide[None, :]
        acc += tl.load(out_p + at[:, None] * d + lane[None, :], mask=there, other=0.0)
    total = tl.sum(acc, axis=0)
    if RESIDUAL:
        total += tl.load(x_p + row * d + lane, mask=wide, other=0.0).to(ACC)
    if PLUS:
        place = tl.load(plus_place_p + row).to(tl.int64)
        own = wide & (place + 0 * lane >= 0)
        total += tl.load(plus_p + place * d + lane, mask=own, other=0.0).to(ACC)
    if OUTER:
        scale = tl.load(scale_p + row).to(ACC)
        total += scale * tl.load(token_p + lane, mask=wide, other=0.0).to(ACC)
    tl.store(out_p + row * d + lane, total, mask=wide)


@triton.jit
@no_type_check
def asked_rows(
    crow_p,
    begin_p,
    rows_p,
    col_p,
    val_p,
    x_p,
    part_p,
    out_p,
    plus_p,
    divisor,
    d,
    D: tl.constexpr,
    U: tl.constexpr,
    PLUS: tl.constexpr,
    ACC: tl.constexpr,
):
    """Sum an asked row: the parts of a long one, the non-zeros of another.

    Row a has the parts begin[a]..begin[a + 1]. PLUS adds a row of plus for each that
    is asked for; the sum is divided by divisor.
    """
    r = tl.program_id(0).to(tl.int64)
    lane = tl.program_id(1) * D + tl.arange(0, D)
    wide = lane < d
    u = tl.arange(0, U)
    row = tl.load(rows_p + r)
    first = tl.load(begin_p + row)
    last = tl.load(begin_p + row + 1)
    start = tl.load(crow_p + row)
    end = tl.load(crow_p + row + 1)
    end = tl.where(first < last, start, end)
    acc = tl.zeros((U, D), ACC)
    for i in range(first, last, U):
        at = (i + u).to(tl.int64)
        there = (at < last)[:, None] & wide[None, :]
        acc += tl.load(part_p + at[:, None] * d + lane[None, :], mask=there, other=0.0)
    for i in range(start, end, U):
        at = i + u
        inside = at < end
        col = tl.load(col_p + at, mask=inside, other=0).to(tl.int64)
        val = tl.load(val_p + at, mask=inside, other=0.0).to(ACC)
        there = inside[:, None] & wide[None, :]
        where = x_p + col[:, None] * d + lane[None, :]
        acc += tl.load(where, mask=there, other=0.0).to(ACC) * val[:, None]
    total = tl.sum(acc, axis=0)
    if PLUS:
        total += tl.load(plus_p + r * d + lane, mask=wide, other=0.0).to(ACC)
    tl.store(out_p + r * d + lane, total / divisor, mask=wide)
