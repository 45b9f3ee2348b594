"""Why an item is recommended: parts of the score that add up to it.

The person is asked for again as guests with the same weights, each without one edge.
Where a model is linear in the edges of a person, the differences are the parts, and
what no edge brings is the rest. That the parts add up is checked, not assumed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.inference.distinct import unlike_nobody
from micrec_pyg.inference.guests import UserRows, with_users
from micrec_pyg.inference.links import graphs_read, scores_of_nobody
from micrec_pyg.inference.row_tables import TITLE
from micrec_pyg.inference.world import World
from micrec_pyg.schema import (
    DESCRIBES_USER,
    INTERACTED_BY,
    ITEM,
    ITEM_TEMPLATE,
    SIMILAR_USER,
    USER,
    EdgeType,
    InputError,
)

TOLERANCE = 1e-4
"""Of the sum of the parts, relative to the largest of them."""
HISTORY, TEMPLATE, PEOPLE, REST, ANYBODY = (
    "history item",
    "template item",
    "similar people",
    "the rest",
    "what anybody gets",
)


@dataclass(frozen=True, eq=False)
class Part:
    """Edges that bring one part of the score."""

    kind: str
    edge_type: EdgeType
    edges: Bool[Tensor, " edges"]
    source: int
    """Place of the item in its vocabulary; -1 for a group of edges."""


def user_rows(world: World, domain: str, row: int) -> dict[str, UserRows]:
    """Return what the graphs that the model reads say of a user, by graph.

    Args:
        world: What is known.
        domain: Of the item that is asked about.
        row: Of the user, in the graph of the domain.
    """
    person = world.graphs[world.tasks[domain].graph][USER].person[row]
    found = {}
    for name in graphs_read(world, domain):
        data = world.graphs[name]
        own = (data[USER].person == person).nonzero().flatten().tolist()
        if own:
            found[name] = _rows_of(data, own[0])
    return found


def _rows_of(data: HeteroData, row: int) -> UserRows:
    """Return what a graph says of one of its users."""
    edges = {}
    for kind in (INTERACTED_BY, DESCRIBES_USER, SIMILAR_USER):
        matrix = data[kind].adj_t
        first, last = matrix.crow_indices()[row : row + 2].tolist()
        col = matrix.col_indices()[first:last].long()
        edges[kind] = (
            torch.stack([torch.zeros_like(col), col]),
            matrix.values()[first:last],
        )
    nodes = {
        name: value[row : row + 1]
        for name, value in data[USER].items()
        if isinstance(value, Tensor) and len(value) == data[USER].num_nodes
    }
    return UserRows(1, edges, nodes)


@torch.no_grad()
def parts_of(
    world: World, domain: str, rows: Mapping[str, UserRows], item: int
) -> pl.DataFrame:
    """Return the parts of a score, largest first: kind, item, title, contribution.

    A person to whom the model gives what it gives anybody has one part, which says so.

    Args:
        world: What is known.
        domain: Of the item.
        rows: Of one person, by graph. Those of other domains are never taken away:
            what they bring is in the rest.
        item: Row in the domain's graph.

    Raises:
        InputError: The model is not linear in the edges of a person.
    """
    here = world.tasks[domain].graph
    parts = list(_parts(world, domain, rows[here]))
    copies = {
        name: _copies(world, of, parts if name == here else None, len(parts) + 2)
        for name, of in rows.items()
    }
    scores, mine = _scores(world, domain, copies, item)
    # a model that answers nobody else has a vector for this person
    if USER in world.model.answers:
        if not bool(unlike_nobody(mine, scores_of_nobody(world, domain))):
            return _last(ANYBODY, float(scores[0]))
    whole, rest, without = float(scores[0]), float(scores[1]), scores[2:]
    values = whole - without
    scale = max(1e-3, float(values.abs().max()) if len(values) else 0.0, abs(whole))
    if abs(rest + float(values.sum()) - whole) > TOLERANCE * scale:
        raise InputError(
            f"the model {world.name} is not linear in a person's interactions, so its "
            "score has no parts that add up to it"
        )
    vocab, texts = world.domains[domain].interactions.items, world.texts[domain]
    places = [part.source for part in parts]
    known = [place if place >= 0 else None for place in places]
    frame = pl.DataFrame(
        {
            "kind": [part.kind for part in parts],
            "item": [None if p is None else vocab.ids[p] for p in known],
            "title": [None if p is None else texts[p] for p in known],
            "contribution": values.tolist(),
        },
        schema=_SCHEMA,
    ).sort("contribution", descending=True, maintain_order=True)
    last = _last(REST, whole - float(frame["contribution"].sum()))
    return pl.concat([frame, last]).with_columns(pl.col("title").str.slice(0, TITLE))


def _last(kind: str, value: float) -> pl.DataFrame:
    """Return a part that no item brings."""
    return pl.DataFrame([{"kind": kind, "contribution": value}], schema=_SCHEMA)


_SCHEMA = {
    "kind": pl.String,
    "item": pl.String,
    "title": pl.String,
    "contribution": pl.Float64,
}


def _parts(world: World, domain: str, rows: UserRows) -> Iterator[Part]:
    """Yield the edges of one person: every item and template, all people together."""
    task = world.tasks[domain]
    data = world.graphs[task.graph]
    vocabulary = {
        INTERACTED_BY: data[ITEM].n_id.cpu(),
        DESCRIBES_USER: data[ITEM_TEMPLATE].n_id.cpu(),
    }
    own = _own_places(world, domain)
    for kind, edge_type in ((HISTORY, INTERACTED_BY), (TEMPLATE, DESCRIBES_USER)):
        (_, col), _ = rows.edges[edge_type]
        for place, source in enumerate(vocabulary[edge_type][col.cpu()].tolist()):
            edges = torch.arange(len(col)) == place
            yield Part(kind, edge_type, edges, int(own[source]))
    (_, col), _ = rows.edges[SIMILAR_USER]
    if len(col):
        every = torch.ones(len(col), dtype=torch.bool)
        yield Part(PEOPLE, SIMILAR_USER, every, -1)


def _own_places(world: World, domain: str) -> Int[Tensor, " _"]:
    """Return the place in the domain's vocabulary of each item of the graph's."""
    task = world.tasks[domain]
    data = world.graphs[task.graph]
    size = 1 + int(data[ITEM].n_id.max())
    if task.item is None:
        return torch.arange(size)
    found = torch.full((size,), -1)
    found[data[ITEM].n_id.cpu()[task.item.cpu()]] = task.data[ITEM].n_id.cpu()
    return found


def _copies(
    world: World, rows: UserRows, parts: list[Part] | None, count: int
) -> UserRows:
    """Return the person as often as there are parts, each time without one.

    Before these: the person as it is, and without any edge. Each copy is a person of
    its own, the same in all graphs; without ``parts`` all have all edges.
    """
    edges = {}
    for kind, ((_, col), value) in rows.edges.items():
        kept = torch.ones(count, len(col), dtype=torch.bool)
        kept[1] = parts is None
        for place, part in enumerate(parts or [], start=2):
            if part.edge_type == kind:
                kept[place] = ~part.edges
        copy, edge = kept.to(col.device).nonzero(as_tuple=True)
        edges[kind] = (torch.stack([copy, col[edge]]), value[edge])
    nodes = {
        name: value.repeat_interleave(count, dim=0)
        for name, value in rows.nodes.items()
    }
    nodes["person"] = world.num_people + torch.arange(count, device=world.device)
    return UserRows(count, edges, nodes)


def _scores(
    world: World, domain: str, copies: Mapping[str, UserRows], item: int
) -> tuple[Float[Tensor, " copies"], Float[Tensor, "1 items"]]:
    """Return the copies' scores of one item, and the first one's of all items."""
    task = world.tasks[domain]
    graphs = {name: with_users(world.graphs[name], of) for name, of in copies.items()}
    if world.model.reads_other_domains:
        graphs = {**world.graphs, **graphs}
    score = world.model.scorer(task.graph, world.model(graphs), graphs)
    first, place = world.graphs[task.graph][USER].num_nodes, item
    last = graphs[task.graph][USER].num_nodes
    asked = torch.arange(first, last, device=world.device)
    mine = score(asked[:1])
    if task.item is not None:
        place, mine = int(task.item[item]), mine.index_select(1, task.item)
    blocks = [score(some)[:, place].double().cpu() for some in asked.split(256)]
    return torch.cat(blocks), mine
