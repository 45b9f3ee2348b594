"""What the parts cost that a plan for more data is made of (docs/scale.md).

    python -m benchmarks.unit_costs --interactions 1000000 --nodes 50000

A training step of LightGCN on the whole graph and on the graphs around its batch; the
sum of a table over two processes; neighbours by faiss, with their recall.
"""

import argparse
import logging
import os
import statistics
import time
from collections.abc import Callable

import polars as pl
import torch
import torch.distributed as dist
from torch import multiprocessing

from benchmarks.growth import DIM, NUM_LAYERS, shape
from micrec_pyg.graph.domain_graph import domain_graph
from micrec_pyg.graph.node_rows import training_rows
from micrec_pyg.graph.options import GraphOptions
from micrec_pyg.graph.similar.approximate import approximate_lists
from micrec_pyg.graph.similar.modalities import Modality
from micrec_pyg.models.lightgcn import LightGCN
from micrec_pyg.nn.ranking import BPR
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import Domain, DomainSize, Interactions, TrainStage, Vocab
from micrec_pyg.training.neighborhoods import Neighborhoods
from micrec_pyg.training.optimizer import adam
from micrec_pyg.training.sampler import Sampler
from micrec_pyg.training.step import Step

BATCH = 2048
PER_HOP = (None, (10, 5), (20, 10, 5))
WIDTH, K = 384, 10


def graph(interactions: int) -> TrainStage:
    """Return a generated training stage of Kitchen's shape."""
    made = shape(interactions)
    generator = torch.Generator().manual_seed(0)
    user = torch.randint(made.users, (interactions,), generator=generator)
    share = torch.rand(interactions, generator=generator, dtype=torch.float64)
    key = (user * made.items + (made.items * share**3).long()).unique()
    edges = torch.stack([key // made.items, key % made.items])
    seen = [torch.ones(n, dtype=torch.bool) for n in (made.users, made.items)]
    nobody = torch.zeros(0, dtype=torch.int64)
    options = GraphOptions(
        num_neighbors=0,
        max_user_neighbors=None,
        w=1,
        modality_weights={},
        knn_include_self=False,
        knn_lists=0,
        template_ratio=1,
        template_metric="error_sort",
        seed=0,
        neighbors="features",
        overlap="links",
        overlap_ratio=1,
        union=False,
        cache_dir=None,
    )
    ids = [Vocab(pl.Series([str(n) for n in range(len(each))])) for each in seen]
    data = domain_graph(
        Domain("grown", Interactions(nobody, nobody, *ids), {}, ""),
        edges,
        users=training_rows(seen[0]),
        items=training_rows(seen[1]),
        person=torch.arange(made.users),
        user_templates=nobody,
        item_templates=nobody,
        options=options,
    )
    return TrainStage({"grown": data}, {"grown": edges}, {})


def step_seconds(stage: TrainStage, per_hop: tuple[int, ...] | None) -> float:
    """Return the median seconds of a step."""
    data = stage.graphs["grown"]
    size = DomainSize(data["user"].num_nodes, data["item"].num_nodes, 0, 0)
    streams = RandomStreams(0)
    model = LightGCN(
        sizes={"grown": size},
        streams=streams,
        dim=DIM,
        std=0.1,
        unseen="zero",
        num_layers=NUM_LAYERS,
        neighbor=None,
        loss=BPR(),
    )
    sampler = Sampler(stage, batch_size=BATCH, parts={"triplets"}, streams=streams)
    around = None
    if per_hop is not None:
        around = Neighborhoods(stage.graphs, per_hop=per_hop, streams=streams)
    named = model.named_parameters()
    optimizer = adam(named, lr=1e-3, recorded=False, weight_decay=0, rates={})
    step = Step(model, stage, sampler, {"ranking": 1.0}, optimizer, streams, around)
    return median(step, 5)


def median(call: Callable[[], object], count: int) -> float:
    """Return the median seconds of some calls after a first one."""
    call()
    seconds = []
    for _ in range(count):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def sum_of_tables(rank: int, rows: int) -> None:
    """Print the rate at which two processes sum a table, as one of them."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29577"}
    dist.init_process_group("gloo", rank=rank, world_size=2)
    table = torch.ones(rows, DIM)
    seconds = median(lambda: dist.all_reduce(table), 5)
    if rank == 0:
        size = table.numel() * 4
        print(
            f"sum over 2 processes on one machine (gloo), {size / 2**20:,.0f} MB: "
            f"{seconds:.3f} s, {size / seconds / 1e9:.2f} GB/s",
            flush=True,
        )
    dist.destroy_process_group()


def neighbors(nodes: int) -> None:
    """Print the time of neighbours by faiss; the library logs their recall."""
    generator = torch.Generator().manual_seed(0)
    centre = torch.randn(500, WIDTH, generator=generator)
    values = centre[torch.randint(500, (nodes,), generator=generator)]
    values += torch.randn(nodes, WIDTH, generator=generator)
    mask = torch.ones(nodes, dtype=torch.bool)
    given = [Modality("text", 1.0, values, mask)]
    begin = time.perf_counter()
    approximate_lists(given, num_nodes=nodes, k=K, include_self=False)
    seconds = time.perf_counter() - begin
    print(f"{K} neighbours of {nodes:,} nodes, width {WIDTH}: {seconds:.1f} s")


def main() -> None:
    """Print every cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interactions", type=int, default=1_000_000)
    parser.add_argument("--nodes", type=int, default=50_000)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    neighbors(given.nodes)
    made = shape(given.interactions)
    multiprocessing.spawn(sum_of_tables, (made.users + made.items,), nprocs=2)
    stage = graph(given.interactions)
    for per_hop in PER_HOP:
        seconds = step_seconds(stage, per_hop)
        what = "the whole graph" if per_hop is None else f"{list(per_hop)} neighbours"
        print(
            f"LightGCN, {given.interactions:,} interactions, step of {BATCH} triplets "
            f"on {what}: {seconds:.3f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
