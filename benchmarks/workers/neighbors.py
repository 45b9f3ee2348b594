"""Ours: the exact multimodal neighbour lists of every node, per turn."""

import threading
import time

import numpy as np
import torch
from torch import Tensor
from turns import Turns, arguments, peak_mb

from micrec_pyg.cli.process import prepare

prepare()  # before the first tensor: torch then asks for huge pages

from micrec_pyg.graph.similar.modalities import weighted  # noqa: E402
from micrec_pyg.graph.similar.search import neighbor_lists  # noqa: E402
from micrec_pyg.schema import Feature  # noqa: E402

CLUSTERS = 500
NOISE = 1.0
"""Deviation from the cluster's centre, whose values have a deviation of 1."""

turns = Turns()
given = arguments()
num_nodes: int = given["num_nodes"]


def clustered(width: int, generator: torch.Generator) -> Tensor:
    """Return vectors around common centres; takes no more memory than they do."""
    values = torch.empty(num_nodes, width)
    centre = torch.randn(CLUSTERS, width, generator=generator)
    for block in values.split(5000):
        block.normal_(std=NOISE, generator=generator)
        block += centre[torch.randint(CLUSTERS, (len(block),), generator=generator)]
    return values


def turn() -> Tensor:
    """Return the neighbours [nodes, k]."""
    return neighbor_lists(
        weighted(features, given["weights"]),
        num_nodes=num_nodes,
        k=given["k"],
        include_self=False,
    ).index


def watch_memory(stop_s: float) -> None:
    """Report the memory that a search takes beside its input, done or not."""
    before = peak_mb()

    def report(whole: bool) -> None:
        turns.done(added_mb=peak_mb() - before, whole=whole)

    timer = threading.Timer(stop_s, report, [False])
    timer.daemon = True
    timer.start()
    turn()
    timer.cancel()
    report(True)


generator = torch.Generator().manual_seed(0)
values = {name: clustered(w, generator) for name, w in given["widths"].items()}
everyone = torch.ones(num_nodes, dtype=torch.bool)
features = {name: Feature(v, everyone) for name, v in values.items()}
if "stop_s" in given:
    watch_memory(given["stop_s"])
np.savez(given["data"], **{name: v.numpy() for name, v in values.items()})
turns.done()
while True:
    begin = time.perf_counter()
    found = turn()
    seconds = time.perf_counter() - begin
    np.save(given["found"], found.numpy())
    turns.done(seconds=seconds)
