"""What models with a table of ids answer for nodes that training did not see."""

from functools import cache
from typing import get_args

import pytest
import torch
import yaml
from models.conftest import CONF
from reference import worlds
from reference.scoring import same, scores

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.nn.id_embedding import Unseen
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import ITEM, USER, UnseenNodeError

WAYS = get_args(Unseen)
MODELS = [
    path.stem
    for path in sorted(CONF.glob("*.yaml"))
    if "unseen" in yaml.safe_load(path.read_text())["net"]
]
every_model = pytest.mark.parametrize("config", MODELS, indirect=True)


@cache
def stages():
    """Return a training stage, and a test stage with three new users and items."""
    domains, splits = worlds.worlds()
    options = worlds.options()
    train = train_stage(domains, splits, options)
    return train, test_stage(train, domains, splits, options)


@pytest.fixture
def made_with(config):
    """Return a maker of the model by the value of the setting."""

    def make(train, unseen):
        model = config["net"](
            sizes=domain_sizes(train), streams=RandomStreams(0), unseen=unseen
        )
        model.prepare(train)
        return model

    return make


def test_those_with_a_table_of_their_own_have_the_setting():
    assert {"lightgcn", "lightgcn_neighbors", "bpr_mf", "freedom"} <= {*MODELS}


@every_model
def test_the_value_decides_what_is_answered(made_with):
    train, test = stages()
    found = {}
    for way in WAYS:
        model = made_with(train, way)
        if way == "error":
            assert model.answers == frozenset()
            with pytest.raises(UnseenNodeError, match="3 user nodes were not in the"):
                model(test.graphs)
        else:
            assert model.answers == {USER, ITEM}
            found[way] = scores(model, test.graphs)["food"]
    new = test.graphs["food"][ITEM].train_row < 0
    assert all(bool(score.isfinite().all()) for score in found.values())
    for one, other in (("zero", "mean"), ("zero", "content"), ("mean", "content")):
        assert not torch.equal(found[one][:, new], found[other][:, new])


@every_model
def test_without_unseen_nodes_the_value_changes_nothing(made_with):
    train, _ = stages()
    models = [made_with(train, way) for way in WAYS]
    first, *others = [scores(model, train.graphs) for model in models]
    assert all(same(first, other) for other in others)
    start, *others = [dict(model.named_parameters()) for model in models]
    assert all(same(start, other) for other in others)
