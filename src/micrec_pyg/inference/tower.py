r"""The user tower: a person's vector of a history, without a pass over the graph.

A person reads from the graph as it stands (``inference.guests``), so what all people
share is a table over the items. Of a history of n distinct items it takes the sums:

.. math::
    z_u = \frac{1}{L + 1} \Big( h'_u + \frac{1}{\sqrt{n}}
    \sum_{i \in N_u} \sum_{l < L} \frac{x_i^{(l)}}{\sqrt{d_i}} \Big)

x are the layers of LightGCN, h is the model's start of a user, and h' the same refined
by the users with the most similar histories. The vector is the one that the model gives
a guest, but for rounding. ``exports.network`` writes the same as ONNX.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional
from torch_geometric.data import HeteroData

from micrec_pyg.inference.similar_people import People
from micrec_pyg.inference.world import World, compared_in
from micrec_pyg.models.alpharec import AlphaRec
from micrec_pyg.models.base import Model
from micrec_pyg.models.freedom import FREEDOM
from micrec_pyg.models.inmo import INMO
from micrec_pyg.models.lightgcn import LightGCN
from micrec_pyg.models.micrec import MICRec
from micrec_pyg.nn.id_embedding import IdEmbedding
from micrec_pyg.nn.item_content import content, mean_content
from micrec_pyg.nn.mlp import MLP
from micrec_pyg.nn.per_domain import module_key
from micrec_pyg.nn.spmm import product
from micrec_pyg.nn.template import TemplateEmbedding
from micrec_pyg.nn.template_rows import are_templates, as_node_rows
from micrec_pyg.schema import INTERACTED_BY, INTERACTS, ITEM, USER, Embeddings

Columns = Sequence[Float[Tensor, "_items _width"]]
Sums = Sequence[Float[Tensor, "_people _width"]]
"""What columns add up to over the items of every history."""


@dataclass(frozen=True, eq=False)
class Templates:
    """h = rho^exponent (token + sum of template vectors), as ``nn.template`` has it."""

    columns: Columns
    """Vectors of the items, zero for those that are no templates; and 1 for those that
    are."""
    token: Float[Tensor, " dim"]
    exponent: float

    def of_sums(self, sums: Sums) -> Float[Tensor, "people dim"]:
        """Return h of people."""
        terms, count = sums
        return (terms + self.token) * (count + 1).pow(self.exponent)


@dataclass(frozen=True, eq=False)
class Contents:
    """h = a network of the mean content, as AlphaRec has it."""

    columns: Columns
    """Of every modality the unit vectors of the items, and 1 for those that have it."""
    mlp: MLP

    def of_sums(self, sums: Sums) -> Float[Tensor, "people dim"]:
        """Return h of people."""
        means = [
            total / count.clamp(min=1)
            for total, count in zip(sums[::2], sums[1::2], strict=True)
        ]
        h: Tensor = self.mlp(torch.cat(means, dim=1))
        return h


Start = Templates | Contents


@dataclass(frozen=True, eq=False)
class Tower:
    """A model's way from a history to a person, in one graph."""

    num_layers: int
    cosine: bool
    messages: Float[Tensor, "items dim"]
    """What an item sends to a person, over all layers."""
    start: Start | None
    """None where h is zero."""
    people: People | None
    """Whose vectors refine h; None where nobody's do."""

    @torch.no_grad()
    def vectors(
        self, edges: Int[Tensor, "2 _"], count: int
    ) -> Float[Tensor, "people dim"]:
        """Return the vectors of people.

        Args:
            edges: Distinct (person, item row) pairs, sorted.
            count: How many people there are.
        """
        person, item = edges
        length = torch.bincount(person, minlength=count)

        def total(column: Tensor) -> Tensor:
            start = length.cumsum(0) - length
            return functional.embedding_bag(item, column, start, mode="sum")

        z = total(self.messages) / length.clamp(min=1)[:, None].sqrt()
        h = torch.zeros_like(z)
        if self.start is not None:
            h = self.start.of_sums([total(column) for column in self.start.columns])
        if self.people is not None:
            h = self.people.refined(h, edges)
        z = (h + z) / (self.num_layers + 1)
        return functional.normalize(z, dim=1) if self.cosine else z


def tower_in(world: World, graph: str) -> Tower | None:
    """Return the tower of a graph's people; None where ``why_no_tower`` says why."""
    if graph not in world.towers:
        with torch.no_grad():
            make = None if why_no_tower(world) else MODELS[type(world.model)]
            world.towers[graph] = make and make(world, graph, world.graphs[graph])
    found: Tower | None = world.towers[graph]
    return found


def why_no_tower(world: World) -> str | None:
    """Return why a model has no tower; None where it has one."""
    model, name = world.model, world.name
    if USER not in model.answers:
        return f"the model {name} has no vector for people it never saw"
    if type(model) in MODELS:
        tables = [part for part in model.modules() if isinstance(part, IdEmbedding)]
        if any(table.unseen != "zero" for table in tables):
            return "a tower starts a new person at 0; train with model.net.unseen=zero"
        options = world.options
        if options.num_neighbors and (
            options.knn_include_self or options.neighbors == "cooccurrence"
        ):
            return (
                "the tower compares people by the content of their items; train with "
                "neighbors=features and graph.knn_include_self=false"
            )
        return None
    if model.reads_other_domains:
        return (
            f"the model {name} reads the histories of all domains, a tower that of one"
        )
    return f"the model {name} has no user tower; {NAMES} have one"


def _messages(
    start: Embeddings, data: HeteroData, num_layers: int
) -> Float[Tensor, "items dim"]:
    """Return what an item sends to a person, over all layers."""
    to_user, to_item = data[INTERACTED_BY].adj_t, data[INTERACTS].adj_t
    user, item = start.user, start.item
    total = torch.zeros_like(item)
    for _ in range(num_layers):
        total += item
        user, item = (
            product(to_user, to_user.values(), item),
            product(to_item, to_item.values(), user),
        )
    scale: Tensor = data[ITEM].degree.clamp(min=1).float().rsqrt()
    return total * scale[:, None]


def _inmo(world: World, name: str, data: HeteroData) -> Tower:
    model = cast(INMO, world.model)
    h = model.templates(name, data, None)
    return _of_templates(model, name, data, h, None)


def _micrec(world: World, name: str, data: HeteroData) -> Tower:
    model = cast(MICRec, world.model)
    h = model.templates(name, data, None)
    there = compared_in(world, name)[USER]
    people = None
    if there is not None:
        people = People.of(data, there, h.user, model.neighbor, world.options)
    return _of_templates(model, name, data, model.neighbor(h, data), people)


def _of_templates(
    model: INMO | MICRec,
    name: str,
    data: HeteroData,
    h: Embeddings,
    people: People | None,
) -> Tower:
    template = cast(TemplateEmbedding, model.templates.template[module_key(name)])
    terms, are = as_node_rows(data, ITEM, template.item), are_templates(data, ITEM)
    one = terms.new_ones(len(terms)) if are is None else are
    start = Templates(
        columns=[terms.detach(), one[:, None]],
        token=template.user_token.detach().view(-1),
        exponent=float(template.alpha) / 2 - 1,
    )
    num_layers = model.propagation.num_layers
    messages = _messages(h, data, num_layers)
    return Tower(num_layers, model.loss.cosine, messages, start, people)


def _lightgcn(world: World, name: str, data: HeteroData) -> Tower:
    model = cast(LightGCN, world.model)
    h = e = model.embedding[module_key(name)](data)
    people = None
    if model.neighbor is not None:
        h, there = model.neighbor(e, data), compared_in(world, name)[USER]
        if there is not None:
            people = People.of(data, there, e.user, model.neighbor, world.options)
    num_layers = model.propagation.num_layers
    messages = _messages(h, data, num_layers)
    return Tower(num_layers, model.loss.cosine, messages, None, people)


def _freedom(world: World, name: str, data: HeteroData) -> Tower:
    model = cast(FREEDOM, world.model)
    e = model.embedding[module_key(name)](data)
    messages = _messages(e, data, model.num_layers)
    return Tower(model.num_layers, model.loss.cosine, messages, None, None)


def _alpharec(world: World, name: str, data: HeteroData) -> Tower:
    model = cast(AlphaRec, world.model)
    names, mlp = model.modalities[name], cast(MLP, model.mlp[module_key(name)])
    columns = []
    for modality in names or [""]:
        has = data[ITEM].get(f"{modality}_mask", data[ITEM].degree < 0)
        columns += [content(data, [modality] if names else []), has.float()[:, None]]
    begin = Embeddings(mlp(mean_content(data, names)), mlp(content(data, names)))
    num_layers = model.propagation.num_layers
    messages = _messages(begin, data, num_layers)
    return Tower(num_layers, model.loss.cosine, messages, Contents(columns, mlp), None)


Maker = Callable[[World, str, HeteroData], Tower]

MODELS: Mapping[type[Model], Maker] = {
    INMO: _inmo,
    MICRec: _micrec,
    LightGCN: _lightgcn,
    FREEDOM: _freedom,
    AlphaRec: _alpharec,
}
NAMES = "alpharec, freedom, inmo, inmo_mf, lightgcn, lightgcn_neighbors and micrec"
"""What these models are called, with their variants."""
