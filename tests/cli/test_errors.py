import pytest

from micrec_pyg.cli.config import composed
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
        ("K=true", "K=True.*whole"),
        ("seed=-3", "seed=-3"),
        ("w=1.2", r"w=1.2.*\[0, 1\]"),
        ("w=nan", "w=nan"),
        ("gamma=-0.5", "gamma=-0.5"),
        ("gamma=null", "gamma=None"),
        ("device=gpu9", "device=gpu9.*cpu, cuda"),
        ("device=cuda:99", "cuda:99"),
        ("data=tables", r"data\.path has no value"),
    ],
)
def test_a_bad_override_is_explained(override: str, said: str) -> None:
    with pytest.raises(InputError, match=f"(?s){said}"):
        composed([override])


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
    assert micrec("train", "-m", *short, "gamma=0", "w=0.5,7") == 2
    assert "micrec: w=7" in capsys.readouterr().err
    assert len(runs()) == 1
