"""The artefact of a run: one folder that answers by raw id, without data or encoder.

docs/serving.md lists its files. It holds no test pair. Before the test it knows the
edges of training and of validation; after it also those that the test has known.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import polars as pl
import torch
from jaxtyping import Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.graph.build import domain_sizes
from micrec_pyg.runs.experiment import Experiment
from micrec_pyg.runs.inputs import Inputs
from micrec_pyg.runs.results import versions
from micrec_pyg.runs.thumbnails import write_thumbnails
from micrec_pyg.schema import (
    ITEM,
    ITEM_TEMPLATE,
    SIMILAR_ITEM,
    SIMILAR_USER,
    USER,
    USER_TEMPLATE,
    EdgeSplit,
    Feature,
)
from micrec_pyg.storage import writing
from micrec_pyg.storage.seals import MANIFEST, seal
from micrec_pyg.storage.tensors import write_tensors

ARTEFACT = "artefact"
"""Its folder in that of a run."""
RECORD, CONFIG, DIGESTS = "artefact.json", "config.yaml", "digests.json"
WEIGHTS, TEMPLATES = "model.safetensors", "templates.safetensors"
NEIGHBORS = "neighbors.safetensors"
"""Similarity edges of the graphs, so that loading searches for none."""
FORMAT = 1
"""Version of the artefact; raise it when an older reader would misread it."""

BEFORE_TEST = ("train", "val_support", "val")
AT_TEST = (*BEFORE_TEST, "support", "silent")
"""The parts of a split that an artefact knows; never the pairs of the test."""


def artefact_files(inputs: Inputs) -> list[str]:
    """Return the names of the files that ``write_artefact`` writes."""
    tables = [
        f"{kind}-{name}.{ending}"
        for name in inputs.domains
        for kind, ending in (
            ("users", "parquet"),
            ("items", "parquet"),
            ("known", "parquet"),
            ("features", "safetensors"),
        )
    ]
    pictures = [thumbnails_file(name) for name in inputs.images]
    return [RECORD, CONFIG, TEMPLATES, NEIGHBORS, *tables, *pictures, MANIFEST]


def thumbnails_file(domain: str) -> str:
    """Return the name of the file with the pictures of a domain's items, if any."""
    return f"thumbnails-{domain}.parquet"


def write_artefact(
    folder: Path,
    experiment: Experiment,
    inputs: Inputs,
    graphs: Mapping[str, HeteroData],
    *,
    tested: bool,
) -> None:
    """Write everything that answers need but the model, and seal the folder.

    Args:
        folder: Has the model and the digests of the data already.
        experiment: What the run is.
        inputs: What it worked on.
        graphs: Of the stage that knows these edges: validation, or the test.
        tested: Whether the test set has been opened: then its support is known.
    """
    parts = AT_TEST if tested else BEFORE_TEST
    writing.write_yaml(folder / CONFIG, experiment.settings)
    write_tensors(folder / TEMPLATES, dict(_templates(inputs)), {})
    write_tensors(folder / NEIGHBORS, dict(_neighbors(graphs)), {})
    for name, domain in inputs.domains.items():
        _write_vocabularies(folder, name, inputs)
        writing.write_parquet(
            folder / f"known-{name}.parquet", _known(inputs.splits[name], parts)
        )
        path = folder / f"features-{name}.safetensors"
        if not path.exists():
            write_tensors(path, dict(_features(domain.features)), {})
        _write_pictures(folder / thumbnails_file(name), name, inputs)
    writing.write_json(
        folder / RECORD,
        {
            "format": FORMAT,
            "model": experiment.model,
            "dataset": experiment.dataset,
            "split": experiment.split,
            "knows": list(parts),
            "domains": list(inputs.domains),
            "sizes": {n: asdict(s) for n, s in domain_sizes(inputs.train).items()},
            "versions": versions(),
        },
    )
    names = [n for n in artefact_files(inputs) if n != MANIFEST]
    seal(folder, [*names, WEIGHTS, DIGESTS])


def _write_vocabularies(folder: Path, name: str, inputs: Inputs) -> None:
    """Write the raw ids of a domain and their rows in the model's tables."""
    sides, task = inputs.domains[name].interactions, inputs.train.tasks[name]
    for kind, node, rows, vocab, column in (
        ("users", USER, task.user, sides.users, _people(inputs, name)),
        ("items", ITEM, task.item, sides.items, inputs.texts[name].alias("text")),
    ):
        train_row = pl.Series([None] * len(vocab), dtype=pl.Int64)
        store = task.data[node]
        rows = store.train_row if rows is None else rows
        train_row[store.n_id.tolist()] = rows.tolist()
        frame = pl.DataFrame({"id": vocab.ids, "train_row": train_row})
        writing.write_parquet(
            folder / f"{kind}-{name}.parquet", frame.with_columns(column)
        )


def _write_pictures(path: Path, name: str, inputs: Inputs) -> None:
    """Write the small pictures of a domain's items, once, if it has images."""
    if name in inputs.images and not path.exists():
        write_thumbnails(
            path,
            inputs.images[name],
            name=name,
            digest=inputs.domains[name].digest,
            cache_dir=inputs.options.cache_dir,
        )


def _people(inputs: Inputs, name: str) -> pl.Series:
    return pl.Series("person", inputs.train.person[name].numpy())


def _known(split: EdgeSplit, parts: tuple[str, ...]) -> pl.DataFrame:
    """Return pairs as places in the vocabularies, and the part of each."""
    pairs: dict[str, Int[Tensor, "2 _"]] = {p: getattr(split, p) for p in parts}
    return pl.concat(
        pl.DataFrame(
            {"user": user.numpy(), "item": item.numpy()},
            schema={"user": pl.Int64, "item": pl.Int64},
        ).select(pl.lit(part).alias("part"), "user", "item")
        for part, (user, item) in pairs.items()
    )


def _templates(inputs: Inputs) -> Iterator[tuple[str, Tensor]]:
    """Yield the vocabulary indices of the templates of every graph."""
    own = {name: task.data for name, task in inputs.train.tasks.items()}
    for name, data in {**own, **inputs.train.graphs}.items():
        for kind in (USER_TEMPLATE, ITEM_TEMPLATE):
            yield f"{name}/{kind}", data[kind].n_id


def _neighbors(graphs: Mapping[str, HeteroData]) -> Iterator[tuple[str, Tensor]]:
    """Yield the similarity edges of every graph, as the parts of CSR matrices."""
    for name, data in graphs.items():
        for kind in (SIMILAR_USER, SIMILAR_ITEM):
            matrix = data[kind].adj_t
            if matrix.values().numel():
                yield f"{name}/{kind[0]}/rows", matrix.crow_indices()
                yield f"{name}/{kind[0]}/columns", matrix.col_indices()
                yield f"{name}/{kind[0]}/values", matrix.values()


def _features(features: Mapping[str, Feature]) -> Iterator[tuple[str, Tensor]]:
    for modality, feature in features.items():
        yield f"values/{modality}", feature.values
        yield f"mask/{modality}", feature.mask.to(torch.uint8)
