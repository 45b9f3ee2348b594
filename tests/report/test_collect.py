"""Reading run folders, and telling runs apart."""

import json
import logging
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from micrec_pyg.cli.config import compose
from micrec_pyg.report.collect import (
    FOLLOWS,
    collect,
    collect_runs,
    equal_labels,
    without_part,
)
from micrec_pyg.schema import InputError


def _run(
    root: Path,
    name: str,
    *,
    config: dict[str, Any] | None = None,
    **metrics: Any,
) -> Path:
    """Write one run folder."""
    folder = root / "toy" / name
    folder.mkdir(parents=True)
    values = {"recall@20": 0.5, "users": 3}
    content = {
        "schema": 1,
        "dataset": "toy",
        "model": "micrec",
        "seed": 0,
        "split": "random",
        "val": {"a": {"all": values}},
        **metrics,
    }
    (folder / "metrics.json").write_text(json.dumps(content), encoding="utf-8")
    settings = {"K": 3, "w": 0.9, "gamma": 1.0, "seed": content["seed"]}
    (folder / "config.yaml").write_text(
        yaml.safe_dump({**settings, **(config or {})}), encoding="utf-8"
    )
    return folder


def _labels(root: Path) -> set[str]:
    return set(collect(str(root))["label"])


def test_a_row_per_value(tmp_path: Path) -> None:
    test = {"a": {"all": {"recall@20": 0.25, "users": 2}, "new_user": {"ndcg@5": 0.1}}}
    folder = _run(tmp_path, "r0", test=test)
    frame = collect(str(tmp_path))
    rows = frame.select("part", "domain", "group", "metric", "value").rows()
    assert sorted(rows) == [
        ("test", "a", "all", "recall@20", 0.25),
        ("test", "a", "all", "users", 2.0),
        ("test", "a", "new_user", "ndcg@5", 0.1),
        ("val", "a", "all", "recall@20", 0.5),
        ("val", "a", "all", "users", 3.0),
    ]
    head = frame.select("dataset", "split", "model", "label", "seed", "run")
    assert head.unique().rows() == [
        ("toy", "random", "micrec", "micrec", 0, str(folder))
    ]


def test_a_run_that_was_not_evaluated_has_no_test_rows(tmp_path: Path) -> None:
    _run(tmp_path, "r0")
    assert set(collect(str(tmp_path))["part"]) == {"val"}


def test_seeds_share_a_label_and_settings_do_not(tmp_path: Path) -> None:
    for seed in (0, 1):
        _run(tmp_path, f"full{seed}", seed=seed)
        _run(tmp_path, f"no_mm{seed}", seed=seed, config={"K": 0})
    _run(tmp_path, "no_cd", config={"gamma": 0})
    _run(tmp_path, "other", model="lightgcn")
    assert _labels(tmp_path) == {
        "micrec K=3 gamma=1",
        "micrec K=0 gamma=1",
        "micrec K=3 gamma=0",
        "lightgcn",
    }


def test_any_other_setting_tells_runs_apart_too(tmp_path: Path) -> None:
    _run(tmp_path, "r0", config={"model": {"aggregation": "residual"}})
    _run(tmp_path, "r1", config={"model": {"aggregation": "mean", "flag": True}})
    assert _labels(tmp_path) == {
        "micrec model.aggregation=residual model.flag=unset",
        "micrec model.aggregation=mean model.flag=true",
    }


def test_values_are_written_as_people_do(tmp_path: Path) -> None:
    """Two lists with one text would be one label, and averaged."""
    values = [None, True, ["d1"], ["d1", "d2"], ["d1,d2"], [], [[1], 2], "[d1", 0.5]
    for place, value in enumerate(values):
        _run(tmp_path, f"r{place}", config={"only": value})
    shown = ["none", "true", "d1", "d1,d2", "['d1,d2']", "[]", "[[1], 2]", "[d1", "0.5"]
    assert _labels(tmp_path) == {f"micrec only={text}" for text in shown}


def test_copies_and_volatile_settings_stay_out_of_the_label(tmp_path: Path) -> None:
    for place, k in enumerate((0, 3)):
        config = {
            "K": k,
            "graph": {"num_neighbors": k},
            "split": {"seed": 0},
            "output_dir": f"out{place}",
            "logger": {"group": f"g{place}"},
        }
        _run(tmp_path, f"r{place}", config=config)
    assert _labels(tmp_path) == {"micrec K=0", "micrec K=3"}


def _seeds(root: Path, *pairs: tuple[int, int]) -> set[str]:
    """Return the labels of runs with these seeds of the run and of its split."""
    for seed, own in pairs:
        _run(root, f"{seed}-{own}", seed=seed, config={"split": {"seed": own}})
    assert len(set(collect(str(root))["run"])) == len(pairs)
    return _labels(root)


def test_splits_of_one_seed_are_told_apart(tmp_path: Path) -> None:
    assert _seeds(tmp_path / "seeds", (0, 0), (1, 1)) == {"micrec"}
    # one split for all, as in papers: its seed tells nothing
    assert _seeds(tmp_path / "fixed", (0, 0), (1, 0), (2, 0)) == {"micrec"}
    assert _seeds(tmp_path / "splits", (0, 0), (0, 1), (1, 1)) == {
        "micrec split.seed=seed",
        "micrec split.seed=1",
    }
    # two splits, one of which has the number of a run's seed
    assert _seeds(tmp_path / "two", (0, 1), (1, 1), (0, 2), (1, 2)) == {
        "micrec split.seed=1",
        "micrec split.seed=2",
    }


def test_a_seed_is_the_value_of_no_other_setting(tmp_path: Path) -> None:
    """Without neighbours w is not read: no seed of such a run is a value of it."""
    for k, w, seed in product((0, 3), (0.5, 1), (0, 1)):
        if k or w == 1:
            graph = {"num_neighbors": k, "w": w}
            config = {"K": k, "w": w, "graph": graph, "model": {"net": {"neighbor": 1}}}
            _run(tmp_path, f"{k}-{w}-{seed}", seed=seed, config=config)
    assert _labels(tmp_path) == {
        "micrec K=0 w=unset",
        "micrec K=3 w=0.5",
        "micrec K=3 w=1",
    }


def test_a_file_that_is_being_written_is_no_run(tmp_path: Path) -> None:
    folder = _run(tmp_path, "r0")
    half = folder / ".metrics.json.host-1-2.part"
    half.mkdir()
    (half / "metrics.json").write_text("{", encoding="utf-8")
    assert set(collect(str(tmp_path))["run"]) == {str(folder)}


def test_what_follows_from_another_setting_stays_out_of_the_label(
    tmp_path: Path,
) -> None:
    for place, (k, gamma) in enumerate(((0, 1.0), (3, 1.0), (3, 0.5))):
        config = {
            "K": k,
            "gamma": gamma,
            # w decides nothing without neighbours: it is read by two of three
            "graph": {"num_neighbors": k, "w": 0.9, "knn_include_self": False},
            "model": {
                "net": {"neighbor": {"of": "x"}},
                "weights": {"contrastive": gamma / 100},
            },
        }
        _run(tmp_path, f"r{place}", config=config)
    assert _labels(tmp_path) == {
        "micrec K=0 gamma=1",
        "micrec K=3 gamma=1",
        "micrec K=3 gamma=0.5",
    }


def test_settings_that_change_together_are_all_told(tmp_path: Path) -> None:
    """Only what is made from another one says nothing of its own."""
    for place in (1, 2):
        config = {
            "features": {"noise": place == 1},
            "graph": {"union": place == 1},
            "fit": {"patience": place},
            "gamma": place,
            "model": {
                "weights": {"self_enhanced": place / 100, "contrastive": place / 100},
                "net": {"num_layers": place},
            },
        }
        _run(tmp_path, f"r{place}", config=config)
    told = (
        "micrec gamma={0} features.noise={1} fit.patience={0} graph.union={1} "
        "model.net.num_layers={0} model.weights.self_enhanced=0.0{0}"
    )
    assert _labels(tmp_path) == {told.format(1, "true"), told.format(2, "false")}


def test_a_contrastive_weight_that_is_given_is_told(tmp_path: Path) -> None:
    """The yaml of MICRec+ does not make it from gamma."""
    for gamma in (1, 2):
        weights = {"contrastive": gamma / 100}
        model = {"name": "micrec_plus", "weights": weights}
        _run(tmp_path, f"r{gamma}", config={"gamma": gamma, "model": model})
    assert _labels(tmp_path) == {
        f"micrec gamma={n} model.weights.contrastive=0.0{n}" for n in (1, 2)
    }


def test_copies_are_those_of_the_yaml() -> None:
    overrides = ["model=micrec_plus", "data=amazon2018"]
    settings = OmegaConf.to_container(compose(overrides), resolve=False)
    found = dict(_copies(settings, ""))
    # of a seed, and of what decides nothing, no label says anything
    own = {k: v for k, v in found.items() if not k.endswith((".seed", ".cache_dir"))}
    direct = {pair for pair in FOLLOWS if pair != ("graph.num_neighbors", "K")}
    assert {*own.items()} == direct


def _copies(settings: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield settings that the yaml takes from another one, with it."""
    for key, value in settings.items():
        if isinstance(value, dict) and key != "hydra":
            yield from _copies(value, f"{prefix}{key}.")
        found = re.fullmatch(r"\$\{(?:oc.select:)?([\w.]+)(?:,null)?\}", str(value))
        if found and found[1] not in ("device", "loss"):
            yield f"{prefix}{key}", found[1]


def test_axes_that_change_together_are_all_told(tmp_path: Path) -> None:
    for place, (k, gamma, rate) in enumerate(((0, 0.0, 0), (3, 1.0, 0.3))):
        _run(tmp_path, f"r{place}", config={"K": k, "gamma": gamma, "rate": rate})
    assert _labels(tmp_path) == {
        "micrec K=0 gamma=0 rate=0",
        "micrec K=3 gamma=1 rate=0.3",
    }


def test_one_and_one_point_zero_are_one_setting(tmp_path: Path) -> None:
    _run(tmp_path, "r0", config={"gamma": 1})
    _run(tmp_path, "r1", config={"gamma": 1.0}, seed=1)
    assert _labels(tmp_path) == {"micrec"}


def test_a_repeated_run_counts_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _run(tmp_path, "r0")
    _run(tmp_path, "r1")
    with caplog.at_level(logging.WARNING):
        frame = collect(str(tmp_path))
    assert set(frame["run"]) == {str(tmp_path / "toy" / "r0")}
    assert "r1 repeats an earlier run" in caplog.text


def test_chosen_runs_keep_their_labels_and_order(tmp_path: Path) -> None:
    for name, seed in (("r0", 0), ("r1", 1), ("r2", 2)):
        _run(tmp_path, name, seed=seed)
    second, first = (tmp_path / "toy" / name for name in ("r2", "r0"))
    frame = collect_runs([(second, "Ours"), (first, "Mine"), (second, "Theirs")])
    rows = frame.select("run", "label", "seed").unique(maintain_order=True).rows()
    assert rows == [
        (str(second), "Ours", 2),
        (str(first), "Mine", 0),
        (str(second), "Theirs", 2),  # one run, two rows of a table
    ]


def test_a_chosen_run_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"metrics\.json is missing"):
        collect_runs([(tmp_path, "Ours")])


def test_no_run_at_all(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no metrics\.json under"):
        collect(str(tmp_path))


def test_broken_json_is_located(tmp_path: Path) -> None:
    folder = _run(tmp_path, "r0")
    (folder / "metrics.json").write_text('{"schema": 1,\n  oops}', encoding="utf-8")
    with pytest.raises(InputError, match=r"r0/metrics\.json:2:3: not JSON"):
        collect(str(tmp_path))


@pytest.mark.parametrize(
    ("metrics", "said"),
    [({"schema": 2}, "schema 2 was given, 1 is needed"), ({"schema": None}, "None")],
)
def test_another_schema_is_refused(
    tmp_path: Path, metrics: dict[str, Any], said: str
) -> None:
    _run(tmp_path, "r0", **metrics)
    with pytest.raises(InputError, match=said):
        collect(str(tmp_path))


def test_missing_keys_are_named(tmp_path: Path) -> None:
    folder = _run(tmp_path, "r0")
    text = json.dumps({"schema": 1, "dataset": "toy", "seed": 0})
    (folder / "metrics.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"\['model', 'split'\] are missing"):
        collect(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "is missing"),
        ("a: [1", "line 1, column 6: expected"),
        ("- 1", "a mapping of settings"),
    ],
)
def test_a_bad_configuration_is_refused(
    tmp_path: Path, text: str | None, said: str
) -> None:
    config = _run(tmp_path, "r0") / "config.yaml"
    config.unlink() if text is None else config.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        collect(str(tmp_path))


def test_runs_without_a_part_are_named(tmp_path: Path) -> None:
    tested = {"a": {"all": {"recall@20": 0.25}}}
    _run(tmp_path, "r0", test=tested)
    other = _run(tmp_path, "r1", seed=1)
    results = collect(str(tmp_path))
    assert without_part(results, "test") == [str(other)]
    assert without_part(results, "val") == []


def test_settings_without_effect_are_found(tmp_path: Path) -> None:
    """w changes nothing at gamma=1, and something in one seed at gamma=0."""
    for gamma, w, seed in product((0, 1), (0.5, 0.9), (0, 1)):
        differs = gamma == 0 and w == 0.9 and seed == 1
        _run(
            tmp_path,
            f"{gamma}-{w}-{seed}",
            config={"gamma": gamma, "w": w},
            seed=seed,
            test={"a": {"all": {"recall@20": gamma + 1e-9 * differs}}},
        )
    found = equal_labels(collect(str(tmp_path)))
    assert found == [["micrec w=0.5 gamma=1", "micrec w=0.9 gamma=1"]]


def test_what_is_written_alike_and_read_as_something_else_tells_runs_apart(
    tmp_path: Path,
) -> None:
    for seed, number in enumerate((5, 10)):
        _run(
            tmp_path,
            f"r{seed}",
            seed=seed,
            config={"graph": {"num_neighbors": number}, "model": {"net": {}}},
        )
    assert _labels(tmp_path) == {"micrec K=5", "micrec K=10"}


def test_other_data_tell_runs_apart(tmp_path: Path) -> None:
    for seed, digest in enumerate(("a" * 64, "b" * 64)):
        _run(tmp_path, f"r{seed}", seed=seed, data={"a": digest})
    assert _labels(tmp_path) == {f"micrec data={each * 12}" for each in "ab"}
