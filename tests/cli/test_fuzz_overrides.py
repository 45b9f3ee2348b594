"""Every key with wrong values: an experiment, or one sentence that names the key."""

import random
from collections.abc import Iterator

import pytest

from micrec_pyg.cli.config import experiment
from micrec_pyg.cli.config_errors import options, valid_keys
from micrec_pyg.runs.build import conf_dir
from micrec_pyg.runs.experiment import Experiment
from micrec_pyg.schema import InputError

VALUES = (
    *("null", "true", "-1", "0", "1.5", "2", "1e30", "nan", "inf", "-inf", "123456789"),
    *("99999999999999999999", "abc", "", "''", "[]", "[0]", "[1,2]", "[a]", "[[1]]"),
    *("{}", "{a: 1}", "{text: 2}", "{_target_: os.system}", "a=b", "~/x", "ü", "a b"),
    *(
        "#x",
        "${nope}",
        "${K}",
        "${",
        "$",
        "a,b",
        "a'b",
        "2024-01-01",
        "1_0",
        "../..",
        "/",
    ),
)
SIGNS = ("", "", "", "", "+", "++", "~")
FEW, MANY = 30, 1000


def cases(count: int) -> Iterator[list[str]]:
    """Yield overrides of a choice of options and of one key, seeded."""
    chance = random.Random(0)
    keys, groups = valid_keys(conf_dir()), options(conf_dir())
    names = sorted(key for key in keys if not key.startswith("data._"))
    for number in range(count):
        key = (
            names[number % len(names)] if count >= len(names) else chance.choice(names)
        )
        group = key.split(".")[0]
        chosen = [name for name in keys[key] if name in groups.get(group, [])]
        first = []
        if "." in key and chosen:
            option = chance.choice(chosen)
            path = f"{group}.path"  # some options have none that holds by itself
            first = [f"{group}={option}"]
            first += [f"{path}=x"] if option in keys.get(path, ()) else []
        yield [*first, f"{chance.choice(SIGNS)}{key}={chance.choice(VALUES)}"]


def judge(overrides: list[str]) -> str | None:
    """Return what is wrong with the answer to some overrides; None if nothing is."""
    key = overrides[-1].lstrip("+~").partition("=")[0]
    try:
        found = experiment(overrides)
    except InputError as error:
        named = key.split(".")[-1] in str(error)
        return None if named and "\n" not in str(error) else f"{overrides}: {error}"
    except Exception as error:
        return f"{overrides}: {type(error).__name__}: {error}"
    return None if isinstance(found, Experiment) else f"{overrides}: no experiment"


def wrong(count: int) -> list[str]:
    """Return every case whose answer is wrong."""
    return [said for each in cases(count) if (said := judge(each)) is not None]


def test_wrong_values_are_one_sentence_that_names_the_key() -> None:
    assert wrong(FEW) == []


@pytest.mark.fuzz
def test_many_wrong_values_are_one_sentence_that_names_the_key(tried) -> None:
    tried("keys with wrong values", MANY)
    assert wrong(MANY) == []
