"""Blocks of lines hold every byte of a file once, whatever their size."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from micrec_pyg.data.files import line_blocks as module
from micrec_pyg.data.files.line_blocks import line_blocks
from micrec_pyg.schema import InputError


@given(
    lines=st.lists(st.binary(max_size=9).filter(lambda x: b"\n" not in x), max_size=9),
    size=st.integers(1, 30),
    compressed=st.booleans(),
)
def test_blocks_are_whole_lines_in_order(tmp_path_factory, lines, size, compressed):
    content = b"\n".join(lines)
    if content[:3] == b"\xef\xbb\xbf" or content[:2] == b"\x1f\x8b":
        return
    path = tmp_path_factory.mktemp("lines") / "file"
    path.write_bytes(gzip.compress(content) if compressed else content)
    blocks = list(line_blocks(path, size=size))
    assert b"".join(block for _, block in blocks) == content
    before = 0
    for number, block in blocks:
        assert number == 1 + content[:before].count(b"\n")
        before += len(block)
        assert block.endswith(b"\n") or before == len(content)


def test_a_byte_order_mark_is_left_out(tmp_path):
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbfa\n")
    assert list(line_blocks(tmp_path / "file")) == [(1, b"a\n")]


def test_a_cut_off_gzip_file_is_told(tmp_path):
    whole = gzip.compress(b"".join(b"%d\n" % n for n in range(5000)))
    for broken in (whole[: len(whole) // 2], whole[:-8] + b"\0" * 8):
        (tmp_path / "file").write_bytes(broken)
        with pytest.raises(InputError, match=r"damaged or cut off.*fetch it again"):
            list(line_blocks(tmp_path / "file", size=100))


def test_what_is_no_text_file(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        list(line_blocks(tmp_path))
    monkeypatch.setattr(module, "_MAX_LINE", 50)
    (tmp_path / "file").write_bytes(b"ab\n" + b"x" * 200)
    with pytest.raises(InputError, match="line 2: it is longer"):
        list(line_blocks(tmp_path / "file", size=3))
