"""One sparse propagation, forward and backward: ours against three peers.

A random bipartite graph of 1 M non-zeros with power-law items, d = 64, float32.
All peers run in this process, in turns, on the same tensors; the ratio is of
medians (above 1: ours is faster). torch-sparse is measured where it is installed.

    micrec bench propagation --json rows.json
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch_geometric.nn.conv import SimpleConv

from micrec_pyg.graph.norm import sparse_csr, symmetric_weights, transpose
from micrec_pyg.nn.spmm import spmm

USERS, ITEMS, NONZEROS, DIM = 50_000, 30_000, 1_000_000, 64


def random_graph(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return (CSR matrix [users, items], its transpose) with LightGCN's weights."""
    user = torch.randint(USERS, (2 * NONZEROS,), generator=generator)
    share = torch.rand(2 * NONZEROS, generator=generator)
    item = (ITEMS * share**3).long()  # popular items have the low indices
    keys = (user * ITEMS + item).unique()
    keep = torch.randperm(len(keys), generator=generator)[:NONZEROS]
    keys = keys[keep].sort().values
    row, col = keys // ITEMS, keys % ITEMS
    value = symmetric_weights(row, col, (USERS, ITEMS))
    matrix = sparse_csr(row, col, value, (USERS, ITEMS))
    return matrix, transpose(matrix)[0]


def contenders(matrix: Tensor, transposed: Tensor) -> dict[str, Callable]:
    """Return {name: function of x} that compute the same product."""
    coo = matrix.to_sparse_coo().coalesce()
    row, col = coo.indices().long()
    edge_index, weight = torch.stack([col, row]), coo.values()
    conv = SimpleConv(aggr="sum")
    found: dict[str, Callable] = {
        "ours": lambda x: spmm(matrix, x, transposed),
        "PyG gather-scatter": lambda x: conv.propagate(
            edge_index, x=(x, None), edge_weight=weight, size=(ITEMS, USERS)
        ),
        "torch.sparse.mm COO": lambda x: torch.sparse.mm(coo, x),
    }
    try:
        from torch_sparse import SparseTensor
    except ImportError:
        print("torch-sparse is not installed (make ext): not measured")
    else:
        sparse = SparseTensor(
            row=row, col=col, value=weight, sparse_sizes=(USERS, ITEMS)
        )
        sparse.storage.fill_cache_()  # its own caches, before timing
        found["torch-sparse matmul"] = lambda x: sparse.matmul(x)
    return found


def measure(run: Callable, x: Tensor, gradient: Tensor) -> float:
    """Return the seconds of one forward and backward pass."""
    x.grad = None
    begin = time.perf_counter()
    run(x).backward(gradient)
    return time.perf_counter() - begin


def main(argv: list[str]) -> int:
    """Print a table of ratios, and write the rows where ``--json`` says."""
    parser = argparse.ArgumentParser(
        prog="micrec bench propagation", description=__doc__
    )
    parser.add_argument("--runs", type=int, default=15, help="timed runs of each")
    parser.add_argument("--json", help="write the rows to this file")
    options = parser.parse_args(argv)
    generator = torch.Generator().manual_seed(0)
    matrix, transposed = random_graph(generator)
    x = torch.randn(ITEMS, DIM, generator=generator).requires_grad_()
    gradient = torch.randn(USERS, DIM, generator=generator)
    runs = contenders(matrix, transposed)
    expected = runs["ours"](x).detach()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        torch.testing.assert_close(run(x).detach(), expected, atol=1e-4, rtol=1e-4)
        measure(run, x, gradient)  # warm up
    for _ in range(options.runs):  # in turns: all meet the same machine
        for name, run in runs.items():
            seconds[name].append(measure(run, x, gradient))
    ours = statistics.median(seconds["ours"])
    rows = []
    for name in list(runs)[1:]:
        peer = statistics.median(seconds[name])
        rows.append(
            {
                "name": "propagation forward + backward, 1 M non-zeros, d = 64",
                "unit": "s",
                "ours": ours,
                "peer": peer,
                "peer_name": name,
                "ratio": peer / ours,
                "runs": options.runs,
            }
        )
        low, high = min(seconds[name]), max(seconds[name])
        print(
            f"{name}: {1e3 * peer:.1f} ms ({1e3 * low:.1f}-{1e3 * high:.1f}), "
            f"ours {1e3 * ours:.1f} ms: {peer / ours:.1f}x"
        )
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=1)
    return 0
