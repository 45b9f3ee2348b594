import os

import pytest
import torch

from micrec_pyg.training import checkpoint


def test_what_is_saved_is_loaded(tmp_path):
    shared = torch.randn(3, 4)
    tensors = {
        "a": shared,
        "a again": shared,
        "bytes": torch.arange(5).byte(),
        "none": torch.zeros(0, 2),
        "one": torch.tensor(1.5),
    }
    meta = {"list": [1, None, 0.1], "x": {"y": "z"}}
    checkpoint.save(tmp_path / "new" / "c.safetensors", tensors, meta)
    found, found_meta = checkpoint.load(tmp_path / "new" / "c.safetensors")
    assert found_meta == meta
    assert found.keys() == tensors.keys()
    for name, value in tensors.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, {"a": torch.ones(1)}, {"n": 1})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(path, {"a": torch.zeros(1)}, {"n": 2})
    assert checkpoint.load(path)[1] == {"n": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]
