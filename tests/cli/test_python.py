"""The Python face: the same runs as on the command line, from an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from printed import same_text
from safetensors.torch import load_file

import micrec_pyg
from micrec_pyg.cli.overrides import written
from micrec_pyg.cli.python import _folder, _overrides
from micrec_pyg.cli.train import train_job

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "python.md"
SETTINGS = ["features=none", "rank.ks=[5]", "fit.metric=ndcg@5", "fit.max_epochs=2"]
SETTINGS += ["device=cpu"]


def frames() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    found = {}
    for domain in ("food", "kitchen"):
        rows = [
            (f"u{user}", f"{domain}{item}", 10**9 + int(rng.integers(10**6)))
            for user in range(20)
            for item in rng.choice(12, 5, replace=False)
        ]
        names = ["user", "item", "timestamp"]
        edges = pl.DataFrame(rows, schema=names, orient="row")
        items = pl.DataFrame({"item": [f"{domain}{n}" for n in range(12)]})
        found[domain] = (edges, items.with_columns(title=pl.lit("tea")))
    return found


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MICREC_DATA", raising=False)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")


def test_every_public_name_is_there_and_no_other() -> None:
    for name in micrec_pyg.__all__:
        # datasets is a module: its name is the whole one
        assert getattr(micrec_pyg, name).__name__.rpartition(".")[2] == name
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        micrec_pyg.trian  # noqa: B018


def test_the_module_is_the_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "micrec_pyg", "--version"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, f"{micrec_pyg.__version__}\n")


def test_a_run_is_the_one_of_the_command_line(small, capsys) -> None:
    run = micrec_pyg.train(*small, "K=2", model="micrec", split="new_nodes")
    command = train_job([*small, "K=2", "model=micrec", "split=new_nodes"])
    assert run.path == str(command)
    assert micrec_pyg.Run.read(command) == run
    assert len(run.history) == 2
    assert {"epoch", "loss/ranking", "val/d0/ndcg@20", "seconds"} <= {
        *run.history.columns
    }
    assert set(run.metrics["part"]) == {"val"}
    rows = run.per_user.filter(domain="d0", group="all")
    mean = run.metrics.filter(domain="d0", group="all", metric="ndcg@10")["value"]
    assert mean[0] == pytest.approx(rows["ndcg@10"].mean())
    tested = run.evaluate()
    assert set(tested.metrics["part"]) == {"val", "test"}
    assert micrec_pyg.evaluate(run.path).metrics.equals(tested.metrics)


def test_vectors_are_those_of_the_model_by_raw_id(small) -> None:
    run = micrec_pyg.train(*small, model="bpr_mf")
    table = load_file(f"{run.path}/artefact/model.safetensors")
    for kind, frame in (("user", run.embeddings("d1").user),):
        place = pl.read_parquet(f"{run.path}/artefact/{kind}s-d1.parquet")
        rows = frame.join(place, on="id", how="left", maintain_order="left")
        (weights,) = (v for k, v in table.items() if kind in k and "d1" in k)
        expected = weights[rows["train_row"].to_list()].numpy()
        assert np.array_equal(frame["vector"].to_numpy(), expected)
    with pytest.raises(micrec_pyg.InputError, match="has d0, d1; give one of them"):
        run.embeddings("d2")


def test_vectors_that_are_parameters_are_given_too(small) -> None:
    vectors = micrec_pyg.train(*small, model="unicdr").embeddings("d0")
    assert vectors.item["vector"].to_numpy().any()


@pytest.mark.parametrize("given", [None, ["a", "b"]])
def test_what_is_no_run_is_refused_in_one_sentence(given: object) -> None:
    said = f"a {type(given).__name__} was given; give a run or its folder, several"
    with pytest.raises(micrec_pyg.InputError, match=said):
        _folder(given)


def test_a_model_without_vectors_says_so(small) -> None:
    run = micrec_pyg.train(*small, model="popularity")
    with pytest.raises(micrec_pyg.InputError, match="popularity learns no vectors"):
        run.embeddings("d0")


def test_frames_are_a_catalogue_for_every_command(micrec, tmp_path, capsys) -> None:
    catalogue = micrec_pyg.Catalogue.from_frames(frames())
    assert catalogue.domains == ["food", "kitchen"]
    assert micrec_pyg.Catalogue.from_frames(frames()) == catalogue
    assert Path(catalogue.path).parent == tmp_path / "empty/data/processed/frames"
    run = micrec_pyg.train(catalogue, *SETTINGS, model="lightgcn", split="new_nodes")
    assert micrec_pyg.train(
        catalogue.path, *SETTINGS, "model=lightgcn", split="new_nodes"
    )
    assert micrec("evaluate", run.path) == 0
    assert micrec("data", "check", catalogue.path) == 0
    other = {**frames(), "food": frames()["food"][0].head(90)}
    assert micrec_pyg.Catalogue.from_frames(other) != catalogue


def test_what_is_no_catalogue_is_refused_in_one_sentence() -> None:
    edges, _ = frames()["food"]
    said = r"a DataFrame was given; give .* Catalogue.from_frames\(\{'films': frame\}\)"
    with pytest.raises(micrec_pyg.InputError, match=said):
        _overrides(edges)


def test_a_column_of_objects_is_refused_in_one_sentence() -> None:
    mixed = pl.DataFrame(
        {"user": ["a"], "item": pl.Series([object()], dtype=pl.Object)}
    )
    said = r"food/interactions.parquet: a column holds objects; turn ids and texts in"
    with pytest.raises(micrec_pyg.InputError, match=said):
        micrec_pyg.Catalogue.from_frames({"food": mixed})


def test_pandas_frames_are_the_same_catalogue() -> None:
    pandas = pytest.importorskip("pandas")
    ours = frames()
    theirs = {}
    for domain, (edges, items) in ours.items():
        edges = pandas.DataFrame(edges.to_dict(as_series=False))
        edges["timestamp"] = pandas.to_datetime(edges["timestamp"], unit="s")
        theirs[domain] = edges, pandas.DataFrame(items.to_dict(as_series=False))
    found = [
        micrec_pyg.train(
            micrec_pyg.Catalogue.from_frames(each), *SETTINGS, model="popularity"
        )
        for each in (ours, theirs)
    ]
    assert found[0].metrics.equals(found[1].metrics)


def test_fractions_of_a_second_that_a_catalogue_does_not_keep_are_told(
    tmp_path, caplog
) -> None:
    edges = pl.DataFrame({"user": ["a", "b"], "item": ["x", "x"], "n": [1.5, 2.5]})
    moments = pl.Series("timestamp", [1_500, 2_000]).cast(pl.Datetime("ms"))
    items = pl.DataFrame({"item": ["x"]}).with_columns(moments[:1].alias("made"))
    for times, told in ((moments, 1), (moments.dt.truncate("1s"), 0)):
        caplog.clear()
        given = {"food": (edges.with_columns(times), items)}
        micrec_pyg.Catalogue.from_frames(given, root=tmp_path)
        said = (
            "food/interactions.parquet, column 'timestamp': 1 times have fractions of"
        )
        assert (said in caplog.text) == caplog.text.count("fractions of") == told


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "no frames were given"),
        ([pl.DataFrame()], "a list was given; give "),
        ({"a": None}, "domain 'a': give its interactions, or"),
        ({"a": (None, pl.DataFrame())}, "domain 'a': give its interactions, or"),
        ({"a": [pl.DataFrame()] * 3}, "domain 'a': give its interactions, or"),
        ({"a/b": pl.DataFrame()}, "domain 'a/b': give a name"),
        ({1: pl.DataFrame()}, "domain '1': give a name"),
        ({"..": pl.DataFrame()}, "give a name that a folder can have"),
        ({"a": [1, 2]}, "a/interactions.parquet: a int was given"),
        ({"a": (pl.DataFrame(), "x")}, "a/items.parquet: a str was given"),
    ],
)
def test_what_is_no_frame_is_refused(given, said, tmp_path) -> None:
    with pytest.raises(micrec_pyg.InputError, match=said):
        micrec_pyg.Catalogue.from_frames(given)
    assert not list((tmp_path / "empty").iterdir())


def test_a_column_of_several_kinds_is_refused(tmp_path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"user": ["a", 1], "item": ["x", "y"]})
    said = "a/interactions.parquet: a column holds values of several kinds"
    with pytest.raises(micrec_pyg.InputError, match=said):
        micrec_pyg.Catalogue.from_frames({"a": frame}, root=tmp_path)


@pytest.mark.parametrize(
    ("given", "settings", "said"),
    [
        (["-m"], {}, "'-m' is no folder; give key=value"),
        (["nowhere"], {}, "'nowhere' is no folder"),
        (["data=synthetic"], {"gama": 1}, "'gama'.*'gamma'"),
        (["data=synthetic"], {"fit": {"max_epoch": 1}}, "fit.max_epoch'.*max_epochs"),
    ],
)
def test_errors_are_the_same_sentences(given, settings, said) -> None:
    with pytest.raises(micrec_pyg.InputError, match=said):
        micrec_pyg.train(*given, **settings)


@pytest.mark.parametrize(
    "value",
    [
        *("plain", "a b", "it's", "C:\\x\\", "\\'", "ü=#,~[", "", "a\\b 'c'"),
        *(3, 0.5, True, None, [1, 2], ["x y", 3], -1e-05),
    ],
)
def test_values_reach_the_configuration_as_they_are(value: Any) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    (override,) = OverridesParser.create().parse_overrides([f"key={written(value)}"])
    found = override.value()
    assert str(found) == str(value) or found == value


def test_runs_are_compared_as_by_the_command(small) -> None:
    runs = [micrec_pyg.train(*small, model=name) for name in ("popularity", "bpr_mf")]
    with pytest.raises(micrec_pyg.InputError, match="micrec evaluate"):
        micrec_pyg.compare(*runs)
    with pytest.raises(micrec_pyg.InputError, match="part=x: give one of test, val"):
        micrec_pyg.compare(*runs, part="x")
    runs = [run.evaluate() for run in runs]
    table = micrec_pyg.compare(*runs, metrics=["recall@20"])
    assert table["domain"].to_list() == ["d0", "d1"]
    for row in table.rows(named=True):
        assert row["difference"] == pytest.approx(row["mean"] - row["reference_mean"])
        values = {
            run.record["model"]: run.metrics.filter(
                part="test", domain=row["domain"], group="all", metric="recall@20"
            )["value"][0]
            for run in runs
        }
        assert row["mean"] == pytest.approx(values["bpr_mf"])
        assert row["reference_mean"] == pytest.approx(values["popularity"])


@pytest.mark.fuzz
def test_the_page_runs_from_an_empty_folder(capsys) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 5
    names: dict[str, Any] = {"__name__": "__main__"}
    with pl.Config():  # the page sets how frames are printed
        exec("\n".join(blocks), names)
    shown = capsys.readouterr().out.splitlines()
    vectors = names["vectors"]
    assert sorted(vectors.user.columns) == ["id", "vector"]
    assert (len(vectors.item), len(names["table"])) == (40, 2)
    expected = re.findall(r"```text\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(expected) == 2
    # of some 80 users some may find another item on another kind of CPU
    assert same_text("\n".join(shown), "\n".join(expected), within=0.1)
