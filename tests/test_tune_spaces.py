"""Search spaces are equal where models have the same setting."""

from pathlib import Path

import pytest
import yaml

CONF = Path(__file__).parents[1] / "conf"
SPACES = {
    path.stem: yaml.safe_load(path.read_text())
    for path in sorted((CONF / "tune").glob("*.yaml"))
}
L2, LISTS = "model.weights.l2", "model.num_neighbors"


def settings(name):
    return yaml.safe_load((CONF / "model" / f"{name}.yaml").read_text())


def lists_of(name):
    """Return the most similar nodes that a space gives a model, but for itself."""
    space = SPACES[name]
    if "skip" in settings(name)["net"]:  # makes lists of its own, with the item itself
        return max(space["model.net.k"]["choices"]) - 1
    return max(space.get("K", space.get(LISTS))["choices"])


@pytest.mark.parametrize("name", [n for n in SPACES if L2 in SPACES[n]])
def test_l2_has_one_range(name):
    assert SPACES[name][L2] == SPACES["lightgcn"][L2]
    assert SPACES[name][L2]["choices"] == [0, *(10.0**n for n in range(-6, 1))]


def test_every_l2_is_searched():
    having = {n for n in SPACES if "l2" in settings(n)["weights"]}
    assert having == {n for n in SPACES if L2 in SPACES[n]}


def test_lists_of_similar_nodes_have_one_w_and_reach_as_far():
    weighted = {n for n in SPACES if settings(n)["num_neighbors"] != 0}
    assert "lightgcn_neighbors" in weighted
    assert len({str(SPACES[n].get("w")) for n in weighted}) == 1
    own = {n for n in SPACES if "skip" in settings(n)["net"]}
    assert {n: lists_of(n) for n in weighted | own if lists_of(n) < 20} == {}


def test_k_has_one_range():
    assert len({str(space["K"]) for space in SPACES.values() if "K" in space}) == 1


@pytest.mark.parametrize("name", [n for n in SPACES if "fit.lr" in SPACES[n]])
def test_rates_have_one_range_but_for_lattice(name):
    low = 0.0001 if name == "lattice" else 0.0005
    assert SPACES[name]["fit.lr"] == {"low": low, "high": 0.1, "log": True}


@pytest.mark.parametrize("name", SPACES)
def test_the_values_of_the_yaml_are_in_the_space(name):
    for key, choice in SPACES[name].items():
        value = {"model": settings(name)}
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, str):  # ${K}, and lists that are written as texts
            continue
        if value is not None and "choices" in choice and not isinstance(value, list):
            assert value in choice["choices"], key
