"""An artefact read again: checked, and nothing of it called that is not this project's.

``runs.artefact`` writes it.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.graph.options import GraphOptions
from micrec_pyg.models.base import Model
from micrec_pyg.runs.artefact import (
    ARTEFACT,
    AT_TEST,
    CONFIG,
    DIGESTS,
    FORMAT,
    NEIGHBORS,
    RECORD,
    TEMPLATES,
    WEIGHTS,
    thumbnails_file,
)
from micrec_pyg.runs.build import build
from micrec_pyg.runs.files import read_json
from micrec_pyg.runs.settings import check_node
from micrec_pyg.runs.thumbnails import SCHEMA
from micrec_pyg.schema import (
    ITEM_TEMPLATE,
    USER_TEMPLATE,
    DamagedFileError,
    Domain,
    DomainSize,
    EdgeSplit,
    Feature,
    InputError,
    Interactions,
    Task,
    TrainStage,
    Vocab,
    no_edges,
)
from micrec_pyg.storage.reading import read_parquet
from micrec_pyg.storage.seals import MANIFEST, check, remedy
from micrec_pyg.storage.tensors import read_tensors
from micrec_pyg.yaml_files import read_yaml


@dataclass(frozen=True, eq=False)
class Artefact:
    """What lies in the folder of an artefact; on the CPU."""

    folder: Path
    record: Mapping[str, Any]
    """The content of ``artefact.json``."""
    settings: Mapping[str, Any]
    """Every setting of the run, resolved."""
    domains: Mapping[str, Domain]
    """Without interactions: these are in ``splits``."""
    splits: Mapping[str, EdgeSplit]
    """The edges that the artefact knows; no test pair is among them."""
    texts: Mapping[str, pl.Series]
    pictures: Mapping[str, pl.Series]
    """By domain: a JPEG of every item, null where there is none."""
    train: TrainStage
    """The people, and graphs that hold the templates alone."""
    options: GraphOptions
    make_model: partial[Model]
    sizes: Mapping[str, DomainSize]
    state: Mapping[str, Tensor]
    neighbors: Mapping[str, Tensor]
    """Parts of the matrices of similar nodes; none where they must be searched."""


def artefact_folder(path: Path) -> Path:
    """Return the folder of an artefact.

    Args:
        path: Of the artefact, or of the run that has it.

    Raises:
        InputError: There is none.
    """
    for folder in (path, path / ARTEFACT):
        if (folder / RECORD).is_file():
            return folder
    if (path / "metrics.json").is_file():
        raise InputError(
            f"{path} is a run of an earlier version, without {ARTEFACT}/{RECORD}; "
            f"write it: micrec evaluate --again {shlex.quote(str(path))}"
        )
    raise InputError(
        f"'{path}' is no artefact and no finished run; give the folder that `micrec "
        "train` printed, or its folder artefact, wherever it lies now"
    )


def read_artefact(path: Path) -> Artefact:
    """Return what an artefact holds.

    Args:
        path: Of the artefact, or of the run that has it.

    Raises:
        DamagedFileError: A file is missing or not what was written; it is named.
        InputError: There is none, it is of another version, or its settings name
            something that settings may not call.
    """
    folder = artefact_folder(path)
    record = read_json(folder / RECORD)
    if record.get("format") != FORMAT:
        raise InputError(
            f"{folder / RECORD}: format {record.get('format')!r} was given, this "
            f"version reads {FORMAT}; use the version of micrec-pyg that wrote it"
        )
    with remedy(f"copy {folder} again, or train the run again"):
        if not (folder / MANIFEST).exists():
            raise DamagedFileError(f"{folder / MANIFEST} is missing")
        check(folder)
        try:
            return _read(folder, record)
        except (LookupError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise DamagedFileError(f"{folder} holds no artefact ({error!r})") from error


def _read(folder: Path, record: Mapping[str, Any]) -> Artefact:
    settings = read_yaml(folder / CONFIG)
    names: list[str] = record["domains"]
    users = {n: read_parquet(folder / f"users-{n}.parquet") for n in names}
    items = {n: read_parquet(folder / f"items-{n}.parquet") for n in names}
    digests = read_json(folder / DIGESTS)
    domains = {
        n: Domain(
            name=n,
            interactions=_interactions(users[n]["id"], items[n]["id"]),
            features=_features(folder / f"features-{n}.safetensors"),
            digest=digests[n],
        )
        for n in names
    }
    people = {
        n: torch.from_numpy(frame["person"].to_numpy(writable=True))
        for n, frame in users.items()
    }
    return Artefact(
        folder=folder,
        record=record,
        settings=settings,
        domains=domains,
        splits={n: _split(folder, n, users[n], items[n]) for n in names},
        texts={n: frame["text"] for n, frame in items.items()},
        pictures={
            n: _pictures(folder / thumbnails_file(n), frame.height)
            for n, frame in items.items()
        },
        train=_train(folder, names, people),
        options=_options(settings),
        make_model=_model_of(settings),
        sizes={n: DomainSize(**size) for n, size in record["sizes"].items()},
        state=read_tensors(folder / WEIGHTS)[0],
        neighbors=read_tensors(folder / NEIGHBORS)[0],
    )


def _options(settings: Mapping[str, Any]) -> GraphOptions:
    """Return the options of the graphs; nothing is kept outside of the artefact."""
    node = {**settings["graph"], "cache_dir": None}
    check_node(node, "graph")
    options = build(node, "graph")
    if not isinstance(options, GraphOptions):
        raise InputError(f"graph._target_={node['_target_']}: give GraphOptions")
    return options


def _model_of(settings: Mapping[str, Any]) -> partial[Model]:
    node = settings["model"]["net"]
    check_node(node, "model.net")
    made = build(node, "model.net")
    kind = getattr(made, "func", None)
    if not (isinstance(kind, type) and issubclass(kind, Model)):
        raise InputError(f"model.net._target_={node['_target_']}: give a model")
    assert isinstance(made, partial)
    return made


def _interactions(users: pl.Series, items: pl.Series) -> Interactions:
    none = no_edges()
    return Interactions(
        user=none[0], item=none[1], users=Vocab(users), items=Vocab(items)
    )


def _features(path: Path) -> dict[str, Feature]:
    tensors, _ = read_tensors(path)
    names = [name.removeprefix("values/") for name in tensors if name[:7] == "values/"]
    return {
        name: Feature(tensors[f"values/{name}"], tensors[f"mask/{name}"].bool())
        for name in names
    }


def _pictures(path: Path, count: int) -> pl.Series:
    """Return the pictures of a domain's items, which an artefact need not have."""
    found = pl.DataFrame(schema=SCHEMA)
    if path.exists():
        found = read_parquet(path, [*SCHEMA])
    item = found["item"]
    if item.n_unique() != len(item) or not item.is_between(0, count - 1).all():
        raise DamagedFileError(f"{path} names rows that do not exist, or one twice")
    every = pl.DataFrame({"item": range(count)}, schema={"item": pl.Int64})
    joined = every.join(found, on="item", how="left", maintain_order="left")
    return joined["jpeg"].cast(pl.Binary)


def _split(
    folder: Path, name: str, users: pl.DataFrame, items: pl.DataFrame
) -> EdgeSplit:
    """Return the known edges of a domain as a split without test pairs."""
    path = folder / f"known-{name}.parquet"
    table = read_parquet(path)
    pairs = torch.from_numpy(table.select("user", "item").to_numpy(writable=True)).T
    for row, frame in zip(pairs, (users, items), strict=True):
        if row.numel() and not 0 <= int(row.min()) <= int(row.max()) < frame.height:
            raise DamagedFileError(f"{path} names rows that do not exist")
    seen = [
        torch.from_numpy(frame["train_row"].is_not_null().to_numpy())
        for frame in (users, items)
    ]
    parts: dict[str, Any] = {
        part: pairs[:, torch.from_numpy((table["part"] == part).to_numpy())]
        for part in AT_TEST
    }
    return EdgeSplit(**parts, test=no_edges(), seen_user=seen[0], seen_item=seen[1])


def _train(folder: Path, names: list[str], people: Mapping[str, Tensor]) -> TrainStage:
    """Return a stage that holds what later graphs take from that of training."""
    tensors, _ = read_tensors(folder / TEMPLATES)
    graphs: dict[str, HeteroData] = {}
    for key, n_id in tensors.items():
        name, _, kind = key.rpartition("/")
        data = graphs.setdefault(name, HeteroData())
        data[kind].n_id = n_id
        data[kind].num_nodes = len(n_id)
    for data in graphs.values():
        if {USER_TEMPLATE, ITEM_TEMPLATE} - {*data.node_types}:
            raise DamagedFileError(f"{folder / TEMPLATES} lacks templates")
    tasks = {n: Task(n, graphs[n], no_edges(), no_edges()) for n in names}
    return TrainStage(graphs, labels={}, overlap={}, tasks=tasks, person=people)
