"""Settings that a search found, as files that a command takes."""

from pathlib import Path

import pytest
import yaml

from micrec_pyg.cli.config import composed
from micrec_pyg.cli.config_errors import listed
from micrec_pyg.cli.python import _flat
from micrec_pyg.schema import InputError

FOLDER = Path(__file__).parents[1] / "conf" / "experiment"
NAMES = [
    path.relative_to(FOLDER).with_suffix("").as_posix()
    for path in sorted(FOLDER.rglob("*.yaml"))
]


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_can_be_taken(name: str) -> None:
    wanted = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    groups = [
        key for each in wanted.pop("defaults") if each != "_self_" for key in each
    ]
    assert {"override /data", "override /model"} <= {*groups}
    found = dict(_flat(composed([f"experiment={name}"]), ""))
    for key, value in _flat(wanted, ""):
        assert found[key] == value, key


def test_many_options_of_a_folder_are_listed_as_one() -> None:
    names = ["a", "b/c/d", *(f"b/e/{number}" for number in range(4)), "f"]
    assert listed(names) == ["a", "b/c/d", "b/e/... (4 files)", "f"]


def test_a_wrong_option_of_a_folder_has_those_beside_it() -> None:
    with pytest.raises(InputError) as error:
        composed(["experiment=movielens/mikrec"])
    assert str(error.value) == (
        "unknown option experiment=movielens/mikrec; valid are movielens/micrec, "
        "movielens/micrec_plus; did you mean experiment=movielens/micrec?"
    )
