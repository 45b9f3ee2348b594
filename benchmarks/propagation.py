"""One sparse propagation, forward and backward, against three other kernels.

A random bipartite graph with power-law items, float32. All contenders run in this
process on the same tensors and must give the same product.
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch_geometric.nn.conv import SimpleConv

from benchmarks.harness import Options, Row, Target, ratio_of, row
from micrec_pyg.cli.process import prepare
from micrec_pyg.graph.norm import sparse_csr, symmetric_weights, transpose
from micrec_pyg.nn.spmm import spmm

Product = Callable[[Tensor], Tensor]

DIM = 64
TARGETS: dict[str, Target] = {
    "torch-sparse matmul": ratio_of(4),
    "PyG gather-scatter": ratio_of(10),
    "torch.sparse.mm COO": ratio_of(4),
}


def measure(options: Options) -> list[Row]:
    """Return a row per peer."""
    prepare()
    shape, nonzeros = (50_000, 30_000), 1_000_000
    if options.quick:
        shape, nonzeros = (500, 300), 5_000
    generator = torch.Generator().manual_seed(0)
    matrix, transposed = random_graph(shape, nonzeros, generator)
    x = torch.randn(shape[1], DIM, generator=generator).requires_grad_()
    gradient = torch.randn(shape[0], DIM, generator=generator)
    products: dict[str, Product] = {
        "ours": lambda x: spmm(matrix, x, transposed),
        **peers(matrix),
    }
    expected = products["ours"](x).detach()
    for product in products.values():
        torch.testing.assert_close(product(x).detach(), expected, atol=1e-4, rtol=1e-4)
        seconds(product, x, gradient)  # warm up
    found: dict[str, list[float]] = {name: [] for name in products}
    for _ in range(options.turns(25)):
        for name, product in products.items():
            found[name].append(seconds(product, x, gradient))
    what = f"propagation, forward + backward, {nonzeros:,} non-zeros, d = {DIM}"
    rows = [
        row(what, "s", found["ours"], found.get(name), name, target=target)
        for name, target in TARGETS.items()
        if name in found
    ]
    for name in TARGETS.keys() - found.keys():
        why = f"{name} (not measured: not installed, see make ext)"
        rows.append(row(what, "s", found["ours"], None, why, target=TARGETS[name]))
    return rows


def random_graph(
    shape: tuple[int, int], nonzeros: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return (CSR matrix [users, items], its transpose) with LightGCN's weights."""
    users, items = shape
    user = torch.randint(users, (2 * nonzeros,), generator=generator)
    share = torch.rand(2 * nonzeros, generator=generator)
    item = (items * share**3).long()  # popular items have the low indices
    keys = (user * items + item).unique()
    keep = torch.randperm(len(keys), generator=generator)[:nonzeros]
    keys = keys[keep].sort().values
    row, col = keys // items, keys % items
    matrix = sparse_csr(row, col, symmetric_weights(row, col, shape), shape)
    return matrix, transpose(matrix)[0]


def peers(matrix: Tensor) -> dict[str, Product]:
    """Return the same product by other kernels."""
    coo = matrix.to_sparse_coo().coalesce()
    row, col = coo.indices().long()
    edge_index, weight = torch.stack([col, row]), coo.values()
    size = (matrix.shape[1], matrix.shape[0])
    conv = SimpleConv(aggr="sum")
    found: dict[str, Product] = {
        "PyG gather-scatter": lambda x: conv.propagate(
            edge_index, x=(x, None), edge_weight=weight, size=size
        ),
        "torch.sparse.mm COO": lambda x: torch.sparse.mm(coo, x),
    }
    try:
        from torch_sparse import SparseTensor
    except ImportError:
        return found
    sparse = SparseTensor(row=row, col=col, value=weight, sparse_sizes=size[::-1])
    sparse.storage.fill_cache_()  # its own caches, before timing
    return {**found, "torch-sparse matmul": sparse.matmul}


def seconds(product: Product, x: Tensor, gradient: Tensor) -> float:
    """Return the seconds of one forward and backward pass."""
    x.grad = None
    begin = time.perf_counter()
    product(x).backward(gradient)
    return time.perf_counter() - begin
