"""Images are opened only where decoding them is harmless."""

import errno
import os
import struct
import zlib

import pytest
from PIL import Image, ImageOps

from micrec_pyg.data.files.images import ImageError, open_image, upright
from micrec_pyg.runs.thumbnails import thumbnail
from micrec_pyg.schema import StorageError


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
    with pytest.raises(ImageError, match=fault):
        open_image(path)


@pytest.mark.parametrize(("width", "height"), [(8192, 8192), (20_000, 200), (1, 100)])
def test_a_size_within_the_limits_is_opened(tmp_path, width, height):
    with open_image(png_header(tmp_path / "x.png", width, height)) as image:
        assert image.size == (width, height)


def test_what_is_no_regular_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    for name in ("pipe.png", "zero.png", "nothing.png"):
        with pytest.raises(ImageError, match="no regular file"):
            open_image(tmp_path / name)


def test_an_image_is_opened(tmp_path):
    Image.new("RGB", (3, 2), "navy").save(tmp_path / "x.png")
    with open_image(tmp_path / "x.png") as image:
        assert image.getpixel((2, 1)) == (0, 0, 128)


def test_a_field_of_exif_of_the_wrong_type_is_a_damaged_image(tmp_path):
    # turned by its orientation, Pillow writes the other fields anew: a width in text
    fields = [(0x0100, 2, 3, b"24\0\0"), (0x0112, 3, 1, b"\6\0\0\0")]
    packed = b"".join(struct.pack("<HHI", *each[:3]) + each[3] for each in fields)
    exif = b"Exif\0\0II*\0\x08\0\0\0\x02\0" + packed + bytes(4)
    Image.new("RGB", (4, 8)).save(tmp_path / "x.jpg", exif=exif)
    with (
        open_image(tmp_path / "x.jpg") as image,
        pytest.raises(ImageError, match="not an integer"),
    ):
        upright(image)


@pytest.mark.parametrize("error", [RuntimeError, TypeError, struct.error, KeyError])
def test_whatever_a_decoder_raises_is_a_damaged_image(tmp_path, monkeypatch, error):
    Image.new("RGB", (3, 2)).save(tmp_path / "x.png")
    monkeypatch.setattr(ImageOps, "exif_transpose", _raising(error("of a decoder")))
    with (
        open_image(tmp_path / "x.png") as image,
        pytest.raises(ImageError, match="of a decoder"),
    ):
        upright(image)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ESTALE])
def test_what_the_system_refuses_is_no_damaged_image(tmp_path, monkeypatch, number):
    path = tmp_path / "x.png"
    Image.new("RGB", (3, 2)).save(path)
    refused = _raising(OSError(number, "of the system"))
    with open_image(path) as image, monkeypatch.context() as patched:
        patched.setattr(ImageOps, "exif_transpose", refused)
        with pytest.raises(StorageError, match=r"x\.png: "):
            upright(image)
    monkeypatch.setattr(Image, "open", refused)
    with pytest.raises(StorageError, match=r"x\.png: "):
        open_image(path)


@pytest.mark.parametrize("number", [errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG])
def test_a_path_that_cannot_be_read_is_no_image(tmp_path, monkeypatch, number):
    path = tmp_path / "x.png"
    Image.new("RGB", (3, 2)).save(path)
    monkeypatch.setattr(Image, "open", _raising(OSError(number, "of the path")))
    with pytest.raises(ImageError, match="of the path"):
        open_image(path)
    assert thumbnail(str(path)) is None


def test_the_memory_is_not_the_fault_of_an_image(tmp_path, monkeypatch):
    Image.new("RGB", (3, 2)).save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "open", _raising(MemoryError()))
    with pytest.raises(MemoryError):
        open_image(tmp_path / "x.png")


def _raising(error):
    def call(*_, **__):
        raise error

    return call
