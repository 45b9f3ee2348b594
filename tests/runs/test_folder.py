"""Where a run lies, and which settings are one run."""

from pathlib import Path

import pytest

from micrec_pyg.cli.config import experiment
from micrec_pyg.runs import identity
from micrec_pyg.runs.files import read_config, read_json
from micrec_pyg.runs.folder import from_anywhere, run_folder
from micrec_pyg.schema import InputError

DATA = {"d0": "a" * 64, "d1": "b" * 64}
BASE = ["data=synthetic", "device=cpu", "K=3", "gamma=1"]


def folder(*overrides: str, data: dict[str, str] | None = None) -> Path:
    return run_folder(experiment([*BASE, *overrides]), data or DATA)


def test_name_tells_the_axes() -> None:
    path = folder("K=5", "w=0.25", "gamma=0.5", "seed=7")
    assert path.parts[:3] == ("outputs", "synthetic", "micrec")
    assert path.name.startswith("random-K5-w0.25-gamma0.5-s7-")


@pytest.mark.parametrize(
    ("model", "begin"),
    [
        ("micrec K=0", "random-K0-gamma1-s0-"),
        ("lightgcn", "random-s0-"),
        ("lightgcn_neighbors", "random-K3-w0.9-s0-"),
        ("inmo", "random-s0-"),
        ("popularity K=7", "random-s0-"),
        # a model that fixes the number of its neighbours
        ("freedom K=3", "random-K9-w"),
        ("lightgcn model.num_neighbors=4", "random-K4-w0.9-s0-"),
        ("micrec graph.w=0.2", "random-K3-w0.2-gamma1-s0-"),
        # shared edges decide the neighbours, so no similarity has weights
        ("micrec neighbors=cooccurrence", "random-K3-gamma1-s0-"),
        ("lightgcn_neighbors neighbors=cooccurrence", "random-K3-s0-"),
        # the loss that gamma multiplies is off by its weight
        ("micrec_plus", "random-K3-w0.9-s0-"),
        ("micrec_plus gamma=0", "random-K3-w0.9-s0-"),
        ("micrec model.weights.contrastive=0", "random-K3-w0.9-s0-"),
        ("micrec gamma=0", "random-K3-w0.9-gamma0-s0-"),
    ],
)
def test_a_name_has_only_the_axes_that_are_read(model: str, begin: str) -> None:
    name, *more = f"model={model}".split()
    assert folder(name, *more).name.startswith(begin)


@pytest.mark.parametrize(
    "override",
    [
        "gamma=1.0",
        "logger=wandb",
        "cache_dir=x",
        "graph.knn_lists=50",
        "features.cache_dir=x",
        "features.text.batch_size=7",
        "rank.batch_size=7",
        "spmm=csr",
        "thumbnails=false",
        "fit.checkpoint_every_s=1",
        "fit.cuda_graph=true",
        # the content of the data counts, not how it was asked for
        "data.root=elsewhere",
        "data.num_users=9",
    ],
)
def test_other_settings_are_the_same_run(override: str) -> None:
    assert folder(override) == folder()


@pytest.mark.parametrize(
    "override",
    [
        "fit.max_epochs=7",
        "fit.batch_size=7",
        "model.weights.ranking=2",
        "rank.ks=[10]",
        "features.text.precision=bf16",
        "features.drop_rate=0.5",
        "w=0.5",
        "K=4",
        "split.ratios=[8,1,1]",
        "overlap_ratio=0.5",
        "precision=bf16",
    ],
)
def test_decisive_settings_are_another_run(override: str) -> None:
    assert folder(override).name[-8:] != folder().name[-8:]


def test_other_data_is_another_run() -> None:
    assert folder(data={**DATA, "d1": "c" * 64}) != folder()
    assert folder(data={"d0": DATA["d0"]}) != folder()


@pytest.mark.parametrize("override", ["K=7", "gamma=7", "w=0.1", "graph.w=0.2"])
def test_axes_that_a_model_does_not_read_make_no_run(override: str) -> None:
    assert folder("model=lightgcn", override) == folder("model=lightgcn")


@pytest.mark.parametrize("override", ["fit.max_epochs=7", "fit.lr=0.3"])
def test_training_makes_no_run_of_what_is_not_trained(
    override: str, tmp_path, monkeypatch
) -> None:
    given = [f"output_dir={tmp_path}", "model=popularity"]
    assert folder(*given, override) == folder(*given)
    # a term has a weight that fit.metric chooses
    term = ["model=item_knn", "term=ease_xc"]
    assert folder(*term, "fit.metric=recall@20") != folder(*term)
    with monkeypatch.context() as earlier:
        earlier.setattr(identity, "_is_untrained", lambda _: False)
        old = folder(*given)
    assert old != folder(*given)
    old.mkdir(parents=True)  # of a version that counted what is not read
    assert folder(*given) == old


def test_a_run_is_found_by_its_digits_whatever_axes_its_name_has(
    tmp_path, monkeypatch
) -> None:
    """An earlier version wrote gamma into the name of every MICRec+."""
    off = [f"output_dir={tmp_path}", "model=micrec_plus"]
    new = folder(*off)
    with monkeypatch.context() as earlier:
        earlier.setattr(identity, "_contrast_is_off", lambda _: False)
        old = folder(*off)
    assert old == new.with_name(new.name.replace("-s0-", "-gamma1-s0-"))
    old.mkdir(parents=True)
    new.with_name(f"random-K3-w0.9-s1-{new.name[-8:]}").mkdir()  # of another seed
    assert folder(*off) == folder(*off, "gamma=7") == folder(*off, "gamma=0") == old
    new.mkdir()
    assert folder(*off) == folder(*off, "gamma=0") == new


def test_a_run_is_found_by_the_digits_that_counted_gamma(tmp_path, monkeypatch) -> None:
    off = [f"output_dir={tmp_path}", "model=micrec_plus", "gamma=0"]
    with monkeypatch.context() as earlier:
        earlier.setattr(identity, "_contrast_is_off", lambda _: False)
        old = folder(*off)
    assert "-gamma0-" in old.name
    assert old.name[-8:] != folder(*off).name[-8:]
    old.mkdir(parents=True)
    assert folder(*off) == old


@pytest.mark.parametrize(
    "override", ["w=0.5", "graph.w=0.5", "+graph.modality_weights.kg=0.5"]
)
def test_cooccurrence_reads_no_weights_of_features(
    override: str, tmp_path, monkeypatch
) -> None:
    given = [f"output_dir={tmp_path}", "neighbors=cooccurrence"]
    assert folder(*given, override) == folder(*given)
    assert folder(*given, override).name[-8:] != folder(override).name[-8:]
    settings = experiment([*BASE, *given]).settings
    assert identity.unread_keys(settings, ["w", "graph.w", "K"]) == ["w", "graph.w"]
    with monkeypatch.context() as earlier:
        earlier.setattr(identity, "_cooccur", lambda _: False)
        old = folder(*given, override)
    assert old != folder(*given)
    old.mkdir(parents=True)  # of a version that counted what is not read
    assert folder(*given, override) == old


def test_a_model_with_neighbors_of_its_own_reads_no_k() -> None:
    own = ["model=lightgcn", "model.num_neighbors=4"]
    assert folder(*own, "K=1") == folder(*own, "K=4") != folder("model=lightgcn")
    assert folder("graph.w=0.2", "w=0.5") == folder("w=0.2")


def test_a_split_of_files_is_its_content(tmp_path) -> None:
    for name, text in (("one", "user,item\n"), ("copy", "user,item\n"), ("two", "x")):
        (tmp_path / name / "d0").mkdir(parents=True)
        (tmp_path / name / "d0" / "train.csv").write_text(text)
    one, copy, two = (
        folder("split=files", f"split.path={tmp_path / name}")
        for name in ("one", "copy", "two")
    )
    assert one == copy != two


def test_relative_paths_hold_wherever_the_run_has_moved(tmp_path) -> None:
    run = tmp_path / "place" / "out" / "deep" / "shop" / "micrec" / "random-s0-1"
    run.mkdir(parents=True)
    (tmp_path / "place" / "shop").mkdir()
    settings = {
        "output_dir": "out/deep",
        "data": {"path": "shop", "root": "nowhere"},
        "split": {"path": None},
        "K": 3,
    }
    assert from_anywhere(settings, run) == {
        **settings,
        "data": {"path": str(tmp_path / "place" / "shop"), "root": "nowhere"},
    }
    # the folder does not show where it began
    for output in ("/abs/out", "other", "out/deep/shop/micrec/x/y/z/" * 9):
        given = {**settings, "output_dir": output}
        assert from_anywhere(given, run) == given


def test_what_is_no_run_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="no finished run"):
        read_config(tmp_path)
    (tmp_path / "metrics.json").write_text('{\n "a": }')
    with pytest.raises(InputError, match=r"metrics\.json:2:7"):
        read_json(tmp_path / "metrics.json")
