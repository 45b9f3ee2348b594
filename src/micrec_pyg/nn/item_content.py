"""The content of items as one vector each, and of users as the mean of their items."""

from collections.abc import Collection, Mapping
from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.weak import WeakTensorKeyDictionary
from torch_geometric.data import HeteroData

from micrec_pyg.nn.mlp import glorot
from micrec_pyg.nn.per_domain import module_key, per_domain
from micrec_pyg.nn.spmm import product
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import INTERACTED_BY, ITEM, DomainSize

_UNIT = WeakTensorKeyDictionary()
"""Contents of length 1 by those of a graph, for as long as the graph is there."""


def width_of(size: DomainSize, modalities: Collection[str]) -> int:
    """Return the width of the content of some modalities; 1, a zero, for none."""
    return sum(size.widths[name] for name in modalities) or 1


def content(
    data: HeteroData,
    modalities: Collection[str],
    rows: Int[Tensor, " rows"] | None = None,
) -> Float[Tensor, "items width"]:
    """Return the unit vectors of some modalities side by side, 0 where one is missing.

    Args:
        data: A graph whose items have them.
        modalities: Their names; the order is alphabetical. Without any, a
            content is one zero.
        rows: Items; None are all.
    """
    store = data[ITEM]
    if not modalities:
        count = store.num_nodes if rows is None else len(rows)
        return torch.zeros(count, 1, device=store.train_row.device)
    parts = []
    for name in sorted(modalities):
        unit = _unit(store[name])
        parts.append(unit if rows is None else unit.index_select(0, rows))
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def _unit(values: Float[Tensor, "items width"]) -> Float[Tensor, "items width"]:
    """Return rows of length 1, computed once: a training step needs them again."""
    found: Tensor | None = _UNIT.get(values)
    if found is None:
        with torch.no_grad():
            found = _UNIT[values] = functional.normalize(values, dim=1)
    return found


def modality_layers(
    sizes: Mapping[str, DomainSize], *, dim: int, streams: RandomStreams
) -> nn.ModuleDict:
    """Return a linear layer from the content of every modality, by domain.

    Args:
        sizes: Widths of the content, by domain.
        dim: Width of the outputs.
        streams: Draw the start values, a stream per domain and modality.
    """
    return per_domain(
        sizes,
        lambda domain, size: nn.ModuleDict(
            {
                module_key(name): glorot(
                    size.widths[name], dim, streams("init", "content", domain, name)
                )
                for name in sorted(size.widths)
            }
        ),
    )


def projected(
    layers: nn.ModuleDict,
    domain: str,
    modality: str,
    data: HeteroData,
    rows: Int[Tensor, " rows"] | None = None,
) -> Float[Tensor, "items dim"]:
    """Return the content of items in one modality after its layer.

    Args:
        layers: Of ``modality_layers``.
        domain: Of the items.
        modality: Its name.
        data: The graph of the domain.
        rows: Items; None are all.
    """
    mine = cast(nn.ModuleDict, layers[module_key(domain)])
    return encoded(mine[module_key(modality)], data, [modality], rows)


def encoded(
    layer: nn.Module,
    data: HeteroData,
    modalities: Collection[str],
    rows: Int[Tensor, " rows"] | None = None,
) -> Float[Tensor, "items dim"]:
    """Return the content of items after a layer that reads each for itself.

    Content is much wider than what a layer makes of it: where there are fewer items
    than rows, each is read once.

    Args:
        layer: From the content of some modalities.
        data: A graph whose items have them.
        modalities: Their names.
        rows: Items, repeats are fine; None are all.
    """
    if rows is None or len(rows) <= data[ITEM].num_nodes:
        found: Tensor = layer(content(data, modalities, rows))
    else:
        found = layer(content(data, modalities)).index_select(0, rows)
    return found


def has_content(
    data: HeteroData, modalities: Collection[str], rows: Int[Tensor, " rows"]
) -> Bool[Tensor, " rows"]:
    """Return which items have at least one of some modalities."""
    masks = [data[ITEM][f"{name}_mask"].index_select(0, rows) for name in modalities]
    none = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    return torch.stack([none, *masks]).any(0)


def mean_content(
    data: HeteroData, modalities: Collection[str]
) -> Float[Tensor, "users width"]:
    """Return the mean of the contents of every user's items, 0 without any.

    Of each modality, the mean is over the items that have it. Edges are those of the
    graph at hand, so that it follows the history of a new user. There is no gradient.
    """
    edges = data[INTERACTED_BY].adj_t
    ones = torch.ones_like(edges.values())
    means = []
    for name in sorted(modalities):
        has = data[ITEM][f"{name}_mask"].float().view(-1, 1)
        count = product(edges, ones, has)
        means.append(product(edges, ones, content(data, [name])) / count.clamp(min=1))
    return torch.cat(means, dim=1) if means else ones.new_zeros(edges.shape[0], 1)
