"""The user tower as an ONNX network, for runtimes without torch."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from micrec_pyg.graph.similar.neighbor_lists import POSITIVE
from micrec_pyg.inference.exports.network import Network
from micrec_pyg.inference.exports.vectors import item_table, vectors_of
from micrec_pyg.inference.similar_people import People
from micrec_pyg.inference.tower import (
    Start,
    Templates,
    Tower,
    tower_in,
    why_no_tower,
)
from micrec_pyg.inference.world import World
from micrec_pyg.schema import InputError
from micrec_pyg.storage.writing import write_parquet

NOTE = (
    "history: rows of distinct items, padded by -1; user: the vector whose inner "
    "product with the item vectors is the score"
)
TINY = torch.finfo(torch.float32).tiny


def write_tower(world: World, domain: str, folder: Path) -> list[Path]:
    """Write ``user-<domain>.onnx``, and the item vectors and ids as Parquet.

    Args:
        world: What is known.
        domain: Whose histories it reads, and whose items it is for.
        folder: Gets both files.

    Raises:
        InputError: The model has no such network, or onnx is not installed.
    """
    vectors = vectors_of(world, domain)
    task = world.tasks[domain]
    tower = tower_in(world, task.graph)
    if tower is None:
        raise InputError(f"export onnx: {why_no_tower(world)}")
    network = Network()
    result = _add(network, tower, task.item)
    path, table = folder / f"user-{domain}.onnx", folder / f"items-{domain}.parquet"
    network.write(path, result, width=vectors.item.shape[1], note=NOTE)
    write_parquet(table, item_table(world, domain))
    return [path, table]


def _add(network: Network, tower: Tower, rows: Tensor | None) -> str:
    """Add a tower; return the name of the users' vectors.

    Args:
        network: Gets it.
        tower: Of a graph.
        rows: The items of that graph which histories name; None: all.
    """
    own = [tower.messages, *(tower.start.columns if tower.start else [])]
    columns = own + (_columns(tower.people) if tower.people else [])
    sums, count = _sums(network, [c if rows is None else c[rows] for c in columns])
    z = network.node("Div", sums[0], network.node("Sqrt", count))
    h = None
    if tower.start is not None:
        h = _start(network, tower.start, sums[1 : len(own)])
    if tower.people is not None:
        h = _refined(network, tower.people, h, sums[len(own) :])
    z = z if h is None else network.node("Add", h, z)
    z = network.node("Div", z, network.constant(float(tower.num_layers + 1)))
    if tower.cosine:
        length = network.node("Sqrt", network.sum(network.node("Mul", z, z), 1))
        least = network.node("Max", length, network.constant(1e-12))
        z = network.node("Div", z, least)
    return str(z)


def _columns(people: People) -> list[Float[Tensor, "_items _width"]]:
    """Return of every modality the items' vectors, and 1 where they have it."""
    found = []
    for m in people.there.modalities:
        has = people.items[m.name].mask[:, None].float()
        found += [people.items[m.name].values * has, has]
    return found


def _sums(
    network: Network, columns: list[Float[Tensor, "_items _width"]]
) -> tuple[list[str], str]:
    """Add what columns sum up to over a history, and its length, at least 1."""
    # one gather for all of them; the last row, of zeros, is what -1 finds
    table = torch.nn.functional.pad(torch.cat(columns, dim=1), (0, 0, 0, 1))
    rows = network.node("Gather", network.constant(table), "history", axis=0)
    total = network.node("ReduceSum", rows, network.constant([1]), keepdims=0)
    sums = [total]
    if len(columns) > 1:
        widths = network.constant([column.shape[1] for column in columns])
        sums = network.node("Split", total, widths, outputs=len(columns), axis=1)
    real = network.node("GreaterOrEqual", "history", network.constant([0]))
    count = network.sum(network.as_float(real), 1)
    return sums, str(network.node("Max", count, network.constant(1.0)))


def _start(network: Network, start: Start, sums: list[str]) -> str:
    """Add h, of the sums of its columns."""
    if isinstance(start, Templates):
        rho = network.node("Add", sums[1], network.constant(1.0))
        scale = network.node("Pow", rho, network.constant(start.exponent))
        total = network.node("Add", sums[0], network.constant(start.token))
        return str(network.node("Mul", total, scale))
    one = network.constant(1.0)
    means = [
        network.node("Div", total, network.node("Max", count, one))
        for total, count in zip(sums[::2], sums[1::2], strict=True)
    ]
    x = network.node("Concat", *means, axis=1)
    for place, layer in enumerate(start.mlp.layers):
        if place:  # leaky_relu between the layers, as torch has it
            x = network.node("LeakyRelu", x, alpha=0.01)
        weight, bias = (network.constant(p.detach()) for p in layer.parameters())
        x = network.node("Gemm", x, weight, bias, transB=1)
    return str(x)


def _refined(network: Network, people: People, h: str | None, sums: list[str]) -> str:
    """Add h', from h (None is zero) and the sums of the columns over a history."""
    similarity, k = _similarity(network, people, sums), min(people.k, len(people.there))
    best, index = network.node(
        "TopK", similarity, network.constant([k]), outputs=2, axis=1
    )
    positive = network.node("Greater", best, network.constant(POSITIVE))
    valid = network.as_float(positive)
    vectors = network.node("Gather", network.constant(people.vectors), index, axis=0)
    weights = _weights(network, people, network.node("Mul", best, valid), valid)
    wide = network.node("Unsqueeze", weights, network.constant([2]))
    told = network.node("Mul", vectors, wide)
    told = network.node("ReduceSum", told, network.constant([1]), keepdims=0)
    if h is None:
        return str(told)
    if people.aggregation == "mean":
        h = network.node("Div", h, _one_more(network, valid))
    return str(network.node("Add", h, told))


def _one_more(network: Network, valid: str) -> str:
    return str(network.node("Add", network.sum(valid, 1), network.constant(1.0)))


def _similarity(network: Network, people: People, sums: list[str]) -> str:
    """Add the similarities of all users, as ``Compared.scores`` defines them."""
    tiny = network.constant(TINY)
    parts, weights = [], []
    for place, (m, inverse) in enumerate(
        zip(people.there.modalities, people.there.inverse, strict=True)
    ):
        vector, count = sums[2 * place : 2 * place + 2]
        # the direction of a sum is that of the mean
        square = network.sum(network.node("Mul", vector, vector), 1)
        length = network.node("Max", network.node("Sqrt", square), tiny)
        unit = network.node("Div", vector, length)
        theirs = m.values * (m.weight * inverse).float()[:, None]
        parts.append(network.node("MatMul", unit, network.constant(theirs.T)))
        has = network.node("Min", count, network.constant(1.0))
        shares = network.constant(m.weight * m.mask[None].float())
        weights.append(network.node("MatMul", has, shares))
    weight = network.node("Max", network.node("Sum", *weights), tiny)
    return str(network.node("Div", network.node("Sum", *parts), weight))


def _weights(network: Network, people: People, similarity: str, valid: str) -> str:
    """Add the factor of each of the users alike, as ``People`` has it."""
    if people.aggregation == "weighted":
        return similarity
    if people.aggregation == "mean":
        return str(network.node("Div", valid, _one_more(network, valid)))
    value = similarity
    if people.aggregation == "softmax":
        top = network.node("ReduceMax", value, network.constant([1]), keepdims=1)
        less = network.node("Sub", value, top)
        heat = network.constant(people.temperature)
        value = network.node("Exp", network.node("Div", less, heat))
        value = network.node("Mul", value, valid)
    total = network.node("Max", network.sum(value, 1), network.constant(TINY))
    return str(network.node("Div", value, total))
