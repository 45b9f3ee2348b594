"""``micrec evaluate``: which runs it takes, what it prints, and where it works."""

import json
import shutil
from pathlib import Path

import pytest

from micrec_pyg.cli import evaluate
from micrec_pyg.cli.evaluate import WIDTH, _text, find
from micrec_pyg.cli.train import train_job
from micrec_pyg.runs.evaluate import evaluate_job
from micrec_pyg.runs.read import read_run
from micrec_pyg.schema import InputError, StorageError

TEST = {
    "A": {
        "all": {"recall@5": 0.25, "novelty@5": None, "users": 7},
        "new_user": {"recall@5": 0.5, "users": 2},
    },
    "B": {"all": {"recall@5": 0.75, "novelty@5": 1.0, "users": 1}},
}


def test_text_has_the_average_of_the_domains() -> None:
    assert [line.split() for line in _text(TEST, None).split("\n")] == [
        ["domain", "group", "recall@5", "users"],
        ["A", "all", "0.2500", "7"],
        ["B", "all", "0.7500", "1"],
        ["average", "all", "0.5000", "-"],
        [],
        ["domain", "group", "novelty@5"],
        ["A", "all", "-"],
        ["B", "all", "1.0000"],
    ]


def test_tables_fit_a_terminal_and_leave_no_column_out() -> None:
    ks = (5, 10, 20, 50)
    names = [f"{m}@{k}" for m in ("recall", "ndcg", "precision", "novelty") for k in ks]
    values = {**{name: 0.25 for name in names}, "users": 7, "candidates": 40}
    lines = _text({"kitchen": {"old_user_new_item": values}}, None).split("\n")
    assert max(map(len, lines)) <= WIDTH
    heads = [line.split() for line in lines if line.startswith("domain")]
    assert all(head[:2] == ["domain", "group"] for head in heads)
    assert sorted(c for head in heads for c in head[2:]) == sorted(values)


def test_groups_are_chosen_and_one_that_is_not_there_is_a_line() -> None:
    assert "new_user  0.5000" in _text(TEST, ["new_user"])
    # no average of a group that a domain has not
    assert "average" not in _text(TEST, ["new_user"])
    found = _text(TEST, ["new_user", "old"])
    assert found == _text(TEST, ["new_user"]) + "\n\nno group old here"
    assert _text(TEST, ["old"]) == "no group old here"


def test_one_domain_has_no_average() -> None:
    assert "average" not in _text({"A": TEST["A"]}, None)


def test_nothing_to_rank() -> None:
    assert _text({"A": {}}, None) == "nothing to rank: no user has a test item"


def test_folders_of_runs_are_searched_and_unfinished_ones_counted(
    tmp_path, caplog
) -> None:
    for name, done in (("a/one", True), ("a/two", False), ("b/three", True)):
        folder = tmp_path / name
        (folder / "artefact").mkdir(parents=True)
        for config in (folder / "config.yaml", folder / "artefact" / "config.yaml"):
            config.write_text("")
        if done:
            (folder / "metrics.json").write_text("{}")
    one, three = tmp_path / "a" / "one", tmp_path / "b" / "three"
    assert find([str(tmp_path)]) == [one, three]
    assert caplog.messages == ["1 unfinished run is left out"]
    assert find([str(three), str(tmp_path)]) == [three, one]
    with pytest.raises(InputError, match="no finished run in"):
        find([str(tmp_path / "c")])


def test_a_run_without_a_group_stops_no_other(tmp_path, capsys, monkeypatch) -> None:
    results = {"a": {"A": {"all": {"recall@5": 0.5}}}, "b": TEST}
    for name in results:
        (tmp_path / name).mkdir()
        for file in ("config.yaml", "metrics.json"):
            (tmp_path / name / file).write_text("{}")
    asked = []

    def evaluated(folder: Path, **_: object) -> object:
        asked.append(folder.name)
        return {"test": results[folder.name]}

    monkeypatch.setattr(evaluate, "evaluate_job", evaluated)
    assert evaluate.main([str(tmp_path), "--group", "new_user"]) == 0
    first, second = capsys.readouterr().out.split("every group: ")[:2]
    assert first.endswith("no group new_user here\n")
    assert "new_user  0.5000" in second
    said = "no run has the group old, far; valid: all, new_user"
    with pytest.raises(InputError, match=said):
        evaluate.main([str(tmp_path), "--group", "old", "new_user", "far"])
    assert asked == ["a", "b"] * 2


def test_an_unfinished_run_that_is_named_is_refused(micrec, tmp_path, capsys) -> None:
    (tmp_path / "config.yaml").write_text("K: 3\n")
    assert micrec("evaluate", tmp_path) == 2
    assert "no finished run" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


@pytest.fixture
def shop(data_root: Path, tmp_path: Path) -> Path:
    """Return an own catalogue with two domains."""
    folder = tmp_path / "work" / "shop"
    for domain in ("food", "kitchen"):
        (folder / domain).mkdir(parents=True)
        rows = [
            f"u{u}\t{domain}{(u * 7 + i * 3) % 12}" for u in range(20) for i in range(4)
        ]
        text = "\n".join(["user\titem", *rows]) + "\n"
        (folder / domain / "interactions.tsv").write_text(text)
    return folder


@pytest.fixture
def trained(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a run on the catalogue, trained with relative paths."""
    monkeypatch.chdir(shop.parent)
    settings = ["data=tables", "data.path=shop", "features=none", "model=popularity"]
    run = train_job([*settings, "rank.ks=[5]", "fit.metric=ndcg@5", "device=cpu"])
    return shop.parent / run


def test_cut_offs_beyond_a_small_shop_are_named_together(shop: Path) -> None:
    settings = [f"data.path={shop}", "features=none", "model=popularity"]
    said = r"rank.ks=\[10, 20\], fit.metric=ndcg@20: domain \w+ has \d+ items"
    with pytest.raises(InputError, match=said):
        train_job(["data=tables", *settings, f"output_dir={shop}/outputs"])


def test_it_works_in_any_folder_and_after_all_has_moved(
    micrec, trained, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert micrec("evaluate", trained.relative_to(tmp_path)) == 0
    shutil.move(tmp_path / "work", tmp_path / "elsewhere")
    moved = tmp_path / "elsewhere" / trained.relative_to(tmp_path / "work")
    assert micrec("evaluate", moved, "--again") == 0
    record = json.loads((moved / "metrics.json").read_text())
    assert record["test_evaluations"] == 2


def test_data_that_has_moved_is_named(micrec, trained, shop, tmp_path, capsys) -> None:
    shutil.move(shop, tmp_path / "other")
    assert micrec("evaluate", trained) == 2
    capsys.readouterr()
    assert micrec("evaluate", trained, f"data.path={tmp_path}/other") == 0
    assert "average" in capsys.readouterr().out
    assert micrec("evaluate", trained, "--again", "data.rating_min=4") == 2
    assert "only the place of the data" in capsys.readouterr().err


def test_one_catalogue_is_one_run_however_its_path_is_written(
    trained, shop, tmp_path
) -> None:
    settings = ["data=tables", "features=none", "model=popularity", "rank.ks=[5]"]
    settings += ["fit.metric=ndcg@5", "device=cpu"]
    copy = shutil.copytree(shop, tmp_path / "copy" / "shop")
    for path in ("./shop", "shop/", shop, copy):
        run = train_job([*settings, f"data.path={path}"])
        assert run.resolve() == trained.resolve()
    with (copy / "food" / "interactions.tsv").open("a") as file:
        file.write("u20\tfood1\n")
    other = train_job([*settings, f"data.path={copy}"])
    assert other.resolve() != trained.resolve()


def test_a_run_without_its_data_ends_no_other(
    ready, tmp_path, capsys, monkeypatch
) -> None:
    first, other = (tmp_path / "both" / name for name in "ab")
    shutil.copytree(ready, first)
    shutil.copytree(ready, other)
    job = evaluate.evaluate_job

    def without_first(folder, **options):
        if folder == first:
            raise InputError("the data is not there")
        return job(folder, **options)

    monkeypatch.setattr(evaluate, "evaluate_job", without_first)
    assert evaluate.main([str(tmp_path / "both")]) == 2
    printed = capsys.readouterr()
    assert f"not evaluated: {first}: the data is not there" in printed.err
    assert "1 of 2 runs were not evaluated" in printed.err
    assert str(other) in printed.out
    with pytest.raises(InputError, match="the data is not there"):
        evaluate.main([str(first)])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": "one"}, "seed is 'one', int is needed"),
        ({"dataset": None}, "dataset is None, str is needed"),
        ({"val": {"A": 3}}, "val has something else than numbers by name"),
        ({"test": {"A": {"all": {"recall@20": "high"}}}}, "test has something else"),
        ({"timing": []}, "timing has something else"),
    ],
)
def test_an_edited_record_is_refused_by_name(ready, tmp_path, change, said) -> None:
    folder = tmp_path / "run"
    shutil.copytree(ready, folder)
    (folder / "manifest.json").unlink()  # as of an earlier version
    path = folder / "metrics.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    for use in (read_run, evaluate_job):
        with pytest.raises(InputError, match=said) as refused:
            use(folder)
        assert str(path) in str(refused.value)


def test_settings_of_an_earlier_version_may_lack_the_device(ready, tmp_path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(ready, folder)
    (folder / "manifest.json").unlink()
    path = folder / "config.yaml"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(x for x in lines if not x.startswith("device:")))
    assert evaluate_job(folder, again=True)["test"]


def test_a_tested_run_is_read_where_nothing_can_be_written(
    micrec, ready, monkeypatch, capsys
) -> None:
    assert micrec("evaluate", ready) == 0
    first = capsys.readouterr().out

    def refused(folder: Path) -> None:
        raise StorageError(f"{folder}: the disk is read-only; choose another folder")

    monkeypatch.setattr("micrec_pyg.runs.evaluate.locked_by_first", refused)
    monkeypatch.setattr("micrec_pyg.runs.evaluate.remove_leftovers", refused)
    assert micrec("evaluate", ready) == 0
    assert capsys.readouterr().out == first
    assert micrec("evaluate", ready, "--again") == 1
