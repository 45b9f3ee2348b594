"""One run from its description: by hand, found again, and told to listeners."""

import importlib
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from reference import worlds
from reference.experiments import experiment

from micrec_pyg.cli.config import composed
from micrec_pyg.cli.config import experiment as described
from micrec_pyg.cli.train import train_job
from micrec_pyg.data.splits.at_random import random_ratio
from micrec_pyg.evaluation.evaluate import evaluate
from micrec_pyg.features import make_features
from micrec_pyg.models.bpr_mf import BPRMF
from micrec_pyg.nn.ranking import BPR
from micrec_pyg.report.collect import collect, labels_of
from micrec_pyg.runs.experiment import Experiment, experiment_of
from micrec_pyg.runs.job import train
from micrec_pyg.runs.listener import Listener
from micrec_pyg.runs.progress import Progress, in_notebook
from micrec_pyg.runs.read import find_runs, read_run
from micrec_pyg.schema import InputError


class Recorder(Listener):
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def start(
        self, experiment: Experiment, folder: Path, data: Mapping[str, str]
    ) -> None:
        assert data  # the digest of each domain
        self.heard.append(("start", experiment.model, folder))

    def epoch(self, row: Mapping[str, Any]) -> None:
        self.heard.append(("epoch", row["epoch"]))

    def finish(self, metrics: Mapping[str, Any] | None) -> None:
        self.heard.append(
            ("finish", None if metrics is None else metrics["best_epoch"])
        )


def by_hand(small: list[str], tmp_path: Path) -> Experiment:
    """Return an experiment that no yaml describes, on the data of one that is."""
    return experiment(
        model="bpr_mf",
        load_data=described(small).load_data,
        encode=partial(
            make_features,
            kg=None,
            drop_rate=0,
            noise=False,
            seed=0,
            cache_dir=str(tmp_path),
        ),
        divide=partial(random_ratio, ratios=[7, 1, 2], seed=0),
        graph=worlds.options(num_neighbors=0),
        make_model=partial(BPRMF, dim=4, std=0.1, unseen="error", loss=BPR()),
        weights={"ranking": 1.0, "l2": 0.0},
        rank=partial(evaluate, ks=[5], batch_size=32, groups=True),
        output_dir=str(tmp_path / "outputs"),
        settings={"about": "made by hand"},
    )


def test_an_experiment_made_by_hand_trains_and_tells(small, tmp_path) -> None:
    recorder = Recorder()
    folder = train(by_hand(small, tmp_path), [recorder])
    assert folder.parent == tmp_path / "outputs" / "toy" / "bpr_mf"
    assert folder.name.startswith("random-s0-")
    run = read_run(folder)
    assert run.config == {"about": "made by hand"}
    assert run.metrics["value"].is_not_null().all()
    assert recorder.heard == [
        ("start", "bpr_mf", folder),
        *(("epoch", epoch) for epoch in range(len(run.history))),
        ("finish", run.record["best_epoch"]),
    ]


def test_a_run_that_stops_is_told_as_such(small, tmp_path) -> None:
    class Stop(Recorder):
        def epoch(self, row: Mapping[str, Any]) -> None:
            raise KeyboardInterrupt

    stop = Stop()
    with pytest.raises(KeyboardInterrupt):
        train(by_hand(small, tmp_path), [stop])
    assert stop.heard[1:] == [("finish", None)]


def test_a_finished_run_is_found_after_reading_alone(small) -> None:
    def fail(*_: Any) -> Any:
        raise AssertionError("this takes long")

    folder = train_job(small)
    run = replace(described(small), encode=fail, divide=fail, make_model=fail)
    assert train(run) == folder
    assert sorted(p.name for p in folder.parent.iterdir()) == [folder.name]


def test_a_refused_run_leaves_no_folder(small, tmp_path) -> None:
    run = replace(by_hand(small, tmp_path), make_model=partial(BPRMF, dim=2**40))
    with pytest.raises(InputError, match="this run needs about"):
        train(run)
    assert not [path for path in (tmp_path / "outputs").rglob("*") if path.is_file()]


def test_settings_of_another_version_name_the_missing_key(small) -> None:
    settings = composed(small)
    del settings["precision"]
    with pytest.raises(InputError, match="no key 'precision'"):
        experiment_of(settings)


def test_settings_without_effect_are_one_model_in_tables(small, tmp_path) -> None:
    """Runs that earlier versions kept apart: by kernel, by place, by unread axes."""
    model = "model=lightgcn"
    train_job([*small, model, "spmm=auto"])
    same = ["spmm=csr", "K=7", "gamma=3", "rank.batch_size=7", "w=0.2"]
    for number, override in enumerate(same):
        place = f"output_dir={tmp_path}/outputs/{number}"
        train_job([*small, model, override, "seed=1", place])
    frame = collect(str(tmp_path / "outputs"))
    assert set(frame["label"]) == {"lightgcn"}
    assert set(frame["seed"]) == {0, 1}


def test_data_is_known_by_its_content_in_tables(small, tmp_path) -> None:
    folders = [
        train_job(
            [*small, "model=popularity", f"output_dir={tmp_path}/outputs/{n}", *o]
        )
        for n, o in enumerate([[], ["data.overlap=0.7", "gamma=0"]])
    ]
    labels = labels_of(find_runs([str(tmp_path / "outputs")]))
    assert [labels[str(f)] for f in folders] == [
        "popularity data.overlap=0.5",
        "popularity data.overlap=0.7",
    ]
    # the same content, asked for in another way
    record = (folders[0] / "metrics.json").read_text()
    (folders[1] / "metrics.json").write_text(record)
    (folders[1] / "manifest.json").unlink()
    labels = labels_of(find_runs([str(tmp_path / "outputs")]))
    assert set(labels.values()) == {"popularity"}


def test_a_run_of_an_earlier_version_is_read_and_tested(
    micrec, small, tmp_path
) -> None:
    new = train_job([*small, "split=new_nodes"])
    old = tmp_path / "outputs" / "synthetic" / "micrec" / "new_nodes-K3-old-name"
    new.rename(old)
    settings = yaml.safe_load((old / "config.yaml").read_text())
    settings["data"]["_target_"] = "micrec_pyg.data.synthetic.synthetic"
    (old / "manifest.json").unlink()  # earlier versions wrote none
    settings["split"]["_target_"] = "micrec_pyg.data.split_inductive.new_nodes"
    (old / "config.yaml").write_text(yaml.safe_dump(settings))
    record = (old / "metrics.json").read_text()
    (old / "metrics.json").write_text(record.replace('"data":', '"not_written":'))
    assert micrec("evaluate", old) == 0
    again = train_job([*small, "split=new_nodes", "seed=1"])
    assert micrec("evaluate", again) == 0
    frame = collect(str(tmp_path / "outputs"))
    assert set(frame["label"]) == {"micrec"}
    assert set(frame["run"]) == {str(old), str(again)}


def test_the_bar_is_the_notebooks_own_in_a_notebook(monkeypatch) -> None:
    assert not in_notebook()
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    ipython = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert in_notebook()
    made: list[dict[str, Any]] = []

    class Bar:
        n = 0

        def __init__(self, **options: Any) -> None:
            made.append(options)
            self.disable = options["disable"]

        def update(self, number: int) -> None:
            made.append({"update": number})

        def set_description_str(self, text: str, *, refresh: bool) -> None:
            made.append({"text": text})

        def close(self) -> None:
            made.append({"close": True})

    monkeypatch.setattr(importlib.import_module("tqdm.auto"), "tqdm", Bar)
    progress = Progress()
    progress.start(experiment(weights={"ranking": 1.0}), Path("run"), {})
    progress.epoch({"epoch": 0, "loss": {"ranking": 0.5}, "val": None})
    progress.finish(None)
    assert made == [
        {"total": 3, "bar_format": "{bar}{desc}", "disable": False},
        {"text": "epoch 1/3  loss 0.5000"},
        {"update": 1},
        {"close": True},
    ]
