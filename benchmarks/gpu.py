"""One GPU: the sparse product, training steps, ranking and neighbour search.

Everything runs in this process on the device. The floor of a product is the bytes that
it moves, at the speed at which the device copies a large tensor; that of a step is
explained under *Growth*, with the products of the template and neighbour layers and
Adam's passes added for INMO and MICRec. A recorded step is one CUDA graph. Graphs are
generated in the size of Food-Kitchen, of 1 M and of 100 M interactions, three random
nodes similar to each. It takes at most four minutes; what would take longer is left
out.
"""

import os
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch

from benchmarks import floor
from benchmarks.gpu_steps import FLOOR, memory, steps
from benchmarks.harness import Options, Row, row
from benchmarks.knn import WEIGHTS, WIDTHS
from benchmarks.knn import K as NEIGHBORS
from benchmarks.propagation import DIM, random_graph
from micrec_pyg.evaluation.block_size import users_at_once
from micrec_pyg.evaluation.rank import rank
from micrec_pyg.graph.similar.blocks import COARSE, CPU
from micrec_pyg.graph.similar.modalities import weighted
from micrec_pyg.graph.similar.search import neighbor_lists
from micrec_pyg.nn import kernels
from micrec_pyg.nn.inner_products import InnerProducts
from micrec_pyg.nn.spmm import product
from micrec_pyg.schema import Feature

BUDGET_S = 210.0
"""No measurement begins later; the last one ends within four minutes."""


def measure(options: Options) -> list[Row]:
    """Return rows; none without a CUDA device, but for a trial on the CPU."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not options.quick:
        print("  no CUDA device: nothing is measured")
        return []
    if device == "cpu" and os.environ.get("TRITON_INTERPRET") != "1":
        print("  no CUDA device: a trial needs TRITON_INTERPRET=1; nothing is measured")
        return []
    begin, rows = time.perf_counter(), []
    for found in _rows(options, device):
        rows.append(found)
        options.keep(rows)
        if time.perf_counter() - begin > BUDGET_S:
            print("  the time is up: the rest is left out")
            break
    return rows


def _rows(options: Options, device: str) -> Iterator[Row]:
    """Yield every row as soon as it is measured, the most important first."""
    speed = floor.copy_speed(2**20 if options.quick else 2**31, device)
    yield row("copy of a large tensor, read and written", "B/s", [speed], None, "")
    timed = partial(seconds, options=options, device=device)
    sizes = (60,) if options.quick else (337_811, 1_000_000, 10_000_000)
    for nonzeros in sizes:
        yield from _products(nonzeros, speed, options, device)
    yield from steps(speed, timed, options, device)
    yield from _ranking(options, device)
    yield from _neighbors(options, device)
    yield from memory(speed, timed, options, device)


def _products(
    nonzeros: int, speed: float, options: Options, device: str
) -> Iterator[Row]:
    """Yield both directions of a product by our kernels against cuSPARSE and floor."""
    users, items = int(nonzeros * 0.141) + 2, int(nonzeros * 0.082) + 2
    generator = torch.Generator(device).manual_seed(0)
    with torch.device(device):
        both = random_graph((users, items), nonzeros, generator)
    tables = [torch.randn(m.shape[1], DIM, device=device) for m in both]
    found = {}
    for kernel in ("triton", "csr"):
        kernels.configure(kernel=kernel)
        try:
            found[kernel] = seconds(
                lambda: [
                    product(m, m.values(), x) for m, x in zip(both, tables, strict=True)
                ],
                options,
                device,
            )
        finally:
            kernels.configure()
    word = floor.WORD
    moved = 2 * nonzeros * (2 * word + word * DIM) + (users + items) * word * DIM
    what = f"products to users and to items, {nonzeros:,} non-zeros, d = {DIM}"
    yield row(what, "s", found["triton"], found["csr"], "cuSPARSE")
    least = [moved / speed]
    yield row(what, "s", found["triton"], least, FLOOR)


def _ranking(options: Options, device: str) -> Iterator[Row]:
    """Yield masked ranking against blocks of 128 users, and against torch alone."""
    users, items, known = (
        (200, 300, 900) if options.quick else (47_589, 27_637, 337_811)
    )
    generator = torch.Generator().manual_seed(0)
    user, item = (
        torch.randn(n, DIM, generator=generator).to(device) for n in (users, items)
    )
    pairs = torch.stack([torch.randint(n, (known,)) for n in (users, items)])
    pairs, everyone = (
        pairs.unique(dim=1).contiguous().to(device),
        torch.arange(users, device=device),
    )
    score = InnerProducts(user, item)

    def ours(batch_size: int) -> None:
        rank(
            score,
            users=everyone,
            n_id=everyone,
            known=pairs,
            k=20,
            candidates=None,
            batch_size=batch_size,
        )

    def plain() -> None:
        start = torch.searchsorted(pairs[0].contiguous(), everyone)
        for block in everyone.split(size):
            end = int(block[-1]) + 1
            last = int(start[end]) if end < users else pairs.shape[1]
            mine = pairs[:, int(start[block[0]]) : last]
            scores = user[block] @ item.T
            scores[mine[0] - block[0], mine[1]] = float("-inf")
            scores.topk(20)

    size = users_at_once("auto", items, device)
    what = f"masked ranking, {users:,} users x {items:,} items, {size:,} at a time"
    found = seconds(lambda: ours(size), options, device)
    few = seconds(lambda: ours(128), options, device)
    yield row(what, "s", found, few, "128 users at a time")
    yield row(what, "s", found, seconds(plain, options, device), "torch: @ and topk")


def _neighbors(options: Options, device: str) -> Iterator[Row]:
    """Yield the search with the device's blocks and TF32, and with a CPU's."""
    nodes = 200 if options.quick else 50_000
    generator = torch.Generator().manual_seed(0)
    features = {}
    for name, width in WIDTHS.items():
        centers = torch.randn(500, width, generator=generator)
        values = centers[torch.randint(500, (nodes,), generator=generator)]
        values += torch.randn(nodes, width, generator=generator)
        mask = torch.ones(nodes, dtype=torch.bool)
        features[name] = Feature(values.to(device), mask.to(device))
    modalities = weighted(features, WEIGHTS)
    given = {"num_nodes": nodes, "k": NEIGHBORS, "include_self": False}
    lists = {}

    def ours() -> None:
        lists["ours"] = neighbor_lists(modalities, **given)

    def small() -> None:
        coarse = COARSE.pop("cuda")
        try:
            lists["small"] = neighbor_lists(modalities, blocks=CPU, **given)
        finally:
            COARSE["cuda"] = coarse

    what = f"multimodal neighbour lists, {nodes:,} nodes, K = {NEIGHBORS}"
    found, other = seconds(ours, options, device), seconds(small, options, device)
    same = torch.equal(lists["ours"].index, lists["small"].index)
    peer = "a CPU's blocks and float32"
    yield row(what, "s", found, other, peer, same_lists=same)


def seconds(call: Callable[[], object], options: Options, device: str) -> list[float]:
    """Return the seconds of a call, a value per group of calls."""
    found, calls = [], 1
    for group in range(1 + options.turns(5)):
        wait(device)
        begin = time.perf_counter()
        for _ in range(calls):
            call()
        wait(device)
        took = (time.perf_counter() - begin) / calls
        if group == 0:  # it also compiles
            again = time.perf_counter()
            call()
            wait(device)
            took = time.perf_counter() - again
            calls = 1 if options.quick else max(1, min(100, int(0.05 / took)))
        else:
            found.append(took)
    return found


def wait(device: str) -> None:
    """Wait until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
