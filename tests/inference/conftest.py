"""Worlds of every model, made without a run; and a small trained run."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import polars as pl
import pytest
import torch
from hydra.utils import get_class
from inference.golden import write_shop
from models.conftest import CONF, NAMES, OPTIONS, config, make, options
from omegaconf import OmegaConf
from reference import tiny, worlds

from micrec_pyg.cli.python import train
from micrec_pyg.graph.build import train_stage
from micrec_pyg.inference.recommender import Recommender
from micrec_pyg.inference.world import World, with_graphs
from micrec_pyg.models.base import Model
from micrec_pyg.models.neumf import NeuMF
from micrec_pyg.runs.read import Run
from micrec_pyg.schema import ITEM

__all__ = ["config", "make", "options"]


@cache
def declared(name: str) -> tuple[object, ...]:
    """Return what a model says of itself that decides how it is asked."""
    if name in tiny.MODELS:
        kind, neighbors = (
            tiny.MODELS[name]["net"].func,
            tiny.MODELS[name]["num_neighbors"],
        )
    else:
        tree = OmegaConf.load(CONF / f"{name}.yaml")
        kind = get_class(tree.net["_target_"])
        if tree.net.get("unseen") == "error":
            return frozenset(), kind.reads_other_domains, False
        neighbors = OmegaConf.to_container(tree)["num_neighbors"]
    return kind.answers, kind.reads_other_domains, neighbors != 0


def heard(model, task, z):
    """Return the items that are not new with the vector 0, whose place is chance."""
    items = task.data[ITEM]
    found = torch.ones(items.num_nodes, dtype=torch.bool)
    own = type(model).scorer is not Model.scorer and not isinstance(model, NeuMF)
    if not own and z is not None and z.item.shape[1] > 1:
        rows = torch.arange(len(found)) if task.item is None else task.item
        for place, row in enumerate(rows.tolist()):
            new = int(items.train_row[place]) < 0
            found[place] = not new or bool((z.item[row] != 0).any())
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test of ``config`` on a model of each kind; on all of them as fuzz.

    But for a test that says itself on which.
    """
    marks = metafunc.definition.iter_markers("parametrize")
    if "config" not in metafunc.fixturenames or any("config" in m.args for m in marks):
        return
    seen, cases = set(), []
    for name in [*NAMES, *tiny.MODELS]:
        marks = [pytest.mark.fuzz] if declared(name) in seen else []
        seen.add(declared(name))
        cases.append(pytest.param(name, marks=marks, id=name))
    cases += OPTIONS
    metafunc.parametrize("config", cases, indirect=True)


@pytest.fixture
def world_of(make, options) -> Callable[..., World]:
    """Return a maker of the world of some domains and splits, test pairs aside."""

    def world(domains, splits, model=None):
        known = {
            name: worlds.split(
                split.train,
                len(split.seen_user),
                len(split.seen_item),
                unseen_users=(~split.seen_user).nonzero().flatten().tolist(),
                unseen_items=(~split.seen_item).nonzero().flatten().tolist(),
                support=split.support,
                val=split.val,
            )
            for name, split in splits.items()
        }
        train = train_stage(domains, known, options)
        model = model or make(train)
        empty = World(
            name="tested",
            model=model.train(False),
            options=options,
            train=train,
            domains=domains,
            splits=known,
            texts={
                name: pl.Series([None] * len(domain.interactions.items), dtype=str)
                for name, domain in domains.items()
            },
            pictures={
                name: pl.Series(
                    [None] * len(domain.interactions.items), dtype=pl.Binary
                )
                for name, domain in domains.items()
            },
            gone={
                name: torch.zeros(len(domain.interactions.items), dtype=torch.bool)
                for name, domain in domains.items()
            },
            features={},
            batch_size=3,
        )
        return with_graphs(empty, list(domains))

    return world


MADE: dict[str, World] = {}
"""A world never changes, so that the tests of one model can share it."""


@pytest.fixture
def world(world_of, request) -> World:
    name = request.node.callspec.params["config"]
    if name not in MADE:
        MADE[name] = world_of(*worlds.worlds())
    return MADE[name]


@pytest.fixture
def rec(world) -> Recommender:
    return Recommender(world)


@pytest.fixture(scope="session")
def shop(tmp_path_factory) -> Path:
    """Return a catalogue of two domains with texts and vectors."""
    root = tmp_path_factory.mktemp("shop")
    write_shop(root)
    return root


@pytest.fixture(scope="session")
def trained(shop, tmp_path_factory) -> Callable[..., Run]:
    """Return a function that trains on the shop; the same settings only once."""
    out = tmp_path_factory.mktemp("runs")

    @cache
    def run(*settings: str) -> Run:
        return train(
            "data=tables",
            f"data.path={shop}",
            "features=none",
            f"features.cache_dir={out}/features",
            f"cache_dir={out}/knn",
            f"output_dir={out}/outputs",
            "device=cpu",
            "fit.max_epochs=3",
            "rank.ks=[5]",
            "fit.metric=ndcg@5",
            "model.net.dim=8",
            *settings,
        )

    return run
