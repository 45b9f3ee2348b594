"""Tables of text, compared with tables written by hand."""

from micrec_pyg.grid import aligned, markdown, within

ROWS = [["a", "number"], ["long name", "1"], ["b", "22"]]


def test_columns_have_equal_width() -> None:
    assert aligned(ROWS, right={1}) == [
        "a          number",
        "long name       1",
        "b              22",
    ]
    assert aligned(ROWS) == [
        "a          number",
        "long name  1     ",
        "b          22    ",
    ]


def test_a_wide_table_is_several_that_fit() -> None:
    rows = [["key", "a@1", "b@1", "a@2", "long"], ["x", "1", "2", "3", "a long cell"]]
    whole = len(aligned(rows)[0])
    assert within(rows, whole, keys=1) == [rows]
    assert within(rows, whole - 1, keys=1) == [
        [["key", "a@1", "b@1"], ["x", "1", "2"]],
        [["key", "a@2"], ["x", "3"]],
        [["key", "long"], ["x", "a long cell"]],
    ]
    assert len(aligned(within(rows, 13, keys=1)[0])[0]) == 13
    assert [head for head, _ in within(rows, 12, keys=1)] == [
        ["key", "a@1"],
        ["key", "b@1"],
        ["key", "a@2"],
        ["key", "long"],  # no width is enough for it
    ]


def test_markdown_says_where_numbers_stand() -> None:
    assert markdown(ROWS, right={1}) == [
        "| a | number |",
        "| --- | ---: |",
        "| long name | 1 |",
        "| b | 22 |",
    ]


def test_no_cell_breaks_the_table() -> None:
    rows = [["a|b"], ["one\ntwo\r\nthree\rfour"]]
    assert markdown(rows) == [
        "| a\\|b |",
        "| --- |",
        "| one<br>two<br>three<br>four |",
    ]
