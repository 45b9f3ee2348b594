"""Compiles every Triton kernel for an H100 or H200; none is needed for it.

The interpreter, by which the other tests run, takes what the compiler refuses.
"""

import triton.language as tl
from triton import compile
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from micrec_pyg.nn import (
    triton_bpr,
    triton_contrast,
    triton_dropout,
    triton_kernels,
    triton_permutation,
    triton_rows,
    triton_triplets,
)

TARGET = GPUTarget("cuda", 90, 32)
SUMS = {"D": 64, "ACC": tl.float32, "RESIDUAL": True, "PLUS": True, "OUTER": True}
PAIRS = {"D": 64, "R": 16}
TILE = {"R": triton_contrast.ROWS, "C": triton_contrast.COLUMNS}
ROUNDS = {"ROUNDS": triton_permutation.ROUNDS, "B": triton_permutation.PLACES}
TRIPLETS = {"B": triton_triplets.DRAWN, "share_p": "*fp64"}
GIVEN = {
    triton_kernels.segment_sums: {**SUMS, "R": 4, "U": 4, "PLACE": True},
    triton_kernels.long_rows: {**SUMS, "U": 64},
    triton_kernels.asked_rows: {"D": 64, "U": 32, "PLUS": True, "ACC": tl.float32},
    triton_bpr.bpr_terms: PAIRS,
    triton_bpr.bpr_gradients: PAIRS,
    triton_dropout.drop_weights: {"B": triton_dropout.WEIGHTS, "kept_share": "fp32"},
    triton_triplets.draw_triplets: TRIPLETS,
    triton_contrast.raise_and_sum: {**TILE, "bound": "fp32"},
    triton_contrast.weigh_by_sums: TILE,
    triton_permutation.permuted_places: ROUNDS,
    triton_rows.take_and_add: {"D": 64, "R": triton_rows.ROWS},
}
FLOATS = {
    *("x_p", "val_p", "out_p", "to_p", "plus_p", "scale_p", "token_p", "part_p"),
    *("user_p", "pos_p", "neg_p", "loss_p", "slope_p", "grad_p"),
    *("of_user_p", "of_pos_p", "of_neg_p", "values_p", "back_p", "own_p"),
    *("of_rows_p", "of_columns_p", "of_row_p", "of_column_p"),
}
"""Pointers to them; all others, but in ``draw_triplets``, are to int64."""


def kind(kernel, name, given):
    """Return the type of an argument of a kernel, by its name."""
    if name in given:
        return given[name] if isinstance(given[name], str) else "constexpr"
    if not name.endswith("_p"):
        return "i32"
    whole = kernel is triton_triplets.draw_triplets or name not in FLOATS
    return "*i64" if whole else "*fp32"


def check(kernel, given):
    """Compile a kernel, for any number and where every count is one."""
    fixed = {n: v for n, v in given.items() if not isinstance(v, str)}
    kinds = {name: kind(kernel, name, given) for name in kernel.arg_names}
    counts = {name: 1 for name, of in kinds.items() if of == "i32"}
    for ones in ({}, counts):
        signature = {n: "constexpr" if n in ones else of for n, of in kinds.items()}
        source = ASTSource(kernel, signature, constexprs={**fixed, **ones})
        assert compile(source, target=TARGET).asm["cubin"]
    print(kernel.__name__)


if __name__ == "__main__":
    for kernel, given in GIVEN.items():
        check(kernel, given)
