"""Every key with wrong values: an experiment, or one sentence that names the key."""

import random
import re
from collections.abc import Iterator, Mapping

import pytest

from micrec_pyg.cli.config import composed, experiment
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
    *("9" * 5000, "1e999", "[nan]", "[true]", "[99999999999999999999]", "{1: 2}"),
    *("{text: nan}", "None", "0x10", "a=b=c", "~x", "a" * 300),
)
SIGNS = ("", "", "", "", "+", "++", "~")
FEW, MANY = 30, 1000


def cases(count: int) -> Iterator[list[str]]:
    """Yield overrides of a choice of options and of one key, seeded."""
    chance = random.Random(0)
    keys, groups = valid_keys(conf_dir()), options(conf_dir())
    names = sorted(keys)
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


def flat(settings: Mapping[str, object], prefix: str) -> Iterator[str]:
    """Yield the dotted key of every value in settings, and of all inside of it."""
    for name, value in settings.items():
        if not name.startswith("_"):
            yield f"{prefix}{name}"
            if isinstance(value, Mapping):
                yield from flat(value, f"{prefix}{name}.")


def unknown(group: str, option: str) -> set[str]:
    """Return the keys of an option, as Hydra composes it, that no case draws from."""
    keys = valid_keys(conf_dir())
    path = [f"{group}.path=x"] if option in keys.get(f"{group}.path", ()) else []
    found = composed([f"{group}={option}", *path])[group]
    own = {key for key in flat(found, f"{group}.") if option not in keys.get(key, ())}
    # what a reference such as ${loss} brings has a key of its own
    return {key for key in own if not key.startswith("model.net.loss.")}


OPTIONS = [(group, name) for group, of in options(conf_dir()).items() for name in of]
MADE_OF_OTHERS = [
    *(("term", "ease_xc"), ("fit", "large"), ("features", "noise_with_images")),
    ("data", "recbole"),
]


@pytest.mark.parametrize(("group", "option"), MADE_OF_OTHERS)
def test_cases_draw_from_the_keys_of_what_an_option_is_made_from(
    group: str, option: str
) -> None:
    assert unknown(group, option) == set()


@pytest.mark.fuzz
def test_cases_draw_from_every_key_of_every_option() -> None:
    found = {each: unknown(*each) for each in OPTIONS if each[0] != "experiment"}
    assert {each: keys for each, keys in found.items() if keys} == {}


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["term=ease_xc", "term.betas=[-1]"], "a list of numbers of 0 or more"),
        (["term=ease_xc", "term.net.ridge=0"], "ridge=0: give a number above 0"),
        (["term=ease_xc", "term.net.content_dim=99999999999"], "below 2^31"),
        (["fit.neighbors_per_hop=[99999999999]"], "a list of the neighbours"),
        (["model.net.num_layers=99999999"], "at most 1000"),
        (["graph.ann_from=-1"], "a whole number of 0 or more, below 2^31, or null"),
        (["blas=mkl"], "blas=mkl: give one of auto, torch, numpy"),
        ([f"model.name={'x' * 300}"], "of at most 200 bytes"),
        ([f"blas={'9' * 5000}"], "blas=9999"),
        ([f"fit={'9' * 5000}"], ": give one of default, large, published"),
        (["fit=../model/inmo"], "fit=../model/inmo: give one of default"),
    ],
)
def test_late_keys_say_what_they_allow(overrides: list[str], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        experiment(overrides)
    assert len(str(caught.value)) < 400


@pytest.mark.fuzz
def test_wrong_values_are_one_sentence_that_names_the_key() -> None:
    assert wrong(FEW) == []


@pytest.mark.fuzz
def test_many_wrong_values_are_one_sentence_that_names_the_key(tried) -> None:
    tried("keys with wrong values", MANY)
    assert wrong(MANY) == []
