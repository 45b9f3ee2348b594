"""Models as their yaml files configure them."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf
from reference import worlds

from micrec_pyg.cli.config import register_resolvers
from micrec_pyg.graph.build import domain_sizes, train_stage
from micrec_pyg.runs.build import build
from micrec_pyg.schema import RandomStreams

CONF = Path(__file__).parents[2] / "conf" / "model"
NAMES = sorted(path.stem for path in CONF.glob("*.yaml"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for ``config`` on every model."""
    if "config" in metafunc.fixturenames:
        metafunc.parametrize("config", NAMES, indirect=True)


@pytest.fixture
def config(request):
    """Return the resolved yaml of a model, at a small width."""
    register_resolvers()
    tree = OmegaConf.load(CONF / f"{request.param}.yaml")
    root = OmegaConf.create({"K": 3, "gamma": 1.0, "model": tree})
    plain = OmegaConf.to_container(root, resolve=True)["model"]
    if "dim" in plain["net"]:
        plain["net"]["dim"] = 8
    return plain


@pytest.fixture
def make(config):
    """Return a maker of the model for a training stage."""

    def make(train, seed=0):
        streams = RandomStreams(seed)
        return build(config["net"])(sizes=domain_sizes(train), streams=streams)

    return make


@pytest.fixture
def options(config):
    """Return the graph options of the model."""
    return worlds.options(num_neighbors=config["num_neighbors"])


@pytest.fixture
def stage(options):
    """Return three domains, their splits and their training stage."""
    domains, splits = worlds.worlds()
    return domains, splits, train_stage(domains, splits, options)
