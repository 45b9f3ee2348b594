"""Objects from nodes with ``_target_``, and what no node may call."""

import functools
import json
import re
import sys
from pathlib import Path

import pytest
import yaml

from micrec_pyg.models.lightgcn import LightGCN
from micrec_pyg.nn.neighbor import NeighborAggregation
from micrec_pyg.runs.build import MOVED, build, renamed, target
from micrec_pyg.runs.identity import decisive
from micrec_pyg.runs.settings import check_settings
from micrec_pyg.schema import InputError
from micrec_pyg.training.optimizer import adam
from micrec_pyg.training.options import FitOptions

CONF = Path(__file__).parents[2] / "conf"
NEIGHBOR = {
    "_target_": "micrec_pyg.nn.neighbor.NeighborAggregation",
    "aggregation": "residual",
    "temperature": 0.2,
}
NET = {
    "_target_": "micrec_pyg.models.lightgcn.LightGCN",
    "_partial_": True,
    "dim": 8,
    "std": 0.1,
    "num_layers": 3,
    "neighbor": NEIGHBOR,
    "loss": {"_target_": "micrec_pyg.nn.ranking.BPR"},
}
FIT = yaml.safe_load((CONF / "fit" / "default.yaml").read_text())


def test_a_node_is_called_with_its_keys() -> None:
    given = {k: v for k, v in FIT.items() if k[0] != "_"}
    made = build(FIT)
    assert isinstance(made, FitOptions)
    assert made.optimizer.func is adam
    plain = {k: v for k, v in given.items() if not isinstance(v, dict)}
    assert {name: getattr(made, name) for name in plain} == plain
    assert build(FIT, patience=7).patience == 7


def test_a_partial_waits_and_inner_nodes_are_made() -> None:
    made = build(NET)
    assert isinstance(made, functools.partial)
    assert made.func is LightGCN
    assert isinstance(made.keywords["neighbor"], NeighborAggregation)
    assert made.keywords["dim"] == 8
    assert not any(key.startswith("_") for key in made.keywords)


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({**FIT, "epochs": 3}, "unexpected keyword argument 'epochs'"),
        ({"_target_": FIT["_target_"]}, "missing a required argument: 'max_epochs'"),
        ({**NET, "width": 3}, "LightGCN does not take .* 'width'"),
        (
            {**NET, "neighbor": {**NEIGHBOR, "k": 1}},
            "NeighborAggregation does not .*'k'",
        ),
    ],
)
def test_wrong_arguments_are_one_sentence(node, said) -> None:
    with pytest.raises(InputError, match=said):
        build(node)


CALL = {"_target_": "os.system", "command": "exit 1"}


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "subprocess.run",
        "builtins.eval",
        "torch.load",
        "micrec_pyg",
        "micrec_pyg.schema.Vocab",
        "micrec_pyg.cli.main.main",
        "micrec_pyg.storage.writing.write_text",
        # our own rooms, but what they imported
        "micrec_pyg.data.files.writing.os.system",
        "micrec_pyg.features.cache.Path",
        "micrec_pyg.training.state.json",
        # functions that no file of conf/ names: some write where they are told
        "micrec_pyg.training.sampler.template_pairs",
        "micrec_pyg.data.splits.saved.save_split",
        "micrec_pyg.models.nothing.Here",
        "micrec_pyg.models..LightGCN",
        "",
    ],
)
def test_settings_call_nothing_else(target: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"_target_: {target} is no class")):
        build({**CALL, "_target_": target})


def test_a_class_that_is_not_there_is_told_with_those_that_are() -> None:
    said = "models.lightgcn.Nothing is not there: micrec_pyg.models.lightgcn has Light"
    with pytest.raises(InputError, match=re.escape(said)):
        build({**CALL, "_target_": "micrec_pyg.models.lightgcn.Nothing"})


def test_a_package_that_a_module_needs_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needy.py").write_text("import no_such_package\n\nclass Net: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("MICREC_PLUGINS", "needy")
    with pytest.raises(InputError, match="needy needs the package 'no_such_package'"):
        build({"_target_": "needy.Net"})


@pytest.mark.parametrize(
    "settings",
    [
        {"data": CALL},
        {"model": {"net": {**NET, "neighbor": CALL}}},
        {"model": {"net": {**NET, "neighbor": {**NEIGHBOR, "more": [[CALL]]}}}},
        {"unused": {"deep": [{"er": CALL}]}},
    ],
)
def test_nothing_is_called_before_all_targets_are_checked(settings) -> None:
    check_settings({"fit": FIT, "net": NET})
    with pytest.raises(InputError, match=r"os\.system is no class"):
        check_settings({"fit": FIT, **settings})


def test_a_package_that_the_user_names_may_be_called(
    micrec, monkeypatch, tmp_path, capsys
) -> None:
    (tmp_path / "my_package.py").write_text("def make(*, n):\n    return n + 1\n")
    monkeypatch.chdir(tmp_path)
    node = {"_target_": "my_package.make", "n": 2}
    monkeypatch.setenv("MICREC_PLUGINS", "")
    with pytest.raises(InputError, match=r"micrec --plugin PACKAGE"):
        build(node)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert micrec("--plugin", "my_package", "--version") == 0
    assert build(node) == 3
    for other in ("my_package2.make", "os.system"):
        with pytest.raises(InputError, match="is no class"):
            build({**node, "_target_": other})
    capsys.readouterr()


def test_a_run_of_a_stranger_calls_nothing(micrec, tmp_path, capsys) -> None:
    mark = tmp_path / "called"
    call = {"_target_": "os.system", "command": f"touch {mark}"}
    for place in ("data", "features"):
        run = tmp_path / place
        run.mkdir()
        settings = {"device": "cpu", place: call, "model": {"net": {"neighbor": call}}}
        (run / "config.yaml").write_text(yaml.safe_dump(settings))
        record = {"dataset": "d", "model": "m", "split": "random", "seed": 0}
        (run / "metrics.json").write_text(json.dumps(record))
        assert micrec("evaluate", run) == 2
        assert "os.system is no class" in capsys.readouterr().err
    assert not mark.exists()


def nodes(value):
    """Return every node in a value."""
    if isinstance(value, dict):
        inner = [node for each in value.values() for node in nodes(each)]
        return [value, *inner] if "_target_" in value else inner
    return []


@pytest.mark.parametrize("path", sorted(CONF.rglob("[!_]*.yaml")), ids=lambda p: p.stem)
def test_every_target_of_conf_may_be_called(path: Path) -> None:
    assert all(
        callable(target(node)) for node in nodes(yaml.safe_load(path.read_text()))
    )


@pytest.mark.parametrize("old", MOVED)
def test_names_of_earlier_versions_are_read(old: str) -> None:
    assert callable(target({"_target_": f"micrec_pyg.{old}"}))


def test_a_new_name_is_no_other_run() -> None:
    old, new = "micrec_pyg.data.split.random_ratio", "micrec_pyg.data.splits.at_random"
    names = old, f"{new}.random_ratio"
    settings = [{"split": {"_target_": name, "ratios": [7, 1, 2]}} for name in names]
    assert renamed(old) == f"{new}.random_ratio"
    assert decisive(settings[0]) == decisive(settings[1])
