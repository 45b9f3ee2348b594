"""Images are opened only where decoding them is harmless."""

import os
import struct
import zlib

import pytest
from PIL import Image

from micrec_pyg.data.files.images import UNREADABLE, open_image


def png_header(path, width, height):
    """Write a PNG file that says how large it is and holds no pixel."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"")
    chunks = [
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c))
        for c in (head, data)
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


@pytest.mark.parametrize(
    ("width", "height", "fault"),
    [
        (1, 20_000, "1 x 20,000: one side more than 100 times as long"),
        (20_001, 200, "20,001 x 200: one side more than 100 times"),
        (8192, 8193, "8,192 x 8,193: 67,117,056 pixels, at most 67,108,864"),
        (13_000, 13_000, "13,000 x 13,000: 169,000,000 pixels"),
        (60_000, 60_000, "more than 67,108,864 pixels"),
    ],
)
def test_a_size_beyond_the_limits_is_refused_unread(tmp_path, width, height, fault):
    path = png_header(tmp_path / "x.png", width, height)
    assert path.stat().st_size < 200
    with pytest.raises(ValueError, match=fault):
        open_image(path)


@pytest.mark.parametrize(("width", "height"), [(8192, 8192), (20_000, 200), (1, 100)])
def test_a_size_within_the_limits_is_opened(tmp_path, width, height):
    with open_image(png_header(tmp_path / "x.png", width, height)) as image:
        assert image.size == (width, height)


def test_what_is_no_regular_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    for name in ("pipe.png", "zero.png", "nothing.png"):
        with pytest.raises(UNREADABLE, match="no regular file"):
            open_image(tmp_path / name)


def test_an_image_is_opened(tmp_path):
    Image.new("RGB", (3, 2), "navy").save(tmp_path / "x.png")
    with open_image(tmp_path / "x.png") as image:
        assert image.getpixel((2, 1)) == (0, 0, 128)
