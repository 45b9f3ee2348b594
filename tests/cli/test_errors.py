import shutil
from pathlib import Path

import pytest
import yaml

from micrec_pyg.cli.config import composed, experiment
from micrec_pyg.cli.config_errors import options, valid_keys
from micrec_pyg.runs.build import conf_dir
from micrec_pyg.schema import InputError


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("gama=1", "'gama'.*'gamma'"),
        ("fit.max_epoch=1", "'fit.max_epoch'.*'fit.max_epochs'"),
        ("max_epochs=1", "'max_epochs'.*'fit.max_epochs'"),
        ("data.num_users=5", "data.num_users.*data=synthetic"),
        ("modle=micrec", "'modle'.*'model'"),
        ("zzzzqqqq=1", "'zzzzqqqq'.*valid keys are .*gamma"),
        ("model=micrc", "model=micrc.*inmo.*model=micrec"),
        ("split=nothing_like_it", "split=nothing_like_it.*new_nodes, random, random_8"),
        ("K", "cannot be read"),
        ("K=[1", "cannot be read"),
        ("K=-1", "K=-1.*0 or more"),
        ("K=1.5", "K=1.5.*whole"),
        ("K=many", "K=many.*whole"),
        ("K=true", "K=true.*whole"),
        ("seed=-3", "seed=-3"),
        ("w=1.2", r"w=1.2.*\[0, 1\]"),
        ("w=nan", "w=nan"),
        ("gamma=-0.5", "gamma=-0.5"),
        ("gamma=null", "gamma=null"),
        ("device=gpu9", "device=gpu9.*cpu, cuda"),
        ("device=cuda:99", "cuda:99"),
        ("data=tables", r"data\.path has no value"),
        ("K=${nope}", r"K=\${nope}: there is no setting 'nope'"),
        ("K=${K}", "K cannot be read: Recursive"),
        ("model=null", "model=null: give one of alpharec, bitgcf"),
        ("model=3", "model=3: give one of alpharec, bitgcf"),
        ("~model", "~model: a setting is not deleted; .* model=VALUE"),
        ("~fit.lr", "~fit.lr: a setting is not deleted; .* fit.lr=VALUE"),
        ("+foo=3", "unknown key 'foo'"),
        ("device=mps", "device=mps: give auto, cpu"),
        ("output_dir=2024", "output_dir=2024: give text; .* 'output_dir=\"2024\"'"),
        ("dataset=a/b", "dataset=a/b: give a name for a folder"),
        ("seed=99999999999999999999", r"seed=9+: .* below 2\^63"),
        ("model.weights=3", "model.weights=3: give {name: a number of 0 or more}"),
        (
            "model.weights.ranking=abc",
            "model.weights.ranking=abc: give a number of 0 or more",
        ),
        ("cache_dir=a,b", "cache_dir=a,b: a comma .* 'cache_dir=\"a,b\"'"),
        ("cache_dir=a'b", "cache_dir=a'b cannot be read.*in quotes twice"),
        ("graph.modality_weights={text:2}", r"\+graph.modality_weights.text=VALUE"),
        ("rank.ks={a:1}", "rank.ks={a:1}: rank.ks takes a value of another kind"),
    ],
)
def test_a_bad_override_is_explained(override: str, said: str) -> None:
    with pytest.raises(InputError, match=f"(?s){said}"):
        composed([override])


def test_a_file_of_conf_that_is_no_yaml_is_told_with_its_line(own_conf: Path) -> None:
    text = (own_conf / "split" / "random.yaml").read_text()
    (own_conf / "split" / "broken.yaml").write_text(f"{text}no colon here\nb: 1\n")
    line = text.count("\n") + 2
    said = rf"split/broken\.yaml, line {line}, column \d+: could not find expected ':'"
    with pytest.raises(InputError, match=said):
        composed(["split=broken"])
    # it says nothing about another one, nor about a key that does not exist
    assert composed(["split=random"])["split_name"] == "random"
    with pytest.raises(InputError, match=r"key is 'fit\.max_epochs'"):
        composed(["fit.max_epoch=3"])


def test_the_main_file_of_conf_that_is_no_yaml_is_told_too(tmp_path: Path) -> None:
    (tmp_path / "train.yaml").write_text("defaults: [\n")
    with pytest.raises(InputError, match=r"train\.yaml, line 2, column 1: "):
        options(tmp_path)


@pytest.mark.parametrize("lacking", ["name", "num_neighbors", "weights", "net"])
def test_a_model_whose_file_lacks_a_part_is_refused(
    own_conf: Path, lacking: str
) -> None:
    content = yaml.safe_load((own_conf / "model" / "popularity.yaml").read_text())
    name = f"without_{lacking}"
    content = {**content, "name": name}
    part = {key: value for key, value in content.items() if key != lacking}
    for file, written in ((name, part), ("whole", {**content, "name": "whole"})):
        path = own_conf / "model" / f"{file}.yaml"
        path.write_text(yaml.safe_dump(written))
    assert composed(["model=whole"])["model"]["name"] == "whole"
    with pytest.raises(InputError, match=rf"{name}\.yaml: {lacking} is missing"):
        composed([f"model={name}"])


def test_a_model_that_is_called_as_another_one_is_refused(own_conf: Path) -> None:
    shutil.copy(own_conf / "model" / "inmo.yaml", own_conf / "model" / "mine.yaml")
    with pytest.raises(InputError, match=r"mine\.yaml: its name is 'inmo'"):
        composed(["model=mine"])


@pytest.mark.parametrize("group", ["model", "data"])
def test_a_wrong_option_lists_all_valid_ones(group: str) -> None:
    with pytest.raises(InputError) as refused:
        composed([f"{group}=nosuch"])
    listed = str(refused.value).partition("valid are ")[2].partition(";")[0]
    names = {path.stem for path in (conf_dir() / group).glob("[!_]*.yaml")}
    assert len(names) > 5
    assert names <= set(listed.split(", "))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("rank.ks=[]", r"rank.ks=\[\]: give a list of different whole numbers of 1"),
        ("rank.ks=5", "rank.ks=5: give a list of different"),
        ("rank.ks=[0]", r"rank.ks=\[0\]: give a list of different"),
        ("rank.ks=[5,5]", r"rank.ks=\[5, 5\]: give a list of different"),
        ("model.net.dim=0", "model.net.dim=0: give a whole number of 1 or more"),
        ("model.net.dropout=2", "model.net.dropout=2: give a number of at least 0, be"),
        ("model.net.std=-1", "model.net.std=-1: give a number above 0"),
        ("model.net.alpha_decay=2", "alpha_decay=2: give a number above 0, at most 1"),
        ("model.net.neighbor=3", "model.net.neighbor=3: give settings with a _targe"),
        (
            "model.net.neighbor.temperature=0",
            "model.net.neighbor.temperature=0: give",
        ),
        ("model.net.neighbor.aggregation=x", "model.net.neighbor.aggregation=x: give "),
        ("+model.net.depth=1", "model.net.depth is no setting of .*MICRec; valid are "),
        (
            "+model.weights.other=1",
            "model.weights.other: the losses of MICRec are ranking",
        ),
        ("fit.lr=1e30", r"fit.lr=1e\+30: give a number above 0, at most 100"),
        ("fit.lr=abc", "fit.lr=abc: give a number"),
        ("fit.lr=nan", "fit.lr=nan: give a number"),
        ("fit.max_epochs=1.5", "fit.max_epochs=1.5: give a whole number of 0 or more"),
        ("fit.batch_size=3e8", "fit.batch_size=300000000.0: give a whole number"),
        ("fit.metric=ndcg", "fit.metric=ndcg: give a metric and its cut-off.*recall"),
        ("fit.schedule.decay=0", "fit.schedule.decay=0: give a whole number .*or null"),
        ("fit.optimizer.weight_decay=-1", "fit.optimizer.weight_decay=-1: give a num"),
        ("+graph.modality_weights.text=2", "graph.modality_weights.text=2: give a num"),
        ("+graph.modality_weights.text=1", "modality_weights.text=1: text and image f"),
        ("split.ratios=[1,2]", r"split.ratios=\[1, 2\]: give three numbers"),
        ("features.drop_rate=2", r"features.drop_rate=2: give a share in \[0, 1\]"),
        ("features.text.batch_size=x", "features.text.batch_size=x: give a whole num"),
        ("data.filters.min_text=-1", "data.filters.min_text=-1; needed: a whole num"),
        ("data.text_fields=title", "data.text_fields=title: give a list"),
        ("neighbors=x", "graph.neighbors=x: give one of features"),
        ("spmm=x", "spmm=x: give auto"),
    ],
)
def test_a_value_is_refused_before_data_and_encoders(override: str, said: str) -> None:
    with pytest.raises(InputError, match=f"(?s){said}"):
        experiment([override])


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("a=b", "a=b"),
        ("ü #x!", "ü #x!"),
        ("a~b", "a~b"),
        ("C:\\x\\", "C:\\x\\"),
        ('"a,b"', "a,b"),
        ("~/x", str(Path("~/x").expanduser())),
    ],
)
def test_a_text_needs_no_quotes_for_its_signs(given: str, path: str) -> None:
    config = composed(["data=tables", f"data.path={given}", "dataset=d"])
    assert config["data"]["path"] == path


def test_a_name_that_is_no_utf8_is_refused() -> None:
    with pytest.raises(InputError, match="this is no UTF-8"):
        composed(["data=tables", "data.path=a\udcff"])


def test_a_bad_key_ends_a_command_with_code_2(micrec, capsys, small) -> None:
    assert micrec("train", *small, "gama=1") == 2
    assert "'gamma'" in capsys.readouterr().err


def test_a_bad_key_stops_a_sweep_before_it_starts(micrec, capsys, small, runs) -> None:
    assert micrec("train", "-m", *small, "gamma=0,1", "sead=1") == 2
    assert "'seed'" in capsys.readouterr().err
    assert runs() == []


def test_an_impossible_value_ends_a_command_with_code_2(micrec, capsys, small) -> None:
    assert micrec("train", *small, "w=7") == 2
    assert capsys.readouterr().err.startswith("micrec: w=7")


def test_options_are_those_of_the_groups_of_train() -> None:
    found = options(conf_dir())
    assert found["split"] == [
        *("files", "global_time", "history_elsewhere", "leave_one_out"),
        *("new_interactions", "new_nodes", "random", "random_811", "ready", "saved"),
        *("user_time", "zero_edge"),
    ]
    assert "reproduce" not in found
    assert "hydra/job_logging" not in found


def test_valid_keys_cover_every_group_and_the_sweep_axes() -> None:
    found = valid_keys(conf_dir())
    assert {"K", "w", "gamma", "seed", "data", "model.name"} <= found.keys()
    assert "synthetic" in found["data.num_users"]
    assert "movielens" not in found["data.num_users"]


def test_auto_is_resolved_and_names_are_filled_in() -> None:
    config = composed(["data=synthetic", "split=new_nodes", "gamma=2"])
    assert config["device"] in ("cpu", "cuda")
    assert config["dataset"] == "synthetic"
    assert config["split_name"] == "new_nodes"
    assert config["model"]["weights"]["contrastive"] == pytest.approx(0.01 * 2)
    assert "hydra" not in config


def test_own_catalogues_are_named_after_their_folder(tmp_path) -> None:
    config = composed(["data=tables", f"data.path={tmp_path / 'shop'}"])
    assert config["dataset"] == "shop"


def test_one_bad_value_of_a_sweep_leaves_the_good_runs(
    micrec, capsys, small, runs
) -> None:
    short = [*small, "fit.max_epochs=1"]
    assert micrec("train", "-m", *short, "gamma=0", "w=0.5,7") == 1
    assert "failed: w=7: w=7: give the weight of text" in capsys.readouterr().out
    assert len(runs()) == 1
