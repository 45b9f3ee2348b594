"""Training steps on one GPU: recorded against eager ones and the floor, and memory.

The graphs are made on the device itself, so that a lease of minutes is enough: the
sizes of Food-Kitchen and of 1 M interactions, and 100 M to see what one card holds.
Similar nodes are K random ones: a step does not depend on who they are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import polars as pl
import torch
from torch_geometric.data import HeteroData

from benchmarks import data, floor
from benchmarks.harness import Options, Row, Target, ratio_of, row
from benchmarks.propagation import DIM
from micrec_pyg.cli.config import experiment
from micrec_pyg.graph.build import domain_sizes
from micrec_pyg.graph.domain_graph import (
    add_with_transpose,
    domain_graph,
    similarity_matrix,
)
from micrec_pyg.graph.node_rows import training_rows
from micrec_pyg.graph.overlap import links
from micrec_pyg.graph.similar.neighbor_lists import NeighborLists
from micrec_pyg.models.base import parts_of
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import (
    SIMILAR_ITEM,
    SIMILAR_USER,
    USER,
    Domain,
    Interactions,
    TrainStage,
    Vocab,
)
from micrec_pyg.training.sampler import Sampler
from micrec_pyg.training.step import Step, record

LAYERS, NEIGHBORS = 3, 3
MODELS = {"lightgcn": (0, 0), "inmo": (2, 0), "micrec": (2, 2)}
"""Products of the template layer, and of the neighbour layer, in a step."""
ONE_CARD_MODELS = ("lightgcn", "micrec")
FLOOR = "floor: the bytes moved"
RECORDED, LARGE = ratio_of(1 / 3), ratio_of(1 / 1.5)
"""Three times the floor for small graphs, and one and a half from 1 M edges on."""
ONE_CARD = Target("<= 80 GB", lambda found: found["ours"] <= 80_000)
SIZES = {
    "Food-Kitchen's size": {"food": data.FOOD, "kitchen": data.KITCHEN},
    "1 M interactions": {"large": data.Size(140_880, 81_820, 1_000_000)},
}
HUGE = {"huge": data.Size(14_088_000, 8_182_000, 100_000_000)}

Seconds = Callable[[Callable[[], object]], list[float]]
"""Returns the seconds of a call, a value per group of calls."""


def steps(
    speed: float, seconds: Seconds, options: Options, device: str
) -> Iterator[Row]:
    """Yield recorded steps against the floor and against eager ones.

    Args:
        speed: Of a copy of a large tensor, in bytes per second.
        seconds: Measures a call.
        options: ``quick`` makes the graphs tiny.
        device: Where the graphs are made.
    """
    sizes, shared = SIZES, data.SHARED_USERS
    if options.quick:
        sizes = {"tiny": {"food": data.TINY, "kitchen": data.TINY}}
        shared = data.TINY_SHARED_USERS
    for label, domains in sizes.items():
        train = generated_stage(domains, shared_users=shared, device=device)
        for model, layers in MODELS.items():
            least, what = _least_bytes(train, layers) / speed, f"step of {model}"
            eager = _seconds(model, train, seconds, device, recorded=False)
            if device == "cpu":
                yield row(f"{what}, {label}, eager", "s", eager, [least], FLOOR)
                continue
            found = _seconds(model, train, seconds, device, recorded=True)
            target = LARGE if "1 M" in label else RECORDED
            what = f"{what}, {label}"
            yield row(what, "s", found, [least], FLOOR, target=target)
            yield row(what, "s", found, eager, "not recorded")


def memory(
    speed: float, seconds: Seconds, options: Options, device: str
) -> Iterator[Row]:
    """Yield time and memory of a step with ``fit=large`` on 100 M interactions.

    Arguments are those of ``steps``. A card that is too small has no rows.
    """
    domains = {"huge": data.TINY} if options.quick else HUGE
    count = domains["huge"].interactions
    try:
        train = generated_stage(domains, shared_users=0, device=device)
        for model in ONE_CARD_MODELS:
            least = _least_bytes(train, MODELS[model]) / speed
            if device != "cpu":
                torch.cuda.reset_peak_memory_stats()
            found = _seconds(
                model, train, seconds, device, recorded=False, settings=("fit=large",)
            )
            what = f"step of {model}, {count:,} interactions, fit=large"
            yield row(what, "s", found, [least], FLOOR)
            if device != "cpu":
                peak = [torch.cuda.max_memory_allocated() / 1e6]
                yield row(f"memory: {what}", "MB", peak, None, "", target=ONE_CARD)
    except torch.OutOfMemoryError as error:
        print(f"  {count:,} interactions do not fit here: {error}")


def generated_stage(
    domains: Mapping[str, data.Size], *, shared_users: int, device: str
) -> TrainStage:
    """Return training graphs of these sizes, every node a template.

    Args:
        domains: Their sizes.
        shared_users: Users with the low numbers, whom all domains have in common.
        device: Where everything is made.
    """
    generator = torch.Generator(device).manual_seed(0)
    graphs, labels, person = {}, {}, {}
    free = shared_users
    with torch.device(device):
        for name, size in domains.items():
            everyone = torch.arange(size.users)
            own = everyone - shared_users + free
            person[name] = torch.where(everyone < shared_users, everyone, own)
            free += size.users - shared_users
            labels[name] = _edges(size, generator)
            graphs[name] = _graph(name, size, labels[name], person[name], generator)
        shared = links({name: graph[USER].person for name, graph in graphs.items()})
    return TrainStage(graphs=graphs, labels=labels, overlap=shared, person=person)


def _edges(size: data.Size, generator: torch.Generator) -> torch.Tensor:
    """Return pairs, sorted: every user has one at least, few items have most."""
    drawn = 2 * size.interactions  # more than enough: many are double
    everyone = torch.arange(size.users)
    more = torch.randint(size.users, (drawn,), generator=generator)
    user = torch.cat([everyone, more])
    share = torch.rand(len(user), generator=generator, dtype=torch.float64)
    key = (user * size.items + (size.items * share**3).long()).unique()
    order = torch.randperm(len(key), generator=generator)[: size.interactions]
    key = key[order].sort().values
    return torch.stack([key // size.items, key % size.items])


def _graph(
    name: str,
    size: data.Size,
    edges: torch.Tensor,
    person: torch.Tensor,
    generator: torch.Generator,
) -> HeteroData:
    """Return the graph of a domain, with K random nodes similar to each."""
    users, items = (
        training_rows(torch.ones(n, dtype=torch.bool)) for n in (size.users, size.items)
    )
    vocabularies = [
        Vocab(pl.int_range(n, eager=True).cast(pl.String))
        for n in (size.users, size.items)
    ]
    graph = domain_graph(
        Domain(name, Interactions(*edges, *vocabularies), {}, ""),
        edges,
        users=users,
        items=items,
        person=person,
        user_templates=users.n_id,
        item_templates=items.n_id,
        options=experiment(["neighbors=features", "features=none"]).graph,
    )
    for kind, n in ((SIMILAR_USER, size.users), (SIMILAR_ITEM, size.items)):
        index = torch.randint(n, (n, NEIGHBORS), generator=generator)
        lists = NeighborLists(index, torch.rand(index.shape, generator=generator))
        add_with_transpose(graph, kind, similarity_matrix(lists, (n, n)))
    return graph


def _seconds(
    model: str,
    train: TrainStage,
    seconds: Seconds,
    device: str,
    *,
    recorded: bool,
    settings: Sequence[str] = (),
) -> list[float]:
    """Return the seconds of a training step of a model with its default settings."""
    return seconds(step_of(model, train, device, recorded=recorded, settings=settings))


def step_of(
    model: str,
    train: TrainStage,
    device: str,
    *,
    recorded: bool,
    settings: Sequence[str] = (),
) -> Step:
    """Return a training step of a model with its default settings."""
    run = experiment([f"model={model}", f"device={device}", *settings])
    streams = RandomStreams(0, device)
    net = run.make_model(sizes=domain_sizes(train), streams=RandomStreams(0)).to(device)
    weights = {name: weight for name, weight in run.weights.items() if weight > 0}
    sampler = Sampler(
        train,
        batch_size=run.fit.batch_size,
        parts={parts_of(net)[name] for name in weights},
        streams=streams,
        loss=net.loss,
    )
    adam = run.fit.optimizer(net.named_parameters(), lr=run.fit.lr, recorded=recorded)
    step = Step(net, train, sampler, weights, adam, streams)
    record(step, recorded)
    return step


def _least_bytes(train: TrainStage, layers: tuple[int, int]) -> float:
    """Return the bytes that a step moves at least."""
    total, row_bytes = 0.0, floor.WORD * DIM
    templates, neighbors = layers
    for domain, graph in train.graphs.items():
        edges = train.labels[domain].shape[1]
        nodes = graph["user"].num_nodes + graph["item"].num_nodes
        total += floor.bytes_of_step(nodes, edges, DIM, LAYERS)
        weighted_row = 2 * floor.WORD + row_bytes
        total += templates * (2 * edges * weighted_row + nodes * row_bytes)
        similar = sum(
            graph[kind, "similar", kind].adj_t.values().numel()
            for kind in ("user", "item")
        )
        total += neighbors * (similar * weighted_row + 2 * nodes * row_bytes)
    return total
