"""Models as their yaml files configure them, and tiny ones of other kinds."""

from copy import copy, deepcopy
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from reference import tiny, worlds

from micrec_pyg.cli.config import register_resolvers
from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.models.base import check_contract
from micrec_pyg.models.base import prepare as prepared
from micrec_pyg.models.fused import Fused
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.runs.build import build

CONF = Path(__file__).parents[2] / "conf" / "model"
NAMES = sorted(path.stem for path in CONF.glob("*.yaml"))
UNSEEN = [f"lightgcn_neighbors unseen={way}" for way in ("error", "mean", "content")]
"""Its other values of a setting that several models share."""
OPTIONS = ["item_knn weighting=bm25 similarity=dot score=deviation"]
"""Settings with which a model keeps state that it has not by default."""

TERMS = ["bm3+ease", "micrec+ease"]
"""Models with a term: one whose batches cannot be divided, and one whose can."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test of ``config`` on every model, and one of ``answers`` on every value.

    But for a test that says itself on which.
    """
    marks = metafunc.definition.iter_markers("parametrize")
    own = any("config" in mark.args for mark in marks)
    if "config" in metafunc.fixturenames and not own:
        values = UNSEEN if "answers" in metafunc.fixturenames else []
        metafunc.parametrize(
            "config", [*NAMES, *OPTIONS, *TERMS, *values, *tiny.MODELS], indirect=True
        )


@pytest.fixture
def config(request):
    """Return the resolved yaml of a model, at a small width."""
    if request.param in tiny.MODELS:
        return tiny.MODELS[request.param]
    first, *others = (deepcopy(_read(each)) for each in request.param.split("+"))
    net = build(first["net"])
    for other in others:
        net = partial(Fused, net=net, term=build(other["net"]))
    return {**first, "net": net}


@cache
def _read(param):
    register_resolvers()
    name, *changes = param.split()
    tree = OmegaConf.load(CONF / f"{name}.yaml")
    loss = OmegaConf.load(CONF.parent / "loss" / "bpr.yaml")
    root = OmegaConf.create({"K": 3, "gamma": 1.0, "loss": loss, "model": tree})
    plain = OmegaConf.to_container(root, resolve=True)["model"]
    if "dim" in plain["net"]:
        plain["net"]["dim"] = 8
    plain["net"].update(change.split("=") for change in changes)
    return plain


@pytest.fixture
def make(config):
    """Return a maker of the model for a training stage."""

    def make(train, seed=0, *, prepare=True):
        model = config["net"](sizes=domain_sizes(train), streams=RandomStreams(seed))
        check_contract(model)
        if prepare:
            prepared(model, train)
        return model

    return make


@pytest.fixture
def answers(make, stage):
    """Return the kinds of unseen nodes that the model answers."""
    return make(stage[-1], prepare=False).answers


@pytest.fixture
def options(config):
    """Return the graph options of the model."""
    return worlds.options(num_neighbors=config["num_neighbors"])


@cache
def _stage(num_neighbors):
    domains, splits = worlds.worlds()
    options = worlds.options(num_neighbors=num_neighbors)
    return domains, splits, train_stage(domains, splits, options)


@pytest.fixture
def stage(config):
    """Return three domains, their splits and their training stage."""
    domains, splits, train = _stage(config["num_neighbors"])
    return domains, splits, _own(train)


def _own(stage):
    """Return a stage in whose graphs a model may put something."""
    graphs = {name: copy(graph) for name, graph in stage.graphs.items()}
    return replace(stage, graphs=graphs)


STAGES = {}


@pytest.fixture
def stages_of(answers, options):
    """Return a function from a maker of (domains, splits) to both stages of them.

    The graphs of one maker are built once for all models that answer the same kinds of
    unseen nodes and have as many neighbours.
    """

    def stages(worlds_of):
        key = (worlds_of, answers, options.num_neighbors)
        if key not in STAGES:
            domains, splits = worlds_of(answers)
            train = train_stage(domains, splits, options)
            STAGES[key] = train, test_stage(train, domains, splits, options)
        return [_own(each) for each in STAGES[key]]

    return stages
