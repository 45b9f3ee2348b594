"""No wrong input ends in a traceback, and none is read in part."""

import pytest
import torch
from reference.malformed import ITEMS, OPTIONS, ROWS, SUFFIXES, damaged, write
from reference.malformed import content as file_content
from reference.wrong_by_hand import by_hand

from micrec_pyg.data.check.folder import check
from micrec_pyg.data.sources import Tables
from micrec_pyg.schema import InputError

BY_HAND = by_hand()
FUZZED, MANY = 15, 625
"""Damaged copies per kind of file and table; many make 5,000 together."""


def refusal(path, options):
    """Return the message of the reader, None where it reads the data set."""
    try:
        catalogues = Tables.read(path=str(path), **options)
    except InputError as error:
        return str(error)
    for catalogue in catalogues.values():
        data = catalogue.interactions
        assert data.users.ids.is_unique().all()
        assert data.items.ids.is_unique().all()
        assert torch.unique(data.edges, dim=1).shape == data.edges.shape
        assert 0 <= data.user.min() <= data.user.max() < len(data.users)
        assert 0 <= data.item.min() <= data.item.max() < len(data.items)
        assert (
            len(catalogue.content["text"])
            == len(catalogue.content["image"])
            == len(data.items)
        )
        assert not (data.users.ids == "").any()
    return None


def errors(path, options):
    found = check(str(path), limit=50, options=options)
    assert found.errors >= sum(problem.error for problem in found.found)
    return [str(problem) for problem in found.found if problem.error]


def test_the_names_are_different():
    assert len({wrong.name for wrong in BY_HAND}) == len(BY_HAND)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_undamaged_data_set_is_clean(suffix, tmp_path):
    write(
        tmp_path,
        {
            f"interactions.{suffix}": file_content(ROWS, suffix),
            f"items.{suffix}": file_content(ITEMS, suffix),
        },
    )
    assert refusal(tmp_path, OPTIONS) is None
    assert errors(tmp_path, OPTIONS) == []


@pytest.mark.parametrize("wrong", BY_HAND, ids=lambda wrong: wrong.name)
def test_what_is_wrong_is_refused_with_its_place(wrong, tmp_path):
    write(tmp_path, wrong.files)
    options = {**OPTIONS, **wrong.options}
    message = refusal(tmp_path, options)
    assert message is not None
    with pytest.raises(InputError, match=wrong.fault):
        raise InputError(message)
    assert str(tmp_path) in message or "domain 'd'" in message or "filters" in message
    # the check says the same, among others
    assert any(message.split(" (")[0] in error for error in errors(tmp_path, options))


@pytest.mark.parametrize("count", [FUZZED, pytest.param(MANY, marks=pytest.mark.fuzz)])
@pytest.mark.parametrize("stem", ["interactions", "items"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damaged_files_are_read_whole_or_refused(suffix, stem, count, tmp_path, tried):
    refused = 0
    tried("damaged tables of a catalogue, read and checked", count)
    for number, files in enumerate(damaged(count, suffix, stem, seed=7)):
        folder = write(tmp_path / str(number), files)
        message = refusal(folder, OPTIONS)
        assert bool(errors(folder, OPTIONS)) == (message is not None), number
        if message is not None:
            refused += 1
            assert f"{stem}.{suffix}" in message or "domain 'd'" in message, message
    # damage inside a title or a number can leave a good file
    assert refused >= count // 3


def test_there_are_two_hundred_wrong_inputs():
    fuzzed = len(SUFFIXES) * 2 * (FUZZED // 3)
    assert len(BY_HAND) + fuzzed >= 200
