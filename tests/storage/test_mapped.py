"""Tables that lie in a file while somebody reads them."""

import errno
import os
from pathlib import Path

import pytest
import torch

from micrec_pyg.graph.similar.modalities import weighted
from micrec_pyg.graph.similar.user_features import mean_of_items
from micrec_pyg.schema import Feature, StorageError
from micrec_pyg.storage import mapped
from micrec_pyg.storage.mapped import empty_table, rows_of


def _is_mapped_from(folder: Path) -> bool:
    return str(folder) in Path("/proc/self/maps").read_text()


def test_a_large_table_lies_in_a_file_without_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr(mapped, "MAPPED_BYTES", 4096)
    table = empty_table(256, 8, tmp_path / "new")
    table[:] = torch.arange(2048.0).view(256, 8)
    assert float(table[255, 7]) == 2047
    assert list((tmp_path / "new").iterdir()) == []
    assert _is_mapped_from(tmp_path)
    row = table[3].clone()
    del table
    assert not _is_mapped_from(tmp_path)
    assert row[0] == 24


def test_a_small_table_and_one_without_a_folder_stay_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(mapped, "MAPPED_BYTES", 4096)
    assert empty_table(10, 8, tmp_path).shape == (10, 8)
    assert empty_table(1000, 8, None).shape == (1000, 8)
    assert not _is_mapped_from(tmp_path)


def test_a_full_disk_is_told_before_the_table_is_used(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(mapped, "MAPPED_BYTES", 0)
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(StorageError, match="the disk is full"):
        empty_table(10, 8, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_rows_of_a_table_are_a_selection_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(mapped, "MAPPED_BYTES", 64)
    monkeypatch.setattr(mapped, "BLOCK", 3)
    table = torch.randn(10, 4)
    rows = torch.tensor([0, 2, 3, 7, 9])
    assert torch.equal(rows_of(table, rows, tmp_path), table[rows])
    assert torch.equal(rows_of(table, rows[:0], tmp_path), table[:0])
    assert rows_of(table, torch.arange(10), tmp_path) is table
    turned = torch.arange(10).flip(0)
    assert torch.equal(rows_of(table, turned, tmp_path), table.flip(0))


def test_vectors_behind_a_mask_are_cleared_only_where_there_are_any():
    mask = torch.arange(6) != 2
    values = torch.ones(6, 3) * mask[:, None]
    clean = weighted({"text": Feature(values, mask)}, {"text": 1.0})[0]
    assert clean.values is values
    values = torch.ones(6, 3)
    values[2] = torch.nan
    cleared = weighted({"text": Feature(values, mask)}, {"text": 1.0})[0]
    assert torch.equal(cleared.values, torch.ones(6, 3) * mask[:, None])


def test_user_features_are_the_same_from_a_file(tmp_path, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    mask = torch.arange(50) % 7 > 0
    features = {"text": Feature(torch.randn(50, 6, generator=generator), mask)}
    edges = (torch.rand(90, 50, generator=generator) < 0.1).nonzero().T
    edges = edges[:, edges[0] != 89]  # the last user has none
    expected = mean_of_items(edges, features, 90)["text"]
    monkeypatch.setattr(mapped, "MAPPED_BYTES", 0)
    for block in (1, 7, 90):
        monkeypatch.setattr("micrec_pyg.graph.similar.user_features.BLOCK", block)
        found = mean_of_items(edges, features, 90, folder=str(tmp_path))["text"]
        assert torch.equal(found.values, expected.values)
        assert torch.equal(found.mask, expected.mask)
