"""Folders appear whole or not at all."""

import pytest

from micrec_pyg.data.files.writing import write_folder


def test_a_broken_writer_leaves_nothing(tmp_path):
    def fill(folder):
        (folder / "half").write_text("x")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_folder(tmp_path / "data" / "set", fill)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_complete_folder_appears_with_its_content(tmp_path):
    write_folder(tmp_path / "set", lambda folder: (folder / "a").touch())
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    assert (tmp_path / "set" / "a").exists()


def test_who_finished_first_wins(tmp_path):
    def fill(folder):
        (folder / "late").touch()
        (tmp_path / "set").mkdir()
        (tmp_path / "set" / "early").touch()

    write_folder(tmp_path / "set", fill)
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["early"]
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
