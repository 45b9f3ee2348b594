"""The Python blocks of docs/pyg.md run, one after the other, and do what it says."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import torch_geometric.typing

from micrec_pyg.schema import EdgeType

PAGE = Path(__file__).parent.parent / "docs" / "pyg.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
BACKEND = (
    torch_geometric.typing.WITH_PYG_LIB or torch_geometric.typing.WITH_TORCH_SPARSE
)
INTERACTS: EdgeType = ("user", "interacts", "item")


@pytest.mark.filterwarnings(
    "ignore:Using '.*' without a 'pyg-lib' installation:UserWarning"
)
def test_blocks_run_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MICREC_DATA", str(tmp_path / "data"))
    torch.manual_seed(0)
    model, domains, stage, loader, layer = BLOCKS
    seen: dict[str, Any] = {}

    def run(block: str) -> dict[str, Any]:
        code = compile(block, str(PAGE), "exec")
        exec(code, seen)
        return seen

    first = run(model.replace("step in range(20)", "step in range(1)"))["loss"]
    assert run(model)["loss"] < 0.5 * first

    run(domains)
    a, b, names = (seen[name] for name in ("a", "b", "names"))
    assert set(names) == set(a.user_ids) & set(b.user_ids)

    graph = run(stage)["graph"]
    assert graph[INTERACTS].num_edges == seen["splits"]["d0"].train.shape[1]
    if BACKEND:
        assert run(loader)["asked"].tolist() == graph["user"].n_id[:64].tolist()
    run(layer)  # it asserts by itself
