"""Numbers and depths that no parser takes: one sentence wherever JSON is read."""

from pathlib import Path

import pytest

from micrec_pyg.data.files.json_lines import _json_fault
from micrec_pyg.data.splits.saved import CARD, _saved
from micrec_pyg.runs.files import read_json
from micrec_pyg.schema import InputError
from micrec_pyg.storage.seals import MANIFEST, _read

BEYOND = [f'{{"a": {"9" * 5000}}}', '{"a":' * 100_000]


@pytest.mark.parametrize("text", BEYOND, ids=["digits", "depth"])
def test_json_beyond_all_bounds_is_named(tmp_path: Path, text: str) -> None:
    for name, read in (("x.json", read_json), (CARD, _saved), (MANIFEST, _read)):
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(InputError, match=name):
            read(path if read is read_json else tmp_path)
    assert _json_fault(text) == ("not a flat JSON object", "")
