"""YAML of others is read within bounds, and refused with one sentence."""

import os

import pytest
import yaml

from micrec_pyg import yaml_files
from micrec_pyg.schema import InputError
from micrec_pyg.yaml_files import parse_yaml, read_yaml

BOMB = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: 1\nb: [1, 2.5, null, true, 'x']\nc: {d: {e: 2016-05-31}}\n",
        "one: &one {a: 1}\ntwo: *one\nthree: {<<: *one, b: 2}\n",
        yaml.safe_dump({"K": [1, 3], "model": {"_target_": "x.y", "dim": 64}}),
    ],
)
def test_ordinary_files_are_as_the_library_reads_them(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    assert read_yaml(tmp_path / "config.yaml") == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (BOMB, "^[^:]*config.yaml: its aliases stand for more than 100,000 values"),
        (
            "a: &a [*a]\n",
            "^[^:]*config.yaml, line 1: an alias stands for what holds it",
        ),
        ("a: &a {b: {c: *a}}\n", "an alias stands for what holds it"),
        ("[" * 5000, "config.yaml.*(nested too deeply|line 1)"),
        ("a: 1\nb: [1,\n", "config.yaml, line 3, column 1: "),
        (
            "a: !!python/object:os.system x\n",
            "config.yaml, line 1, column 4: could not",
        ),
        ("a: 2016-99-99\n", r"config.yaml: no readable YAML \(month must be"),
        ("a: !!bool maybe\n", r"config.yaml: no readable YAML \('maybe'\)"),
        ("a: !!int ''\n", r"config.yaml: no readable YAML \(string index"),
        ("a: !!timestamp x\n", "config.yaml: no readable YAML"),
        ("a: *b\n", "config.yaml, line 1, column 4: found undefined alias"),
        ("a: 1\n---\nb: 2\n", "config.yaml, line 2, column 1"),
        ("a: \x07\n", "config.yaml: no readable YAML"),
        ("x" * (2**20 + 1), "at most 1,048,576 bytes"),
    ],
)
def test_what_is_no_bounded_yaml_is_refused(tmp_path, text, fault):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(InputError, match=fault):
        read_yaml(tmp_path / "config.yaml")


def test_what_cannot_be_read_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\n")
    for name, fault in (
        ("pipe.yaml", "no regular file"),
        ("latin.yaml", "not UTF-8"),
        ("nothing.yaml", "cannot be read .No such file"),
        (".", "no regular file"),
    ):
        with pytest.raises(InputError, match=fault):
            read_yaml(tmp_path / name)


def test_values_are_counted_as_written_out(monkeypatch):
    # 1 list, 2 lists of 3, each the first again
    text = "- &a [1, 2, 3]\n- *a\n"
    monkeypatch.setattr(yaml_files, "MAX_NODES", 9)
    assert parse_yaml(text, "x") == [[1, 2, 3], [1, 2, 3]]
    monkeypatch.setattr(yaml_files, "MAX_NODES", 8)
    with pytest.raises(InputError, match="more than 8 values"):
        parse_yaml(text, "x")
