"""``conf/graph`` names every option and none that does not exist."""

from dataclasses import fields
from pathlib import Path

import yaml

from micrec_pyg.graph.build import GraphOptions

CONF = Path(__file__).parents[2] / "conf" / "graph"


def test_every_yaml_has_the_keys_of_graph_options():
    paths = sorted(CONF.rglob("*.yaml"))
    assert paths
    for path in paths:
        keys = yaml.safe_load(path.read_text())
        assert keys.pop("_target_") == "micrec_pyg.graph.build.GraphOptions"
        assert set(keys) == {field.name for field in fields(GraphOptions)}, path.name
