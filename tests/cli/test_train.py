import json
import time
from pathlib import Path

import polars as pl
import pytest
import yaml

from micrec_pyg.cli.train import train_job

SPLIT = ("card.json", "manifest.json", "d0.parquet", "d1.parquet")
FILES = {
    "config.yaml",
    "metrics.json",
    "per_user.parquet",
    "history.jsonl",
    "data_card.md",
    "run_card.md",
    "manifest.json",
    "artefact/artefact.json",
    "artefact/config.yaml",
    "artefact/data_card.md",
    "artefact/digests.json",
    "artefact/features-d0.safetensors",
    "artefact/features-d1.safetensors",
    "artefact/manifest.json",
    "artefact/model.safetensors",
    "artefact/model_card.md",
    "artefact/neighbors.safetensors",
    "artefact/templates.safetensors",
    *(
        f"artefact/{kind}-d{n}.parquet"
        for kind in ("users", "items", "known")
        for n in (0, 1)
    ),
    *(f"artefact/split/{name}" for name in SPLIT),
}


def files(folder: Path) -> set[str]:
    found = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    return {path.as_posix() for path in found}


def metrics_of(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


def test_one_run_leaves_every_file_and_is_not_trained_again(
    micrec, small, runs, capsys
) -> None:
    assert micrec("train", *small) == 0
    (folder,) = runs()
    assert capsys.readouterr().out.splitlines()[-1] == str(folder)
    assert files(folder) == FILES
    metrics = metrics_of(folder)
    assert "test" not in metrics
    assert metrics["test_evaluations"] == 0
    users = pl.read_parquet(folder / "per_user.parquet")
    for domain, groups in metrics["val"].items():
        mine = users.filter(domain=domain)
        assert groups["all"]["users"] == len(mine)
        assert groups["all"]["recall@20"] == pytest.approx(mine["recall@20"].mean())
    assert "test evaluations: 0" in (folder / "run_card.md").read_text()
    before = {name: (folder / name).stat().st_mtime_ns for name in FILES}
    begin = time.perf_counter()
    assert train_job(small) == folder
    assert time.perf_counter() - begin < 2
    assert before == {name: (folder / name).stat().st_mtime_ns for name in FILES}


def test_a_sweep_trains_every_combination(micrec, small, runs) -> None:
    assert micrec("train", "K=0,3", "--multirun", *small, "gamma=0,1") == 0
    found = {}
    for folder in runs():
        assert files(folder) == FILES
        config = yaml.safe_load((folder / "config.yaml").read_text())
        found[config["K"], config["gamma"]] = config["graph"]["num_neighbors"]
    assert found == {(0, 0): 0, (0, 1): 0, (3, 0): 3, (3, 1): 3}


def test_evaluation_adds_the_test_and_counts(micrec, small, runs, capsys) -> None:
    folder = train_job([*small, "split=new_nodes"])
    val = metrics_of(folder)["val"]
    assert micrec("evaluate", folder) == 0
    metrics = metrics_of(folder)
    assert metrics["val"] == val
    assert metrics["test_evaluations"] == 1
    rows = pl.read_parquet(folder / "per_user.parquet").filter(part="test")
    for domain, groups in metrics["test"].items():
        assert {"all", "new_user", "old_user"} <= groups.keys()
        new = rows.filter(pl.col("domain") == domain, pl.col("group") == "new_user")
        assert new["new_user"].all()
        assert groups["new_user"]["ndcg@10"] == pytest.approx(new["ndcg@10"].mean())
    assert micrec("evaluate", folder, "--group", "all", "new_user") == 0
    assert metrics_of(folder) == metrics
    assert micrec("evaluate", folder, "--again") == 0
    again = metrics_of(folder)
    assert again["test_evaluations"] == 2
    assert again["test"] == metrics["test"]
    assert len(pl.read_parquet(folder / "per_user.parquet").filter(part="test")) == len(
        rows
    )
    assert "test evaluations: 2" in (folder / "run_card.md").read_text()
    assert "new_user" in capsys.readouterr().out


def test_a_model_without_new_nodes_is_tested_on_the_seen_ones(small) -> None:
    from micrec_pyg.runs.evaluate import evaluate_job

    folder = train_job([*small, "split=new_nodes", "model=bpr_mf"])
    test = evaluate_job(folder)["test"]
    assert {g for groups in test.values() for g in groups} == {"old_user_old_item"}
    rows = pl.read_parquet(folder / "per_user.parquet").filter(part="test")
    assert not rows["new_user"].any()


@pytest.mark.parametrize(
    ("select", "said"),
    [("seen", "by the nodes of the training graph"), ("new", "by all nodes, new ones")],
)
def test_the_card_names_the_rule_of_selection(small, select, said) -> None:
    run = train_job([*small, "split=new_nodes", f"split.select={select}"])
    assert f"- selection: {said}" in (run / "run_card.md").read_text()


def test_neighbours_are_searched_where_the_run_is(small) -> None:
    from micrec_pyg.cli.config import composed
    from micrec_pyg.runs.experiment import experiment_of
    from micrec_pyg.runs.inputs import load

    settings = composed([*small, "K=0"])
    assert load(experiment_of(settings)).options.device == "cpu"
    # as an evaluation on another machine does
    assert load(experiment_of(settings, device="meta")).options.device == "meta"


def test_changed_data_is_refused(micrec, ready, capsys) -> None:
    folder = ready
    path = folder / "artefact" / "digests.json"
    digests = json.loads(path.read_text())
    path.write_text(json.dumps({**digests, "d1": "0" * 64}))
    (folder / "manifest.json").unlink()  # else the file itself is refused
    assert micrec("evaluate", folder) == 2
    shown = capsys.readouterr().err
    assert "the data of d1, or what encodes it, is not what" in shown
    assert "test" not in metrics_of(folder)


def test_a_run_goes_on_with_another_batch_size_of_its_encoder(small, ready) -> None:
    begun = [each for each in small if not each.startswith("features=")]
    folder = train_job([*begun, "features=default", "K=0"])
    for name in ("metrics.json", "manifest.json"):
        (folder / name).unlink()  # as if it had been interrupted
    again = [*begun, "features=default", "K=0", "features.text.batch_size=7"]
    assert train_job(again) == folder
    assert metrics_of(folder)["val"]


def test_the_encoders_run_where_the_run_does(small) -> None:
    from micrec_pyg.cli.config import composed
    from micrec_pyg.runs.experiment import experiment_of

    settings = composed([*small, "features=with_images"])
    for node in (settings, *(settings["features"][m] for m in ("text", "image"))):
        node["device"] = "cuda"
    found = experiment_of(settings, device="cpu")
    encoders = found.encode.keywords
    assert [encoders[m].device for m in ("text", "image")] == ["cpu", "cpu"]
    assert found.settings["features"]["text"]["device"] == "cpu"
    # one that was put elsewhere stays there, where the run stays too
    settings["features"]["text"]["device"] = "cuda:1"
    kept = experiment_of(settings).encode.keywords
    assert [kept[m].device for m in ("text", "image")] == ["cuda:1", "cuda"]


def test_gamma_without_shared_users_is_refused(micrec, small, capsys) -> None:
    assert micrec("train", *small, "data.overlap=0", "gamma=1") == 2
    assert "share no user id" in capsys.readouterr().err
    train_job([*small, "data.overlap=0", "gamma=0", "fit.max_epochs=1"])


def test_one_domain_trains_whatever_gamma_is(small, runs) -> None:
    folder = train_job([*small, "data.num_domains=1", "fit.max_epochs=1"])
    assert set(metrics_of(folder)["val"]) == {"d0"}


def test_a_cut_off_above_the_catalogue_is_refused(micrec, small, capsys) -> None:
    assert micrec("train", *small, "rank.ks=[50]") == 2
    assert "40 items" in capsys.readouterr().err


def test_help_lists_options_and_examples(micrec, capsys) -> None:
    assert micrec("train", "--help") == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("synthetic", "new_nodes", "gamma", "-m"))


@pytest.mark.fuzz  # slow
def test_every_model_trains_and_is_tested(small, root) -> None:
    from micrec_pyg.runs.evaluate import evaluate_job

    for path in sorted((root / "conf" / "model").glob("*.yaml")):
        folder = train_job([*small, f"model={path.stem}", "fit.max_epochs=1"])
        metrics = evaluate_job(folder)
        assert metrics["model"] == path.stem
        assert set(metrics["test"]) == {"d0", "d1"}, path.stem


def test_an_interrupted_run_continues_to_the_same_result(small, tmp_path) -> None:
    rows: list[dict] = []

    def interrupt(row: dict) -> None:
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    options = [*small, "fit.max_epochs=5", "fit.checkpoint_every_s=0"]
    with pytest.raises(KeyboardInterrupt):
        train_job(options, on_epoch=interrupt)
    continued = train_job(options, on_epoch=rows.append)
    assert [row["epoch"] for row in rows] == [2, 3, 4]
    whole = train_job([*options, f"output_dir={tmp_path}/whole"])
    assert whole.name == continued.name
    ours, theirs = metrics_of(continued), metrics_of(whole)
    assert ours["val"] == theirs["val"]
    assert ours["best_epoch"] == theirs["best_epoch"]
    model = "artefact/model.safetensors"
    assert (continued / model).read_bytes() == (whole / model).read_bytes()


def test_a_metric_without_cut_off_is_refused(micrec, small, capsys) -> None:
    assert micrec("train", *small, "fit.metric=ndcg") == 2
    assert "fit.metric=ndcg" in capsys.readouterr().err


def test_a_sweep_shares_lists_of_its_largest_k(root) -> None:
    from micrec_pyg.cli.train import _shared_lists

    folder = root / "conf"
    assert _shared_lists(["K=0,3,20", "w=0.5,0.9"], folder) == ["graph.knn_lists=20"]
    assert _shared_lists(["K=0,3"], folder) == []
    assert _shared_lists(["K=30,40", "graph.knn_lists=5"], folder) == []


def test_jobs_are_those_of_a_sweep(micrec, capsys) -> None:
    assert micrec("train", "--jobs", "2", "data=synthetic") == 2
    assert "--jobs is for the runs of a sweep; add -m" in capsys.readouterr().err
