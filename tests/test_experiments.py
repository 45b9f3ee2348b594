"""Settings that a search found, as files that a command takes."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from micrec_pyg.cli.config import composed
from micrec_pyg.cli.config_errors import listed
from micrec_pyg.schema import InputError

FOLDER = Path(__file__).parents[1] / "conf" / "experiment"
NAMES = [
    path.relative_to(FOLDER).with_suffix("").as_posix()
    for path in sorted(FOLDER.rglob("*.yaml"))
]


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found = {}
    for key, value in tree.items():
        inside = isinstance(value, dict)
        found.update(
            flat(value, f"{prefix}{key}.") if inside else {prefix + key: value}
        )
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_can_be_taken(name: str) -> None:
    wanted = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    groups = [
        key for each in wanted.pop("defaults") if each != "_self_" for key in each
    ]
    assert {"override /data", "override /model"} <= {*groups}
    found = flat(composed([f"experiment={name}"]))
    assert {key: found[key] for key in flat(wanted)} == flat(wanted)


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
