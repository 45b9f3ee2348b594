"""Whether a run fits in memory, estimated before it starts."""

import logging
from collections.abc import Mapping
from typing import Any

from micrec_pyg.runs.experiment import Experiment
from micrec_pyg.runs.free_memory import free_bytes
from micrec_pyg.schema import USER, Domain, EdgeSplit, InputError
from micrec_pyg.storage.mapped import MAPPED_BYTES
from micrec_pyg.training.sampler import MAX_OVERLAP

logger = logging.getLogger(__name__)

FLOAT = 4
"""Bytes of a float32."""
PER_EDGE = 132
"""Bytes of an interaction: CSR in both directions, weights, and the order of the
transposed ones (36), labels and the samplers' index (56), weights of one step (40)."""
PER_NEIGHBOR = 40
"""Bytes of a similarity edge: twice CSR, the order, the weights of one step."""
TABLES = 9
"""Tables [nodes, d] at the peak of a step: parameters, gradient, two moments, the
best epoch's copy, and what a propagation and its gradient hold at once."""
HEADS = 6
"""Matrices [d, d] for each of a projection: itself, gradient, two moments, the best
epoch's copy, and the one that a checkpoint writes."""
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
RUNTIME = 800 * 2**20
"""Bytes of Python, torch and the other libraries."""


def check_memory(
    experiment: Experiment,
    domains: Mapping[str, Domain],
    splits: Mapping[str, EdgeSplit],
) -> None:
    """Refuse a run that would not fit; called before graphs are built.

    Raises:
        InputError: The estimate is above what the device has free.
    """
    needed = estimate(experiment, domains, splits)
    free = free_bytes(experiment.device, RUNTIME)
    logger.info("memory: about %.1f GiB are needed", needed / 2**30)
    if free is not None and needed > free:
        raise InputError(
            f"this run needs about {needed / 2**30:.1f} GiB on {experiment.device} and "
            f"{free / 2**30:.1f} GiB are free; lower model.net.dim, K, fit.batch_size "
            "or rank.batch_size, take fewer domains, or filter the data (k-core)"
        )


def estimate(
    experiment: Experiment,
    domains: Mapping[str, Domain],
    splits: Mapping[str, EdgeSplit],
) -> int:
    """Return the bytes that training and evaluation need at their peak.

    From nodes, edges, features, d, K and the batches; by design an upper estimate, as
    the growth part of docs/performance.md measures.
    """
    total, scores = RUNTIME, 0
    for name, split in splits.items():
        users, items = len(split.seen_user), len(split.seen_item)
        total += (users + items) * experiment.dim * FLOAT * TABLES
        total += split.known_at_test.shape[1] * PER_EDGE
        total += _neighbors(experiment, domains[name], users, items)
        total += _model_and_batch(experiment, users, items)
        scores = max(scores, min(experiment.users_at_once, users) * items * FLOAT)
    # scores of one block of users, and the copy that the top-k works on
    return total + 2 * scores


def _neighbors(experiment: Experiment, domain: Domain, users: int, items: int) -> int:
    """Return the bytes of similarity edges and of the search for them."""
    graph = experiment.graph
    k, of_user = graph.num_neighbors, graph.neighbors_of(USER)
    if not k:
        return 0
    widths = sum(each.values.shape[1] for each in domain.features.values())
    edges = (min(of_user, users) * users + min(k, items) * items) * PER_NEIGHBOR
    table = (users + items) * widths * FLOAT
    if graph.cache_dir is not None:
        table = min(table, 2 * MAPPED_BYTES)  # larger ones lie in files
    return edges + table * FEATURES


def _num_negatives(experiment: Experiment) -> int:
    """Return the negatives of a positive, a setting of some models."""
    model: Any = experiment.make_model
    settings = getattr(model, "keywords", {})
    fixed = getattr(model, "func", model).num_negatives
    return int(settings.get("num_negatives", fixed))


def _model_and_batch(experiment: Experiment, users: int, items: int) -> int:
    """Return the bytes of what one domain adds to the model and to a step."""
    dim, batch = experiment.dim, experiment.fit.batch_size
    model: Any = getattr(experiment.net, "func", experiment.net)
    parts = set(model.terms.values())
    total = 0
    if "overlap" in parts:  # what aligns domains projects their users first
        total += 2 * dim * (dim + 1) * FLOAT * HEADS + MAX_OVERLAP**2 * FLOAT
    vectors = {
        "triplets": 3,
        "template_triplets": 3,
        "negatives": 2 + _num_negatives(experiment),
    }
    for part in parts & vectors.keys():
        total += batch * vectors[part] * (dim * FLOAT * PER_VECTOR + PER_SAMPLE)
    if "users" in parts:
        total += min(batch, users) * items * FLOAT * ROWS
    return total
