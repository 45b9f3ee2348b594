import json

import pytest

from micrec_pyg.cli.bench import main
from micrec_pyg.schema import InputError


def test_propagation_writes_a_row_per_peer(tmp_path):
    assert main(["propagation", "--runs", "1", "--json", str(tmp_path / "r")]) == 0
    rows = json.loads((tmp_path / "r").read_text())
    assert {"PyG gather-scatter", "torch.sparse.mm COO"} <= {
        row["peer_name"] for row in rows
    }
    for row in rows:
        assert row["ratio"] == pytest.approx(row["peer"] / row["ours"])


def test_an_unknown_part_lists_the_parts():
    with pytest.raises(InputError, match="propagation"):
        main(["propagatoin"])
