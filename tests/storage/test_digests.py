"""Digests name runs and caches, so their values are part of the format."""

from pathlib import Path

from micrec_pyg.storage.digests import file_digest, json_digest

# computed with sha256sum from the text in the comment
KNOWN = [
    # {"a": [1, 2.5, null], "b": "\u00fc"}
    (
        {"b": "ü", "a": [1, 2.5, None]},
        "de2e97fb7f707964df92cbc1aed5f4fb1cac4e2c7126b981698568fd0002ae49",
    ),
    # ["own-catalogue 3", {"1": true, "2": {}}]
    (
        ("own-catalogue 3", {"2": {}, "1": True}),
        "d0f15d855615a95be772a34371d8987da360d74d61b3128a018bfba24ab0fd9d",
    ),
]


def test_values_are_those_of_earlier_versions() -> None:
    for value, digest in KNOWN:
        assert json_digest(value) == digest


def test_a_file_is_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_digest(tmp_path / "a") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
