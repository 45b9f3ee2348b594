"""What answers stand on: the graphs of everything known, and the model's view of them.

A world never changes. What is added or removed makes another one, so whoever reads the
old one meanwhile gets its answers.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import polars as pl
import torch
from jaxtyping import Bool
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.blas import AUTO
from micrec_pyg.evaluation.block_size import BlockSize
from micrec_pyg.evaluation.evaluate import task_score
from micrec_pyg.features.encoder import Encoder
from micrec_pyg.graph.build import test_stage
from micrec_pyg.graph.domain_graph import add_with_transpose
from micrec_pyg.graph.options import GraphOptions
from micrec_pyg.graph.to_device import to_device
from micrec_pyg.inference.artefact import Artefact
from micrec_pyg.inference.neighbors import KINDS, ByKind, compared_nodes, follow
from micrec_pyg.inference.row_tables import RowTables
from micrec_pyg.models.base import Model, reads_vectors_alone
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.runs.device import check_device, set_compute
from micrec_pyg.schema import (
    USER,
    Domain,
    EdgeSplit,
    Embeddings,
    InputError,
    Score,
    Task,
    TrainStage,
)

SAMPLE = 64
"""Users who show whether a model scores people differently."""


@dataclass(frozen=True, eq=False)
class World:
    """Everything that is known, as graphs, and the trained model on them."""

    name: str
    """Of the model."""
    model: Model
    options: GraphOptions
    train: TrainStage
    """The templates of training, and the person of every user."""
    domains: Mapping[str, Domain]
    splits: Mapping[str, EdgeSplit]
    texts: Mapping[str, pl.Series]
    pictures: Mapping[str, pl.Series]
    """By domain: a small JPEG of every item, null where there is none."""
    gone: Mapping[str, Bool[Tensor, " items"]]
    """By domain: the items that were removed; their rows stay, empty."""
    features: Mapping[str, Any]
    """The settings of the encoders, for new items."""
    batch_size: BlockSize
    """Users ranked at a time, that of the run: so scores are equal to the last bit."""
    device: str = "cpu"
    graphs: Mapping[str, HeteroData] = field(default_factory=dict)
    """By name, what the model reads."""
    tasks: Mapping[str, Task] = field(default_factory=dict)
    """By domain; no pair is hidden, and the known pairs are sorted by user."""
    z: Mapping[str, Embeddings] = field(default_factory=dict)
    scores: Mapping[str, Score] = field(default_factory=dict)
    """By domain, of the rows of its own graph."""
    personal: Mapping[str, bool] = field(default_factory=dict)
    """By domain: whether the model scores people differently."""
    compared: dict[str, ByKind] = field(default_factory=dict)
    """By graph: what its nodes are compared by, made when it is first needed."""
    towers: dict[str, Any] = field(default_factory=dict)
    """By graph: the tower of its people (``inference.tower``), likewise."""
    nobody: dict[str, Tensor] = field(default_factory=dict)
    """By domain: the scores of a person without any history, likewise."""
    tables: dict[str, RowTables] = field(default_factory=dict)
    """By domain: what ``rows`` returns, made when it is first needed."""
    encoders: dict[str, Encoder] = field(default_factory=dict)
    """By modality, made when they are first needed."""

    @cached_property
    def num_people(self) -> int:
        """Return a number that is above that of every person."""
        return 1 + max(int(p.max()) for p in self.train.person.values() if len(p))

    def rows(self, domain: str) -> RowTables:
        """Return what the rows of a domain's own graph stand for."""
        if domain not in self.tables:
            task = self.tasks[domain]
            alone = reads_vectors_alone(self.model)
            self.tables[domain] = RowTables.of(
                task,
                self.graphs[task.graph],
                self.domains[domain].interactions,
                self.texts[domain],
                self.gone[domain],
                self.z.get(task.graph) if alone else None,
            )
        return self.tables[domain]


def make_world(artefact: Artefact, *, device: str = "cpu") -> World:
    """Return the world that an artefact knows.

    Args:
        artefact: As it was read.
        device: Where the model computes.

    Raises:
        InputError: The weights are not those of the model, or there is no such device.
    """
    settings, device = artefact.settings, check_device(device)
    set_compute(settings["precision"], settings["spmm"], settings.get("blas", AUTO))
    model = artefact.make_model(sizes=artefact.sizes, streams=RandomStreams(0))
    model = model.to(device).train(False)
    try:
        model.load_state({n: t.to(device) for n, t in artefact.state.items()})
    except InputError as error:
        raise InputError(
            f"{artefact.folder}: the weights are not those of the model that its "
            "settings describe; copy the artefact again, or train the run again"
        ) from error
    world = World(
        name=str(artefact.record["model"]),
        model=model,
        options=replace(artefact.options, device=device),
        train=artefact.train,
        domains=artefact.domains,
        splits=artefact.splits,
        texts=artefact.texts,
        pictures=artefact.pictures,
        gone={
            name: torch.zeros(len(domain.interactions.items), dtype=torch.bool)
            for name, domain in artefact.domains.items()
        },
        features=artefact.settings.get("features", {}),
        batch_size=artefact.settings["rank"]["batch_size"],
        device=device,
    )
    return with_graphs(world, list(world.domains), neighbors=artefact.neighbors)


def with_graphs(
    world: World,
    changed: Collection[str],
    *,
    neighbors: Mapping[str, Tensor] | None = None,
) -> World:
    """Return a world whose graphs, vectors and scores follow from what it knows.

    They are made as for the test (``graph.build.test_stage``), of these domains anew
    and of the others not again.

    Args:
        world: Its domains, splits and people are right already.
        changed: The domains whose graphs are to be made.
        neighbors: Similar nodes that are known; where they are not those of all nodes
            of the graphs, they are searched.
    """
    names = list(world.domains) if world.options.union else list(changed)
    make = partial(
        test_stage,
        world.train,
        {name: world.domains[name] for name in names},
        {name: world.splits[name] for name in names},
        answers=world.model.answers,
    )
    stage = make(replace(world.options, num_neighbors=0))
    compared = {}
    if world.options.num_neighbors and not _filled(stage.graphs, neighbors or {}):
        compared = _followed(world, stage.graphs)
        if not compared:
            stage = make(world.options)
    stage = to_device(stage, world.device)
    graphs = {**world.graphs, **stage.graphs}
    # sorted once, so that no question sorts the pairs of everybody
    tasks = {**world.tasks, **{n: _by_user(task) for n, task in stage.tasks.items()}}
    kept = {n: c for n, c in world.compared.items() if n not in stage.graphs}
    grown = replace(
        world,
        graphs=graphs,
        tasks=tasks,
        towers={},
        nobody={},
        tables={},
        compared={**kept, **compared},
    )
    # a model that reads no other domain answers for those as before
    return _scored(grown, graphs if world.model.reads_other_domains else stage.graphs)


@torch.no_grad()
def _scored(world: World, read: Mapping[str, HeteroData]) -> World:
    """Return a world with the vectors and scores of these of its graphs made anew."""
    z = {**world.z, **world.model(read)}
    scores, personal = dict(world.scores), dict(world.personal)
    for name, task in world.tasks.items():
        if task.graph in read:
            score = world.model.scorer(task.graph, z, world.graphs)
            scores[name] = task_score(score, task)
            personal[name] = _differ(scores[name], task)
    return replace(world, z=z, scores=scores, personal=personal)


def compared_in(world: World, graph: str) -> ByKind:
    """Return what the nodes of a graph are compared by."""
    if graph not in world.compared:
        world.compared[graph] = compared_nodes(world.graphs[graph], world.options)
    return world.compared[graph]


def _followed(world: World, graphs: Mapping[str, HeteroData]) -> dict[str, ByKind]:
    """Give graphs the neighbours that follow from those of the world.

    Returns:
        What their nodes are compared by now; nothing where neighbours must be searched.
    """
    if world.options.union or world.options.neighbors == "cooccurrence":
        return {}
    found = {}
    for name, data in graphs.items():
        if name not in world.graphs:
            return {}
        before = world.graphs[name]
        compared = follow(before, compared_in(world, name), data, world.options)
        if compared is None:
            return {}
        found[name] = compared
    return found


def _by_user(task: Task) -> Task:
    return replace(task, known=task.known[:, task.known[0].argsort(stable=True)])


def _filled(graphs: Mapping[str, HeteroData], neighbors: Mapping[str, Tensor]) -> bool:
    """Give graphs their similarity edges; return False where none are known or fit."""
    for key, rows in neighbors.items():
        place, _, part = key.rpartition("/")
        name, _, kind = place.rpartition("/")
        if part != "rows":
            continue
        count = graphs[name][kind].num_nodes
        if len(rows) != count + 1:
            return False
        matrix = torch.sparse_csr_tensor(
            rows,
            neighbors[f"{place}/columns"],
            neighbors[f"{place}/values"],
            (count, count),
            check_invariants=True,
        )
        add_with_transpose(graphs[name], KINDS[kind], matrix)
    return bool(neighbors)


def _differ(score: Score, task: Task) -> bool:
    """Return whether some users with a history have scores of their own."""
    rows = task.data[USER].degree.nonzero().flatten()[:SAMPLE]
    scores = score(rows)
    return bool((scores != scores[:1]).any())
