"""Every data set of ``data=`` for users of PyG: a graph of interactions per domain."""

import copy
import hashlib
import json
import os
import pickle
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from jaxtyping import Int
from torch import Tensor
from torch_geometric.data import HeteroData, InMemoryDataset

from micrec_pyg.cli.config import Config, composed
from micrec_pyg.data.splits.parts import PARTS
from micrec_pyg.runs.build import build
from micrec_pyg.schema import (
    INTERACTED_BY,
    INTERACTS,
    ITEM,
    USER,
    Domain,
    EdgeSplit,
    InputError,
    Interactions,
    Vocab,
)
from micrec_pyg.storage.writing import whole

VERSION = 1
"""Raised whenever the graphs hold something else, so that old files are not used."""
IDS = ("user_ids", "item_ids")
"""Attributes of a graph with the raw ids, numpy arrays of strings."""


class CrossDomain(InMemoryDataset):
    """One ``HeteroData`` per domain, in the order of the data; docs/pyg.md."""

    processed_file_names: Sequence[str] = ()

    def __init__(
        self,
        root: str | Path,
        data: str = "movielens",
        *,
        overrides: Sequence[str] = (),
        features: str = "none",
        split: str | None = None,
        seed: int = 0,
        transform: Callable[[HeteroData], Any] | None = None,
        pre_transform: Callable[[HeteroData], HeteroData] | None = None,
        pre_filter: Callable[[HeteroData], bool] | None = None,
        force_reload: bool = False,
    ) -> None:
        """Read the processed file, or make it from the data.

        Args:
            root: Folder of the processed files; each combination of arguments has
                a file of its own in ``<root>/processed``.
            data: An option of the group ``data``, as ``micrec train`` takes it.
            overrides: More settings, such as ``data.path=shop``; they win.
            features: An option of the group ``features``; none runs no encoder and
                takes only the vectors that the data brings.
            split: An option of the group ``split``; None leaves the data whole.
            seed: Of the split and of random features.
            transform: Changes a graph each time that it is taken.
            pre_transform: Changes every graph once, before it is saved.
            pre_filter: Says which graphs are kept.
            force_reload: Make the processed file anew, for data that has changed.

        Raises:
            InputError: A setting or the data cannot be used, or the processed file
                cannot be loaded.
        """
        chosen = [f"data={data}", f"features={features}", f"seed={seed}"]
        chosen += [f"split={split}"] if split is not None else []
        self._config = composed([*chosen, *overrides])
        self._is_split = split is not None
        digest = _digest(self._config, split, pre_transform, pre_filter)
        self.processed_file_names = [f"{data}-{digest[:8]}.pt"]
        super().__init__(
            str(root), transform, pre_transform, pre_filter, force_reload=force_reload
        )
        self._data = _load(Path(self.processed_paths[0]))

    @property
    def domains(self) -> list[str]:
        """Return the names of the domains, in the order of the graphs."""
        return [self.get(place).domain for place in self.indices()]

    def len(self) -> int:
        """Return the number of graphs."""
        return len(self._data)

    def get(self, idx: int) -> HeteroData:
        """Return a graph by its place, with tensors that all its copies share."""
        return copy.copy(self._data[idx])

    def to(self, device: int | str) -> "CrossDomain":
        """Move all graphs to a device."""
        for graph in self._data:
            graph.to(device)
        return self

    @staticmethod
    def collate(
        data_list: Sequence[HeteroData],
    ) -> tuple[list[HeteroData], None]:
        """Return copies of the graphs as they are.

        PyG would join their tensors, and domains may have unlike modalities.
        """
        return copy.deepcopy(list(data_list)), None

    def process(self) -> None:
        """Read the data and save a graph per domain.

        Raises:
            InputError: The data cannot be used, or the filter leaves no domain.
        """
        graphs = _graphs(*_read(self._config, self._is_split))
        if self.pre_filter is not None:
            graphs = [graph for graph in graphs if self.pre_filter(graph)]
        if not graphs:
            raise InputError("pre_filter leaves no domain; let it keep at least one")
        if self.pre_transform is not None:
            graphs = [self.pre_transform(graph) for graph in graphs]
        for graph in graphs:
            if not isinstance(graph, HeteroData):
                raise InputError(
                    f"pre_transform returns a {type(graph).__name__}, a HeteroData is "
                    "needed; give it as transform instead"
                )
        _save(graphs, Path(self.processed_paths[0]))

    def _process(self) -> None:
        # Not PyG's own: that loads pre_transform.pt in a way that runs code which a
        # file brings. Here the transforms are in the file's name instead.
        if self.force_reload or not Path(self.processed_paths[0]).is_file():
            self.process()


def _read(
    config: Config, is_split: bool
) -> tuple[Mapping[str, Domain], Mapping[str, EdgeSplit]]:
    """Return what the configuration describes; no split unless it is asked for."""
    domains = build(config["features"])(build(config["data"]))
    return domains, build(config["split"])(domains) if is_split else {}


def _digest(config: Config, split: str | None, *transforms: object) -> str:
    """Return a sha256 of all that decides what the processed file holds."""
    groups = ["data", "features"] + (["split"] if split is not None else [])
    # without the addresses that functions print
    names = [re.sub(r" at 0x[0-9a-f]+", "", str(each)) for each in transforms]
    # a relative path means another file in another working folder
    said = [VERSION, {group: config[group] for group in groups}, names, os.getcwd()]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _graphs(
    domains: Mapping[str, Domain], splits: Mapping[str, EdgeSplit]
) -> list[HeteroData]:
    users = [domain.interactions.users.ids for domain in domains.values()]
    people = Vocab(pl.concat(users).unique(maintain_order=True))
    return [
        _graph(domain, splits.get(name), people) for name, domain in domains.items()
    ]


def _graph(domain: Domain, split: EdgeSplit | None, people: Vocab) -> HeteroData:
    """Return one domain as a graph; ``people`` are the users of all domains."""
    known = domain.interactions
    data = HeteroData()
    data.domain = domain.name
    data.user_ids = known.users.ids.to_numpy()
    data.item_ids = known.items.ids.to_numpy()
    data[USER].num_nodes, data[ITEM].num_nodes = len(known.users), len(known.items)
    data[USER].person = people.index(known.users.ids)
    _add_interactions(data, known, split)
    for modality, feature in domain.features.items():
        _add_modality(data, domain.name, modality, feature.values)
        _add_modality(data, domain.name, f"{modality}_mask", feature.mask)
    return data


def _add_interactions(
    data: HeteroData, known: Interactions, split: EdgeSplit | None
) -> None:
    """Add edges in both directions; with a split training edges, and pairs by part."""
    store, reverse = data[INTERACTS], data[INTERACTED_BY]
    if split is None:
        store.edge_index = known.edges
        if known.time is not None:
            store.time = known.time
    else:
        pairs = {part: getattr(split, part) for part in PARTS}
        times = _times(known, pairs)
        store.edge_index = pairs.pop("train")
        if times:
            store.time = times.pop("train")
        store.update({f"{part}_index": each for part, each in pairs.items()})
        store.update({f"{part}_time": each for part, each in times.items()})
        data[USER].seen_mask, data[ITEM].seen_mask = split.seen_user, split.seen_item
    reverse.edge_index = store.edge_index.flip(0)
    if known.time is not None:
        reverse.time = store.time


def _times(
    known: Interactions, pairs: Mapping[str, Int[Tensor, "2 _"]]
) -> dict[str, Int[Tensor, " _"]]:
    """Return the times of the pairs of every part, each of which is an interaction."""
    if known.time is None:
        return {}
    user, item = torch.cat(list(pairs.values()), dim=1)
    keys, order = (known.user * len(known.items) + known.item).sort()
    place = order[torch.searchsorted(keys, user * len(known.items) + item)]
    sizes = [each.shape[1] for each in pairs.values()]
    return dict(zip(pairs, known.time[place].split(sizes), strict=True))


def _add_modality(data: HeteroData, domain: str, name: str, value: Tensor) -> None:
    if name in data[ITEM]:
        raise InputError(
            f"domain {domain}: a modality must not be called {name}, graphs use that "
            "name; rename its file or column"
        )
    data[ITEM][name] = value


def _save(graphs: Sequence[HeteroData], path: Path) -> None:
    """Write the graphs as plain values, whole or not at all."""
    content = [graph.to_dict() for graph in graphs]
    for stores in content:
        own = stores["_global_store"]
        # one text each: torch reads a list of strings forty times slower
        own.update({name: json.dumps(list(own[name])) for name in IDS if name in own})
    with whole(path) as part:
        torch.save(content, part)


def _load(path: Path) -> list[HeteroData]:
    """Return the graphs of a file; no code that it may bring is run.

    Raises:
        InputError: It is damaged, or needs code to be loaded.
    """
    remedy = "give force_reload=True to make it anew"
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(content, list):
            raise ValueError("no graphs of a data set are in it")
        return [_graph_of(stores) for stores in content]
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: it is damaged, or code from it would run; {remedy}, and let "
            "pre_transform make tensors and plain values only"
        ) from error
    except (
        OSError,
        RuntimeError,
        EOFError,
        # of another content
        ValueError,
        KeyError,
        AttributeError,
        TypeError,
    ) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: it cannot be read ({reason}); {remedy}") from error


def _graph_of(stores: dict[Any, Any]) -> HeteroData:
    """Return one graph of a file; the opposite of what ``_save`` does to it."""
    graph = HeteroData.from_dict(stores)
    for name in IDS:
        if name in graph:
            graph[name] = np.array(json.loads(graph[name]), dtype=object)
    return graph
