"""What a person sees when a run is done, and before a sweep starts."""

import json
import re
from pathlib import Path
from statistics import fmean

import pytest
from reference.runs import write_run

from micrec_pyg.cli.sweep_axes import MOST_RUNS, without_effect
from micrec_pyg.cli.sweep_jobs import selection
from micrec_pyg.cli.train_output import summary, validation_table
from micrec_pyg.runs.read import Run

ROOT = Path(__file__).parents[2]


def test_a_run_prints_its_validation_the_next_command_and_its_path(
    micrec, small, runs, capsys
) -> None:
    assert micrec("train", *small) == 0
    (folder,) = runs()
    said, *table, following, path = capsys.readouterr().out.splitlines()
    assert path == str(folder)
    assert following == f"next, the test results: micrec evaluate {folder}"
    record = json.loads((folder / "metrics.json").read_text())
    best, epochs = record["best_epoch"] + 1, record["epochs"]
    cut = " (all of fit.max_epochs, more may be better)"
    of = f"{epochs}{cut if Run.read(folder).was_cut else ''}"
    assert said == f"validation results of epoch {best}, the best of {of}:"
    head, *rows, average = [line.split() for line in table]
    assert head == ["domain", "recall@20", "ndcg@20", "precision@20", "users"]
    values = {domain: groups["all"] for domain, groups in record["val"].items()}
    for domain, *cells, users in rows:
        expected = [f"{values[domain][name]:.4f}" for name in head[1:4]]
        assert (cells, users) == (expected, str(values[domain]["users"]))
    means = [fmean(each[name] for each in values.values()) for name in head[1:4]]
    assert average == ["average", *(f"{mean:.4f}" for mean in means)]
    assert micrec("train", *small) == 0  # a run that is there says the same
    assert capsys.readouterr().out.splitlines() == [said, *table, following, path]


def test_a_run_of_a_sweep_prints_a_line_each_and_a_table(
    micrec, small, runs, capsys
) -> None:
    # settings may stand on both sides of the flag
    assert micrec("train", *small, "-m", "seed=0,1", "fit.max_epochs=1") == 0
    shown = capsys.readouterr().out.splitlines()
    assert sorted(shown[:2]) == [str(folder) for folder in runs()]
    assert shown[2].split() == ["validation", "ndcg@20", "sd", "seeds"]
    assert len(shown) == 7


def test_one_domain_has_no_average_and_a_missing_value_is_a_dash() -> None:
    values = {"recall@5": 1.0, "recall@20": 0.5, "ndcg@20": None, "users": 3}
    lines = validation_table({"a": {"all": values}})
    assert [line.split() for line in lines[1:]] == [["a", "0.5000", "-", "-", "3"]]
    both = validation_table({"a": {"all": values}, "b": {"all": values}})
    assert both[-1].split() == ["average", "0.5000", "-", "-"]


def test_the_next_command_can_be_pasted(tmp_path) -> None:
    folder = tmp_path / "my shop"
    write_run(folder, {"a": {"all": {"recall@20": [0.5]}}}, part="val")
    path = folder / "metrics.json"
    record = json.loads(path.read_text()) | {"best_epoch": 0, "epochs": 1}
    record["val"]["a"]["all"]["users"] = 1
    path.write_text(json.dumps(record))
    assert f"micrec evaluate '{folder}'\n" in summary(folder)


def test_no_epoch_is_no_best_epoch_and_a_card_has_the_axes_that_are_read(
    micrec, small, runs, capsys
) -> None:
    given = ["model=lightgcn", "model.num_neighbors=4", "fit.max_epochs=0"]
    assert micrec("train", *small, *given) == 0
    assert capsys.readouterr().out.startswith(
        "validation results of the start values, as no epoch was trained "
    )
    (folder,) = runs()
    card = (folder / "run_card.md").read_text()
    assert "- epochs: 0, the start values were kept\n" in card
    assert "- settings: K=4, w=0.9, seed=0 (all: config.yaml)\n" in card


def test_a_warning_names_model_run_and_domain_and_comes_once(
    micrec, small, runs, capsys
) -> None:
    model = ["model=lightgcn", "model.net.unseen=error", "model.net.std=1e-30"]
    given = ["split=new_nodes", "fit.max_epochs=0", "rank.ks=[5]"]
    assert micrec("train", *small, *model, *given, "fit.metric=ndcg@5") == 0
    (folder,) = runs()
    assert micrec("evaluate", folder) == 0
    lines = capsys.readouterr().err.splitlines()
    ties = [line for line in lines if "ties at the cut" in line]
    who = f"lightgcn, {folder.name}: "
    assert [line.partition(": ties")[0] for line in ties] == [
        f"{who}domain 'd0'",
        f"{who}domain 'd1'",
    ]
    (left_out,) = (line for line in lines if "has no answer for new nodes" in line)
    assert left_out.startswith(who)


def test_a_value_that_hydra_wants_in_quotes_hides_no_key_without_effect() -> None:
    given = ["-m", "data=synthetic", "output_dir=löcher", "model=inmo", "gamma=0,1"]
    assert without_effect(given) == ["gamma has no effect: 1 of 2 runs are copies"]


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        (["K=0,3", "gamma=0,1", "seed=0,1"], []),
        (["w=0.5,0.9", "K=3"], []),
        (
            ["model=lightgcn", "K=1,3", "w=0.5,0.9", "seed=0,1"],
            [
                "K has no effect: 4 of 8 runs are copies",
                "w has no effect: 4 of 8 runs are copies",
            ],
        ),
        (
            ["K=0,3", "w=0.5,0.7,0.9"],
            ["w has no effect where K=0: 2 of 6 runs are copies"],
        ),
        (
            ["model=micrec,inmo,bpr_mf", "gamma=0,1"],
            ["gamma has no effect where model=inmo,bpr_mf: 2 of 6 runs are copies"],
        ),
        (
            ["model=lightgcn", "model.num_neighbors=4", "K=1,4", "gamma=0,1"],
            [
                "K has no effect: 2 of 4 runs are copies",
                "gamma has no effect: 2 of 4 runs are copies",
            ],
        ),
        (
            ["model=lightgcn", "model.net.unseen=zero,error", "split=random,new_nodes"],
            [
                "model.net.unseen has no effect where split=random: 1 of 4 runs are "
                "copies"
            ],
        ),
        (["device=cpu,auto"], ["device has no effect: 1 of 2 runs are copies"]),
        (["output_dir=a,b"], []),
        (["data=tables", "data.path=a,b"], []),
        (["+fit.optimizer.rates.templates=0.1,0.2"], []),
        # what Hydra refuses or chooses itself
        (["K=-1,3", "model=lightgcn"], []),
        (["model=lightgcn", "K=interval(1,3)"], []),
        (["model=lightgcn", f"seed=range({MOST_RUNS})", "K=1,3"], []),
        (["nokey=1,2"], []),
    ],
)
def test_a_key_without_effect_is_told_before_the_sweep(axes, said) -> None:
    assert without_effect(["-m", "data=synthetic", "device=cpu", *axes]) == said


def test_the_sentence_comes_before_the_first_run(micrec, small, capsys) -> None:
    sweep = ["model=popularity", "K=1,2", "fit.max_epochs=1"]
    assert micrec("train", "-m", *small, *sweep) == 0
    shown = capsys.readouterr().err
    assert shown.index("K has no effect: 1 of 2 runs") < shown.index("run: ")


def test_the_sweeps_that_we_show_have_no_copies() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (default,) = re.findall(r"^SWEEP \?= (.*)$", makefile, re.MULTILINE)
    assert without_effect(["-m", *default.split()]) == []


def test_a_model_that_does_not_answer_everybody_shows_the_group_that_it_does(
    micrec, small, runs, capsys
) -> None:
    given = ["model=ease", "split=new_nodes", "split.select=new"]
    assert micrec("train", *small, *given) == 0
    (folder,) = runs()
    groups = json.loads((folder / "metrics.json").read_text())["val"]
    (group,) = {name for each in groups.values() for name in each}
    assert group != "all"
    shown = capsys.readouterr().out.splitlines()
    assert shown[1] == f"{group}, which is all that the model answers:"
    mean = fmean(each[group]["ndcg@20"] for each in groups.values())
    assert selection(folder, "ndcg@20") == pytest.approx(mean)


def test_given_keys_that_the_run_does_not_read_are_named(micrec, small, capsys) -> None:
    assert micrec("train", *small, "model=popularity", "K=4", "fit.lr=0.3") == 0
    said = capsys.readouterr().err
    line = next(x for x in said.splitlines() if x.startswith("without effect"))
    assert line.endswith(", K, fit.lr")
    given = ["model=lightgcn", "model.num_neighbors=4", "K=5", "w=0.8", "fit.lr=0.01"]
    assert micrec("train", *small, *given) == 0
    said = capsys.readouterr().err
    assert "without effect in this run: K\n" in said
