"""Whether a run fits in memory, estimated before it starts."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from micrec_pyg.evaluation.block_size import threads_at_once, users_at_once
from micrec_pyg.nn.closed_form import DOUBLE
from micrec_pyg.nn.ranking import RankingLoss
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.runs.experiment import Experiment
from micrec_pyg.runs.free_memory import free_bytes
from micrec_pyg.schema import USER, Domain, DomainSize, EdgeSplit, InputError
from micrec_pyg.storage.mapped import MAPPED_BYTES
from micrec_pyg.training.optimizer import row_adam
from micrec_pyg.training.sampler import MAX_OVERLAP

logger = logging.getLogger(__name__)

FLOAT = 4
"""Bytes of a float32."""
PER_EDGE = 132
"""Bytes of an interaction: CSR in both directions, weights, and the order of the
transposed ones (36), labels and the samplers' index (56), weights of one step (40)."""
PER_NEIGHBOR = 40
"""Bytes of a similarity edge: twice CSR, the order, the weights of one step."""
TABLES = 6
"""Tables [nodes, d] at the peak of a step, moments apart: parameters, gradient, and
what a propagation and its gradient hold at once."""
MOMENTS = {row_adam: 1}
"""Tables [nodes, d] that an optimiser keeps; others keep 2."""
BEST = 1
"""Tables of the best epoch's copy, which lie on the host."""
CHECKPOINT = 4
"""Tables that a checkpoint of a GPU holds on the host while it is written: parameters,
the moments, and one that is being copied."""
HEADS = 6
"""Copies of a parameter outside of the tables: itself, gradient, two moments, the best
epoch's copy, and the one that a checkpoint writes."""
LEAST_COPIES = 2
"""Of any parameter while it is trained: itself and its gradient."""
ATTENTION = 3
"""Tables [nodes, key nodes] of each head: the products, their softmax, its gradient."""
PER_VECTOR = 4
"""Times that a step holds the vector of a sampled node: it, its gradient, and what the
loss makes of both."""
PER_SAMPLE = 120
"""Bytes of the draws of one sample: random numbers, rows and keys."""
FEATURES = 3
"""Tables [nodes, widths of all modalities] while neighbours are searched: the means of
users, the scaled vectors of both kinds, and those of the block at hand."""
ROWS = 4
"""Times that a step holds the dense rows of sampled users: they, what the model makes
of them, and the gradients."""
DENSE = 3
"""Square matrices at the peak of an inversion (docs/baselines.md)."""
PER_COMPARED = 13
"""Bytes of a pair of a sample and an item of the pool: whether the user took it (1),
its logit, what the softmax makes of it, and its gradient (4 each)."""
RUNTIME = 800 * 2**20
"""Bytes of Python, torch and the other libraries."""
CUDA_RUNTIME = 2 * 2**30
"""Bytes on the host of CUDA's libraries, beside them."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large a domain is."""

    users: int
    items: int
    edges: int
    """Interactions that the largest graph knows."""
    widths: int
    """Of the vectors of all modalities together."""


@dataclass(frozen=True)
class Needed:
    """Bytes at the peak of a run."""

    host: int
    device: int
    """Of a GPU; 0 where the run is on the CPU."""


def check_memory(
    experiment: Experiment,
    domains: Mapping[str, Domain],
    splits: Mapping[str, EdgeSplit],
) -> None:
    """Refuse a run that would not fit; called before graphs are built.

    Raises:
        InputError: The estimate is above what the host or the device has free.
    """
    needed = estimate(experiment, sizes_of(domains, splits))
    places = {"cpu": needed.host, experiment.device: needed.device or needed.host}
    for place, size in places.items():
        logger.info("memory: about %.1f GiB are needed on %s", size / 2**30, place)
        _check(
            size,
            place,
            "lower model.net.dim, K, fit.batch_size or rank.batch_size, give "
            "fit=large, take fewer domains, or filter the data (k-core)",
        )


def check_parameters(experiment: Experiment, sizes: Mapping[str, DomainSize]) -> None:
    """Refuse a model that would not fit, of any shape; nothing of it is allocated.

    Args:
        experiment: Makes the model.
        sizes: Of the graphs that it is made for.

    Raises:
        InputError: Its parameters and their gradients are above what the device has
            free.
    """
    try:
        with FakeTensorMode():
            model = experiment.make_model(sizes=sizes, streams=RandomStreams(0))
    except RuntimeError as error:  # a constructor that reads what it has drawn
        logger.debug("the model's parameters are not counted: %s", error)
        return
    count = sum(parameter.numel() for parameter in model.parameters())
    size = RUNTIME + count * FLOAT * LEAST_COPIES
    _check(size, experiment.device, "lower the widths and numbers under model.net")


def _check(size: int, place: str, remedy: str) -> None:
    free = free_bytes(place, RUNTIME)
    if free is not None and size > free:
        raise InputError(
            f"this run needs about {size / 2**30:.1f} GiB on {place} and "
            f"{free / 2**30:.1f} GiB are free; {remedy}"
        )


def sizes_of(
    domains: Mapping[str, Domain], splits: Mapping[str, EdgeSplit]
) -> list[Size]:
    """Return the sizes of all domains."""
    return [
        Size(
            users=len(split.seen_user),
            items=len(split.seen_item),
            edges=split.known_at_test.shape[1],
            widths=sum(f.values.shape[1] for f in domains[name].features.values()),
        )
        for name, split in splits.items()
    ]


def estimate(experiment: Experiment, sizes: Sequence[Size]) -> Needed:
    """Return the bytes that training and evaluation need at their peak.

    From nodes, edges, features, d, K and the batches; by design an upper estimate, as
    the growth part of docs/performance.md measures.
    """
    graphs = sum(_graph(experiment, size) for size in sizes)
    tables = sum(size.users + size.items for size in sizes) * experiment.dim * FLOAT
    moments = MOMENTS.get(_function(experiment.fit.optimizer), 2)
    steps = sum(_model_and_batch(experiment, size) for size in sizes)
    # scores of users, and the copy that the top-k works on
    scores = 2 * max((_scores(experiment, size) for size in sizes), default=0)
    dense = _closed_forms(experiment, sizes)
    training = graphs + (TABLES + moments) * tables + steps + scores + dense
    if torch.device(experiment.device).type == "cpu":
        return Needed(RUNTIME + training + BEST * tables, 0)
    kept = (BEST + CHECKPOINT) * tables
    return Needed(RUNTIME + CUDA_RUNTIME + graphs + kept, RUNTIME + training)


def _scores(experiment: Experiment, size: Size) -> int:
    """Return the bytes of the scores of the users that are ranked at once."""
    block = users_at_once(experiment.block_size, size.items, experiment.device)
    threads = threads_at_once(size.users, block, size.items, experiment.device)
    return min(threads * block, size.users) * size.items * FLOAT


def _graph(experiment: Experiment, size: Size) -> int:
    """Return the bytes of the edges of a domain, and of the search for neighbours."""
    total = size.edges * PER_EDGE
    graph = experiment.graph
    k, of_user = graph.num_neighbors, graph.neighbors_of(USER)
    if not k:
        return total
    pairs = min(of_user, size.users) * size.users + min(k, size.items) * size.items
    table = (size.users + size.items) * size.widths * FLOAT
    if graph.cache_dir is not None:
        table = min(table, 2 * MAPPED_BYTES)  # larger ones lie in files
    return total + pairs * PER_NEIGHBOR + table * FEATURES


def _function(maker: Any) -> Any:
    """Return what a partial calls."""
    return getattr(maker, "func", maker)


def _num_negatives(experiment: Experiment) -> int:
    """Return the negatives of a positive, a setting of some models."""
    model: Any = experiment.net
    settings = getattr(model, "keywords", {})
    fixed = _function(model).num_negatives
    return int(settings.get("num_negatives", fixed))


def _closed_forms(experiment: Experiment, sizes: Sequence[Size]) -> int:
    """Return the bytes of the largest dense matrix that is inverted, and its copies.

    It has as many rows as there are users, with the axes of content, or as items,
    whichever are fewer; above ``max_dense`` there is none.
    """
    model: Any = experiment.make_model
    # a closed form by itself, or beside a trained model
    of_term = getattr(model, "keywords", {}).get("term", model)
    settings = getattr(of_term, "keywords", {})
    if "max_dense" not in settings:
        return 0
    shapes = [(size.users, size.items) for size in sizes]
    if getattr(of_term, "func", of_term).reads_other_domains:
        users, items = zip(*shapes, strict=True)
        shapes = [(sum(users), sum(items))]
    axes = settings.get("content_dim", 0) * len(settings.get("content", ()))
    rows = [min(users + axes, items) for users, items in shapes]
    held = [
        DENSE * n**2 * (2 * FLOAT if n <= DOUBLE else FLOAT)
        for n in rows
        if n <= settings["max_dense"]
    ]
    return max(held, default=0)


def _pool(experiment: Experiment, items: int) -> tuple[int, int] | None:
    """Return how many negatives a batch shares, and with how many each is compared.

    None where every sample has negatives of its own.
    """
    model: Any = experiment.net
    settings = getattr(model, "keywords", {})
    loss, parts = settings.get("loss"), getattr(model, "func", model).terms.values()
    batch = experiment.fit.batch_size
    if isinstance(loss, RankingLoss):
        if loss.part != "pool":
            return None
        shared = min(loss.num_negatives, items)
        return shared, shared + (batch if loss.in_batch else 0)
    if "num_negatives" in settings and "negatives" not in parts:  # a softmax of its own
        shared = min(settings["num_negatives"], items)
        return shared, shared
    return None


def _model_and_batch(experiment: Experiment, size: Size) -> int:
    """Return the bytes of what one domain adds to the model and to a step."""
    dim, batch = experiment.dim, experiment.fit.batch_size
    model: Any = _function(experiment.net)
    parts = set(model.terms.values())
    total = 0
    if "overlap" in parts:  # what aligns domains projects their users first
        total += 2 * dim * (dim + 1) * FLOAT * HEADS + MAX_OVERLAP**2 * FLOAT
    vectors = {
        "triplets": 3,
        "template_triplets": 3,
        "negatives": 2 + _num_negatives(experiment),
    }
    per_vector = dim * FLOAT * PER_VECTOR + PER_SAMPLE
    pool = _pool(experiment, size.items)
    if pool is not None and "triplets" in parts:
        vectors["triplets"] = 2
        total += pool[0] * per_vector + batch * pool[1] * PER_COMPARED
    for part in parts & vectors.keys():
        total += batch * vectors[part] * per_vector
    if "users" in parts:
        total += min(batch, size.users) * size.items * FLOAT * ROWS
    return total + _lists(experiment, size)


def _lists(experiment: Experiment, size: Size) -> int:
    """Return the bytes of what a model lists for every node or sampled user."""
    net: Any = experiment.net
    settings = getattr(net, "keywords", {})
    heads, keys = settings.get("num_heads", 0), settings.get("num_keys", 0)
    pairs = sum(count * min(keys, count) for count in (size.users, size.items))
    similar = size.items * min(settings.get("k", 0), size.items)
    drawn = experiment.fit.batch_size * settings.get("history", 0)
    total: int = pairs * heads * FLOAT * ATTENTION + similar * PER_NEIGHBOR
    total += drawn * experiment.dim * FLOAT * PER_VECTOR
    return total
