"""``conf/graph`` names every option and none that does not exist."""

from dataclasses import fields
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from micrec_pyg.graph.build import GraphOptions

CONF = Path(__file__).parents[2] / "conf"


@pytest.mark.parametrize("name", sorted(p.stem for p in (CONF / "graph").iterdir()))
def test_a_yaml_has_the_keys_of_graph_options(name):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", [f"graph={name}", "data=synthetic"])
    names = {field.name for field in fields(GraphOptions)}
    # the run says where it searches; folders of runs may move to another machine
    assert set(config.graph) - {"_target_"} == names - {"device"}
    options = instantiate(config.graph)
    assert isinstance(options, GraphOptions)
    assert options.union == (name == "union")
    assert (options.neighbors, options.overlap) == ("features", "links")
    assert options.overlap_ratio == 1
