"""JSONL tables whose lines hold texts beside lists and objects."""

import json

import pytest

from micrec_pyg.data.files.problems import Problems
from micrec_pyg.data.files.tables import ROW, read_table


def test_texts_beside_lists_of_texts_are_lists_of_one_text(tmp_path):
    lines = [
        {"item": "a", "title": ["Green tea", "loose"], "size": ["[S]"]},
        {"item": "b", "title": "[Coffee]", "size": None},
        {"item": "c", "title": None, "size": "L"},
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    problems = Problems(limit=9)
    table = read_table(path, problems)
    assert table["title"].to_list() == [["Green tea", "loose"], ["[Coffee]"], None]
    assert table["size"].to_list() == [["[S]"], None, ["L"]]
    assert not problems.found


@pytest.mark.parametrize(
    ("cells", "kinds"),
    [
        (['{"en": "tea"}', '"tea"'], "an object in line 1, a text in line 2"),
        (["[1]", '"tea"'], "a list in line 1, a text in line 2"),
        (['[{"en": "tea"}]', '["tea"]'], "a list in line 1"),
        (['["tea"]', '[["tea"]]'], "a list in line 1"),
    ],
)
def test_json_is_never_read_as_a_text(tmp_path, cells, kinds):
    lines = [f'{{"item": "a", "title": {cell}}}\n' for cell in cells]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(lines))
    problems = Problems(limit=9)
    assert read_table(path, problems).columns == [ROW, "item"]
    [problem] = problems.found
    assert f"are left out: {kinds}; write values of one kind" in str(problem)
    assert problems.errors == 0


def test_a_text_may_begin_as_a_list_does(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"item": "a", "title": "[new] {tea}"}\n')
    assert read_table(path)["title"].to_list() == ["[new] {tea}"]
