from typing import Any

import pytest

from micrec_pyg.cli.config import composed
from micrec_pyg.cli.run_folder import read_config, read_json, run_folder
from micrec_pyg.schema import InputError


def folder(*overrides: str) -> Any:
    return run_folder(composed(["data=synthetic", "device=cpu", *overrides]))


def test_name_tells_the_axes() -> None:
    path = folder("K=5", "w=0.25", "gamma=0.5", "seed=7")
    assert path.parts[:3] == ("outputs", "synthetic", "micrec")
    assert path.name.startswith("random-K5-w0.25-gamma0.5-s7-")


def test_only_decisive_settings_change_the_folder() -> None:
    base = folder("K=3", "gamma=1")
    same = ["gamma=1.0", "logger=wandb", "cache_dir=x", "graph.knn_lists=50"]
    for override in same:
        assert folder("K=3", override).name == base.name, override
    for override in ["fit.max_epochs=7", "model.weights.bpr=2", "data.num_users=9"]:
        assert folder("K=3", override).name != base.name, override


def test_what_is_no_run_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="no finished run"):
        read_config(tmp_path)
    (tmp_path / "metrics.json").write_text('{\n "a": }')
    with pytest.raises(InputError, match=r"metrics\.json:2:7"):
        read_json(tmp_path / "metrics.json")
    for content in (b"[]", b"\xff"):
        (tmp_path / "metrics.json").write_bytes(content)
        with pytest.raises(InputError, match=r"metrics\.json: .*train again"):
            read_json(tmp_path / "metrics.json")
