"""Products of two libraries, and which of them is taken."""

import json
import logging

import numpy as np
import pytest
import torch

from micrec_pyg import blas
from micrec_pyg.nn.inner_products import InnerProducts, reusing
from micrec_pyg.schema import InputError


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    """Keep measurements apart from the user's, and each test's from another's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    blas._fastest.cache_clear()
    yield
    blas._fastest.cache_clear()
    blas.configure("auto")


@pytest.fixture
def rates(monkeypatch):
    """Return rates by the width of a product, and what was measured."""
    found, asked = {64: (50.0, 120.0), 384: (114.0, 120.0)}, []

    def pretended(rows, inner, columns):
        asked.append(inner)
        return dict(zip((blas.TORCH, blas.NUMPY), found[inner], strict=True))

    monkeypatch.setattr(blas, "_rates", pretended)
    return found, asked


def integers(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-9, 10, shape, generator=generator).float()


@pytest.mark.parametrize("library", [blas.TORCH, blas.NUMPY])
@pytest.mark.parametrize("shape", [(3, 5, 4), (1, 1, 1), (0, 5, 4), (40, 64, 300)])
def test_every_library_computes_the_product(library, shape, monkeypatch):
    monkeypatch.setattr(blas, "LARGE", 0)
    blas.configure(library)
    rows, inner, columns = shape
    a, b = integers(rows, inner), integers(columns, inner, seed=1).T
    buffer = torch.full((rows, columns), torch.nan)
    found = blas.multiply(a, b, buffer)
    assert found is buffer
    expected = [[sum(x * y for x, y in zip(r, c, strict=True)) for c in b.T.tolist()]
                for r in a.tolist()]  # fmt: skip
    np.testing.assert_array_equal(found.numpy(), np.reshape(expected, (rows, columns)))


def test_the_clearly_faster_library_is_taken_and_told_once(rates, caplog):
    with caplog.at_level(logging.INFO, logger="micrec_pyg"):
        assert blas.library_of(64) == blas.NUMPY
        assert blas.library_of(1664) == blas.TORCH  # 5 % may be chance
        assert blas.library_of(128) == blas.NUMPY
    assert rates[1] == [64, 384]
    ranking, neighbours = caplog.messages
    assert "ranking: numpy (a thread of torch 50 GFLOP/s, of numpy 120" in ranking
    assert "neighbours: torch" in neighbours


def test_a_measurement_is_kept_for_cpu_and_versions(rates, monkeypatch):
    assert blas.library_of(64) == blas.NUMPY
    rates[0][64] = (120.0, 50.0)
    blas._fastest.cache_clear()
    assert blas.library_of(64) == blas.NUMPY
    monkeypatch.setattr(blas, "cpu_name", lambda: "another")
    blas._fastest.cache_clear()
    assert blas.library_of(64) == blas.TORCH
    assert len(rates[1]) == 4
    kept = json.loads(blas.cache_file().read_text())
    assert [each["fastest"]["ranking"] for each in kept] == [blas.NUMPY, blas.TORCH]
    assert kept[1]["cpu"] == "another"


@pytest.mark.parametrize(
    "text", ["", "{}", "[1, null]", '[{"fastest": {"ranking": "mkl"}}]', "\0"]
)
def test_a_damaged_file_is_measured_anew(rates, text):
    blas.cache_file().parent.mkdir(parents=True)
    blas.cache_file().write_text(text)
    assert blas.library_of(64) == blas.NUMPY
    assert json.loads(blas.cache_file().read_text())[-1]["threads"] > 0


def test_a_cache_that_cannot_be_written_is_no_failure(rates, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert blas.library_of(64) == blas.NUMPY


def test_products_in_several_threads_are_those_of_torch(rates, monkeypatch):
    monkeypatch.setattr(blas, "LARGE", 0)
    monkeypatch.setattr(blas, "_by_numpy", None)
    blas.configure(blas.NUMPY)
    a, b = integers(3, 4), integers(4, 5)
    torch.set_num_threads(2)
    try:
        found = blas.multiply(a, b, torch.empty(3, 5))
        blas.configure(blas.AUTO)
        assert torch.equal(blas.multiply(a, b, torch.empty(3, 5)), found)
    finally:
        torch.set_num_threads(1)
    assert torch.equal(found, a @ b)
    assert rates[1] == []


def test_what_is_measured_beforehand_is_measured_in_one_thread(rates, monkeypatch):
    threads = []
    pretended = blas._rates

    def noted(*shape):
        threads.append(torch.get_num_threads())
        return pretended(*shape)

    monkeypatch.setattr(blas, "_rates", noted)
    torch.set_num_threads(2)
    try:
        blas.settle()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert threads == [1, 1]
    blas.settle()
    blas.configure(blas.TORCH)
    blas._fastest.cache_clear()
    blas.settle()  # nothing is to be chosen
    assert threads == [1, 1]


def test_numpy_has_the_threads_of_torch_again(monkeypatch):
    asked = []
    monkeypatch.setattr(
        blas, "threadpool_limits", lambda *, limits, user_api: asked.append(limits)
    )
    monkeypatch.setattr(blas, "_limited", 0)
    blas.configure(blas.TORCH)
    torch.set_num_threads(2)
    try:
        blas.settle()
        assert asked == [1]
        blas.release()
        blas.release()
    finally:
        torch.set_num_threads(1)
    assert asked == [1, 2]


def test_small_products_measure_nothing(rates):
    blas.multiply(integers(3, 4), integers(4, 5), torch.empty(3, 5))
    blas.multiply(
        integers(3, 4).double(), integers(4, 5).double(), torch.empty(3, 5).double()
    )
    assert rates[1] == []


def test_a_measurement_is_of_both_libraries(monkeypatch):
    monkeypatch.setattr(blas, "ROUNDS", 1)
    found = blas._rates(4, 8, 16)
    assert found.keys() == {blas.TORCH, blas.NUMPY}
    assert min(found.values()) > 0


def test_an_unknown_library_is_refused():
    with pytest.raises(InputError, match="blas=mkl: give one of auto, torch, numpy"):
        blas.configure("mkl")


def test_scores_are_inner_products_and_a_buffer_is_used_again():
    user, item = integers(7, 4), integers(5, 4, seed=1)
    score = InnerProducts(user, item)
    table = user @ item.T
    rows = torch.tensor([3, 0, 3])
    first, second = score(rows), score(rows[:0])
    assert torch.equal(first, table[rows])
    assert second.shape == (0, 5)
    again = reusing(score)
    place = again(rows).data_ptr()
    assert torch.equal(again(rows[:2]), table[rows[:2]])
    assert again(rows[1:]).data_ptr() == place
    assert torch.equal(again(torch.arange(7)), table)
    assert torch.equal(first, table[rows])
    other = table.__getitem__
    assert reusing(other) is other
