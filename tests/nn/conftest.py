"""A small graph with unseen nodes, neighbours and fewer templates than nodes."""

from copy import copy
from functools import cache

import pytest
from reference import worlds

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage


@cache
def _graph():
    domain, split = worlds.world(seed=4)
    domains, splits = {"food": domain}, {"food": split}
    options = worlds.options(template_ratio=0.6)
    train = train_stage(domains, splits, options)
    test = test_stage(train, domains, splits, options)
    return train.graphs["food"], test.graphs["food"], domain_sizes(train)["food"]


@pytest.fixture
def graph():
    """Return (training graph, test graph, sizes) of one domain."""
    train, test, sizes = _graph()
    return copy(train), copy(test), sizes
