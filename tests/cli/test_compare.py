"""``micrec compare`` on run folders written by hand and on real ones."""

import json
from pathlib import Path
from typing import Any

import pytest
from reference import significance as naive
from reference.runs import write_run

from micrec_pyg.cli.train import train_job
from micrec_pyg.runs.evaluate import evaluate_job

BASE = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
UP = [0.2, 0.1, 0.5, 0.5, 0.7, 0.9, 0.9, 0.9]
CHOSEN = ("--metric", "recall@20")


def _write(tmp_path: Path, name: str, values: list[float], **options: Any) -> Path:
    content = {"a": {"all": {"recall@20": values}, "new_user": {"recall@20": values}}}
    return write_run(tmp_path / name, content, model=name, **options)


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return [_write(tmp_path, "base", BASE), _write(tmp_path, "up", UP)]


def test_a_table_of_text_and_of_markdown(micrec, two, capsys) -> None:
    assert micrec("compare", *two, *CHOSEN) == 0
    note, same, table, rest = capsys.readouterr().out.split("\n\n")
    assert note.startswith("Part: test. Difference = model minus reference (base)")
    assert same.splitlines() == ["domain: a", "group: all", "metric: recall@20"]
    head, line = (row.split() for row in table.splitlines())
    assert head[:4] == ["model", "reference", "mean", "difference"]
    assert line[:4] == ["up", "0.4500", "0.5875", "+0.1375"]
    assert len(rest.splitlines()) == 2
    p = naive.wilcoxon([round(b - a, 12) for a, b in zip(BASE, UP, strict=True)])
    assert f"{p:.4f}" in f"{table}{rest}"
    assert micrec("compare", *two, *CHOSEN, "--markdown") == 0
    table = capsys.readouterr().out.split("\n\n")[1].splitlines()
    assert table[2].startswith("| a | all | recall@20 | up | 0.4500 | 0.5875 | +0.1375")


def test_the_options_reach_the_test(micrec, two, tmp_path, capsys) -> None:
    out = tmp_path / "new" / "compare.json"
    options = ("--group", "all", "new_user", "--test", "permutation", "--alpha", "0.2")
    more = ("--resamples", "300", "--seed", "4", "--reference", "up", "--json", out)
    assert micrec("compare", *two, *CHOSEN, *options, *more) == 0
    shown = capsys.readouterr().out
    assert "sign-flip permutation test" in shown
    assert "80 %, 300 resamples" in shown
    found = json.loads(out.read_text())
    assert {k: found[k] for k in ("test", "alpha", "resamples", "seed", "family")} == {
        "test": "permutation",
        "alpha": 0.2,
        "resamples": 300,
        "seed": 4,
        "family": 2,
    }
    assert [(c["group"], c["reference"]) for c in found["cells"]] == [
        ("all", "up"),
        ("new_user", "up"),
    ]
    p = naive.permutation([a - b for a, b in zip(BASE, UP, strict=True)])
    assert [c["p"] for c in found["cells"]] == pytest.approx([p, p])
    assert [c["p_holm"] for c in found["cells"]] == pytest.approx([2 * p, 2 * p])


def test_validation_results_need_no_test(micrec, tmp_path, capsys) -> None:
    runs = [
        _write(tmp_path, name, values, part="val")
        for name, values in (("base", BASE), ("up", UP))
    ]
    assert micrec("compare", *runs, *CHOSEN, "--part", "val") == 0
    assert "Part: val." in capsys.readouterr().out
    assert micrec("compare", *runs, *CHOSEN) == 2
    assert f"evaluate it first: micrec evaluate {runs[0]}" in capsys.readouterr().err


def test_transfer(micrec, tmp_path, capsys) -> None:
    values = {d: {"all": {"recall@20": UP}} for d in "ab"}
    joint = write_run(tmp_path / "joint", values, model="m", shared=["u0", "u1"])
    alone = {"a": {"all": {"recall@20": BASE}}}
    single = write_run(tmp_path / "single", alone, model="m")
    given = ("--transfer", joint, "--single", single, *CHOSEN)
    assert micrec("compare", *given) == 0
    shown = capsys.readouterr()
    _, same, table, *_ = shown.out.split("\n\n")
    assert same.startswith("domain: a\n")
    lines = [row.split() for row in table.splitlines()]
    place = lines[0].index("difference")
    assert [(row[0], row[place]) for row in lines[1:]] == [
        ("all", "+0.1375"),
        ("overlap_user", "+0.0000"),
        ("single_domain_user", "+0.1833"),
    ]
    assert "no single-domain run on b" in shown.err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "give run folders, or --transfer"),
        (["R", "--transfer", "J", "--single", "S"], "not both"),
        (["--transfer", "J"], "belong together"),
        (["R", "--single", "S"], "belong together"),
        (["--transfer", "J", "--single", "S", "--reference", "R"], "does not go with"),
        (["nowhere"], "no metrics.json under 'nowhere'"),
        (["nowhere", "--alpha", "2"], "alpha=2.0"),
    ],
)
def test_what_does_not_go_together_is_refused(micrec, capsys, argv, said) -> None:
    assert micrec("compare", *argv) == 2
    assert said in capsys.readouterr().err


def test_help(micrec, capsys) -> None:
    with pytest.raises(SystemExit) as end:
        micrec("compare", "--help")
    assert end.value.code == 0
    assert "--transfer" in capsys.readouterr().out


@pytest.mark.fuzz
def test_real_runs_of_two_models_and_seeds(micrec, small, runs, tmp_path) -> None:
    folders: dict[str, list[Path]] = {"popularity": [], "lightgcn": []}
    for model, found in folders.items():
        for seed in (0, 1):
            found.append(train_job([*small, f"model={model}", f"seed={seed}"]))
            evaluate_job(found[-1])
    out = tmp_path / "compare.json"
    everything = [*folders["popularity"], *folders["lightgcn"]]
    argv = ("--json", out, "--resamples", 50, "--group", "all", "overlap_user")
    assert micrec("compare", *everything, *argv) == 0
    cells = json.loads(out.read_text())["cells"]
    assert len(cells) == 2 * 2 * 3
    for cell in cells:
        means = {
            model: [
                json.loads((run / "metrics.json").read_text())["test"][cell["domain"]][
                    cell["group"]
                ][cell["metric"]]
                for run in found
            ]
            for model, found in folders.items()
        }
        pairs = zip(means["popularity"], means["lightgcn"], strict=True)
        # a seed's mean difference is the difference of the means of the report
        assert cell["seed_differences"] == pytest.approx([b - a for a, b in pairs])
    other = train_job([*small, "model=lightgcn", "data.seed=1"])
    evaluate_job(other)
    assert micrec("compare", folders["popularity"][0], other) == 2


@pytest.mark.fuzz  # slow
def test_real_runs_on_one_domain_against_a_joint_one(
    micrec, small, tmp_path, capsys
) -> None:
    from micrec_pyg.cli.config import composed
    from micrec_pyg.runs.build import build

    root = tmp_path / "data"  # no other test's data is there
    build(composed([*small, f"data.root={root}"])["data"])
    path = next(p.parents[1] for p in root.rglob("d1/interactions.tsv"))
    own = [
        "data=tables",
        f"data.path={path}",
        "model=lightgcn",
        "split=new_nodes",
        *(o for o in small if not o.startswith("data")),
    ]
    joint = train_job(own)
    single = [train_job([*own, f"data.domains=[{d}]"]) for d in ("d0", "d1")]
    for run in (joint, *single):
        evaluate_job(run)
    out = tmp_path / "transfer.json"
    argv = ("--transfer", joint, "--single", *single, "--resamples", 50)
    assert (
        micrec("compare", *argv, "--group", "all", "overlap_user", "--json", out) == 0
    )
    cells = json.loads(out.read_text())["cells"]
    # LightGCN knows nothing of the other domain, and its start values and samples are
    # drawn per domain: alone or together it is the same
    assert {cell["difference"] for cell in cells} == {0.0}
    assert {cell["domain"] for cell in cells} == {"d0", "d1"}
    other = train_job([*own, "data.domains=[d0]", "split.unseen_share=0.4"])
    evaluate_job(other)
    assert micrec("compare", "--transfer", joint, "--single", other) == 2
    assert "domain d0" in capsys.readouterr().err
