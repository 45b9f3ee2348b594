"""Damaged files are noticed: caches are made anew, everything else is refused."""

import contextlib
import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from reference.damage import FEW, MANY, damages, place
from safetensors.torch import save_file

from micrec_pyg.features.cache import cached_vectors
from micrec_pyg.graph.similar.cache import stored_lists
from micrec_pyg.graph.similar.neighbor_lists import NeighborLists
from micrec_pyg.schema import DamagedFileError, StorageError
from micrec_pyg.storage.reading import read_parquet
from micrec_pyg.storage.seals import (
    MANIFEST,
    kept_folder,
)
from micrec_pyg.storage.tensors import read_tensors, write_tensors
from micrec_pyg.storage.writing import write_parquet

TRIALS = [FEW, pytest.param(MANY, marks=pytest.mark.fuzz)]


class Lengths:
    """Encodes a text as its length and its first letter; counts what it encoded."""

    name = "lengths"
    reads = "text"

    def __init__(self, salt: int = 0) -> None:
        self.settings = {"salt": salt}
        self.salt, self.encoded = salt, 0

    def encode(self, items: Any) -> torch.Tensor:
        self.encoded += len(items)
        rows = [[float(len(item)), float(ord(item[0]) + self.salt)] for item in items]
        return torch.tensor(rows)


ITEMS = {hashlib.sha256(item.encode()).digest(): item for item in ("a", "bc", "def")}
OTHERS = {hashlib.sha256(item.encode()).digest(): item for item in ("gh", "i", "jk")}


def _tensors(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "weight": torch.randn(7, 5, generator=generator),
        "count": torch.arange(seed, seed + 4),
    }


@pytest.mark.parametrize("places", TRIALS)
def test_tensors_are_what_was_written_or_refused(
    tmp_path: Path, places: int, tried: Any
) -> None:
    path, other = tmp_path / "model.safetensors", tmp_path / "other.safetensors"
    write_tensors(path, _tensors(0), {"model": "a"})
    write_tensors(other, _tensors(1), {"model": "a"})
    cases = damages(path.read_bytes(), other.read_bytes(), places=places)
    tried("damaged models", len(cases))
    del cases["another valid file"]  # which a manifest notices
    for name, content in cases.items():
        place(path, content)
        with pytest.raises(DamagedFileError) as caught:
            pytest.fail(f"{name} was read: {read_tensors(path)}")
        assert str(path) in str(caught.value), name


def test_what_is_not_there_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"a\.safetensors: there is no such file"):
        read_tensors(tmp_path / "a.safetensors")


def test_files_of_earlier_versions_are_read(tmp_path: Path) -> None:
    path = tmp_path / "old.safetensors"
    save_file(_tensors(0), path, metadata={"meta": json.dumps({"model": "a"})})
    tensors, meta = read_tensors(path)
    assert torch.equal(tensors["weight"], _tensors(0)["weight"])
    assert meta == {"model": "a"}


@pytest.mark.parametrize("word", [b"checked", b"sha256", b"meta"])
def test_a_digest_under_another_name_is_damage(tmp_path: Path, word: bytes) -> None:
    path = tmp_path / "new.safetensors"
    write_tensors(path, _tensors(0), {"model": "a"})
    path.write_bytes(path.read_bytes().replace(word, b"x" * len(word)))
    with pytest.raises(DamagedFileError, match=r"new\.safetensors is damaged"):
        read_tensors(path)


def test_equal_content_is_equal_bytes(tmp_path: Path) -> None:
    for n in range(9):
        write_tensors(tmp_path / str(n), _tensors(0), {"b": 1, "a": 2})
    assert len({(tmp_path / str(n)).read_bytes() for n in range(9)}) == 1


def _lists(seed: int, *, nodes: int = 9) -> NeighborLists:
    generator = torch.Generator().manual_seed(seed)
    index = torch.randint(nodes, (nodes, 4), generator=generator)
    return NeighborLists(index, torch.rand(nodes, 4, generator=generator))


@pytest.mark.parametrize("places", TRIALS)
def test_damaged_neighbour_lists_are_searched_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, places: int, tried: Any
) -> None:
    def ask(key: str, seed: int) -> NeighborLists:
        return stored_lists(
            key, num_nodes=9, k=4, cache_dir=str(tmp_path), search=lambda: _lists(seed)
        )

    ask("mine", 0)
    ask("other", 1)
    path, other = tmp_path / "knn-mine.safetensors", tmp_path / "knn-other.safetensors"
    cases = damages(path.read_bytes(), other.read_bytes(), places=places)
    tried("damaged neighbour lists", len(cases))
    for name, content in cases.items():
        place(path, content)
        caplog.clear()
        found = ask("mine", 0)
        assert torch.equal(found.index, _lists(0).index), name
        assert torch.equal(found.similarity, _lists(0).similarity), name
        assert f"{path} is dropped and made anew" in caplog.text, name
        assert read_tensors(path)[1] == {"key": "mine"}, name


@pytest.mark.parametrize(
    "index",
    [
        torch.full((9, 4), 10**9),
        torch.full((9, 4), -2),
        torch.zeros(8, 4, dtype=torch.int64),
        torch.zeros(9, dtype=torch.int64),
        torch.zeros(9, 4),
    ],
    ids=["too large", "too small", "too few", "flat", "floats"],
)
def test_impossible_lists_without_a_digest_are_searched_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, index: torch.Tensor
) -> None:
    path = tmp_path / "knn-mine.safetensors"
    save_file({"index": index, "similarity": torch.zeros(index.shape)}, path)
    found = stored_lists(
        "mine", num_nodes=9, k=4, cache_dir=str(tmp_path), search=lambda: _lists(0)
    )
    assert torch.equal(found.index, _lists(0).index)
    assert f"{path} is dropped and made anew" in caplog.text


def test_lists_of_earlier_versions_are_read(tmp_path: Path) -> None:
    lists = _lists(0)
    tensors = {"index": lists.index, "similarity": lists.similarity}
    save_file(tensors, tmp_path / "knn-mine.safetensors")
    found = stored_lists(
        "mine",
        num_nodes=9,
        k=4,
        cache_dir=str(tmp_path),
        search=lambda: pytest.fail("searched"),
    )
    assert torch.equal(found.index, lists.index)


@pytest.mark.parametrize("places", TRIALS)
def test_damaged_vectors_are_encoded_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, places: int, tried: Any
) -> None:
    cached_vectors(Lengths(salt=1), ITEMS, cache_dir=tmp_path)
    (other,) = tmp_path.rglob("*.safetensors")
    stolen = other.read_bytes()
    place(other, None)
    expected = cached_vectors(Lengths(), ITEMS, cache_dir=tmp_path)
    (path,) = (p for p in tmp_path.rglob("*.safetensors") if p.is_file())
    cases = damages(path.read_bytes(), stolen, places=places)
    tried("damaged encoded vectors", len(cases))
    for name, content in cases.items():
        place(path, content)
        again = Lengths()
        caplog.clear()
        assert torch.equal(
            cached_vectors(again, ITEMS, cache_dir=tmp_path), expected
        ), name
        # a damaged key is nobody's: then its item alone is encoded again
        assert 1 <= again.encoded <= len(ITEMS), name
        assert again.encoded == 1 or str(path) in caplog.text, name
        for extra in path.parent.iterdir():
            if extra != path:
                extra.unlink()


def test_a_chunk_that_nobody_asked_for_is_not_read(tmp_path: Path) -> None:
    cached_vectors(Lengths(), OTHERS, cache_dir=tmp_path)
    (path,) = tmp_path.rglob("*.safetensors")
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    cached_vectors(Lengths(), ITEMS, cache_dir=tmp_path)
    assert path.read_bytes() == bytes(damaged)


def _fill(folder: Path) -> None:
    (folder / "movies").mkdir()
    (folder / "movies" / "interactions.tsv").write_text("user\titem\na\tb\n")
    (folder / "movies" / "images").symlink_to(folder.parent)
    (folder / "counts.json").write_text("{}")


@pytest.mark.parametrize("name", ["movies/interactions.tsv", "counts.json", MANIFEST])
@pytest.mark.parametrize("places", TRIALS)
def test_a_damaged_conversion_is_made_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, places: int, tried: Any
) -> None:
    folder = tmp_path / "set"
    kept_folder(folder, _fill)
    written = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    other = b'{"schema": 1, "sha256": {"counts.json": "0"}}'
    cases = damages(written[folder / name], other, places=places)
    tried("damaged converted tables", len(cases))
    for case, content in cases.items():
        place(folder / name, content)
        caplog.clear()
        kept_folder(folder, _fill)
        found = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        same = {p: b for p, b in found.items() if p.name != MANIFEST}
        assert same == {p: b for p, b in written.items() if p.name != MANIFEST}, case
        # a flipped bit of the manifest may be one that says nothing, as its version
        assert name == MANIFEST or f"{folder} is dropped" in caplog.text, case


def test_a_conversion_is_made_once(tmp_path: Path, caplog: Any) -> None:
    kept_folder(tmp_path / "set", _fill)
    kept_folder(tmp_path / "set", lambda folder: pytest.fail("made again"))
    (tmp_path / "set" / "counts.json").unlink()
    kept_folder(tmp_path / "set", _fill)
    assert (tmp_path / "set" / "counts.json").read_text() == "{}"
    assert f"{tmp_path / 'set' / 'counts.json'} is missing" in caplog.text


def test_a_conversion_of_an_earlier_version_is_used(
    tmp_path: Path, caplog: Any
) -> None:
    (tmp_path / "set").mkdir()
    with caplog.at_level(logging.INFO):
        kept_folder(tmp_path / "set", lambda folder: pytest.fail("made again"))
    assert f"{tmp_path / 'set'} has no {MANIFEST}: it is not checked" in caplog.text


@pytest.mark.parametrize("places", TRIALS)
def test_a_damaged_table_is_one_sentence_or_read(
    tmp_path: Path, places: int, tried: Any
) -> None:
    path = tmp_path / "users.parquet"
    for n, name in enumerate((path, tmp_path / "other.parquet")):
        write_parquet(name, pl.DataFrame({"id": [f"u{n}", "v"], "row": [n, None]}))
    other = (tmp_path / "other.parquet").read_bytes()
    cases = damages(path.read_bytes(), other, places=places)
    tried("damaged tables", len(cases))
    for case, content in cases.items():
        place(path, content)
        # without a manifest a changed value may be read, but nothing else happens
        with contextlib.suppress(DamagedFileError):
            assert read_parquet(path, ["id"]).width == 1, case
    with pytest.raises(DamagedFileError, match="is missing"):
        read_parquet(tmp_path / "no.parquet")
