"""Tables of text, compared with tables written by hand."""

from micrec_pyg.grid import aligned, markdown

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
