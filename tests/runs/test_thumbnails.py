"""Small pictures of items: how large, of what, and what happens to bad files."""

import io
import logging

import polars as pl
import pytest
from PIL import Image

from micrec_pyg.runs import thumbnails
from micrec_pyg.runs.thumbnails import thumbnail, write_thumbnails


def picture(path, size, *, half="red", **save):
    """Write an image whose left half has one colour and whose right half is blue."""
    image = Image.new("RGB", size, "blue")
    image.paste(half, (0, 0, size[0] // 2, size[1]))
    image.save(path, **save)
    return str(path)


def opened(jpeg):
    return Image.open(io.BytesIO(jpeg))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((800, 800), (160, 160)),
        ((400, 600), (160, 240)),
        ((1000, 100), (160, 16)),
        ((100, 1000), (24, 240)),
        ((92, 138), (92, 138)),
        ((1, 1), (1, 1)),
    ],
)
@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_a_picture_keeps_its_form_and_is_never_enlarged(
    tmp_path, size, expected, ending
):
    small = opened(thumbnail(picture(tmp_path / f"x.{ending}", size)))
    assert small.format == "JPEG"
    assert small.mode == "RGB"
    assert small.size == expected
    if min(size) > 90:
        left, right = (small.getpixel((x, 8)) for x in (3, expected[0] - 4))
        assert left[0] > 200 > 60 > left[2]
        assert right[2] > 200 > 60 > right[0]


def test_it_stands_upright_and_tells_nothing_of_the_camera(tmp_path):
    tags = Image.Exif()
    tags[0x0112], tags[0x010F] = 6, "a camera"  # turned by 90 degrees; its maker
    path = picture(tmp_path / "x.jpg", (300, 200), exif=tags, comment=b"a place")
    jpeg = thumbnail(path)
    assert opened(jpeg).size == (160, 240)
    top, bottom = (opened(jpeg).getpixel((80, y)) for y in (8, 232))
    assert top[0] > 200 > 60 > bottom[0]
    assert b"camera" not in jpeg
    assert b"a place" not in jpeg
    assert not opened(jpeg).getexif()


def test_what_is_transparent_stands_on_white(tmp_path):
    Image.new("RGBA", (50, 50), (0, 0, 0, 0)).save(tmp_path / "x.png")
    assert opened(thumbnail(str(tmp_path / "x.png"))).getpixel((25, 25)) == (255,) * 3


@pytest.fixture
def images(tmp_path):
    """Return images of five items: two good, one absent, two that cannot be read."""
    (tmp_path / "text.jpg").write_text("no image")
    cut = picture(tmp_path / "cut.png", (300, 300))
    content = (tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(content[: len(content) // 2])
    return pl.Series(
        [
            picture(tmp_path / "a.png", (300, 300)),
            None,
            str(tmp_path / "text.jpg"),
            cut,
            picture(tmp_path / "b.png", (300, 300), half="green"),
        ]
    )


@pytest.mark.parametrize("shared", [True, False])
def test_what_cannot_be_read_has_no_picture_and_is_counted(
    tmp_path, images, caplog, shared
):
    cache = str(tmp_path / "cache") if shared else None
    with caplog.at_level(logging.INFO):
        write_thumbnails(
            tmp_path / "t.parquet", images, name="shop", digest="d", cache_dir=cache
        )
    table = pl.read_parquet(tmp_path / "t.parquet")
    assert table["item"].to_list() == [0, 4]
    assert table["jpeg"].to_list() == [thumbnail(images[0]), thumbnail(images[4])]
    assert "domain 'shop': 2 pictures of items" in caplog.text
    assert "domain 'shop': 2 of 4 images cannot be read" in caplog.text


def test_pictures_stop_at_a_size(tmp_path, images, caplog, monkeypatch):
    monkeypatch.setattr(thumbnails, "MAX_BYTES", len(thumbnail(images[0])))
    write_thumbnails(
        tmp_path / "t.parquet", images, name="shop", digest="d", cache_dir=None
    )
    assert pl.read_parquet(tmp_path / "t.parquet")["item"].to_list() == [0]
    assert "pictures stop at 0 MB; 1 items have none" in caplog.text


def test_runs_on_the_same_data_share_the_pictures(tmp_path, images):
    first, second = tmp_path / "1.parquet", tmp_path / "2.parquet"
    settings = {"name": "shop", "digest": "d", "cache_dir": str(tmp_path / "cache")}
    write_thumbnails(first, images, **settings)
    (kept,) = (tmp_path / "cache").glob("thumbnails-*/thumbnails.parquet")
    gone = pl.Series(["nothing"] * 5)
    write_thumbnails(second, gone, **settings)
    assert second.read_bytes() == first.read_bytes()
    # a damaged one is made anew, of what is there now
    kept.write_bytes(b"damaged")
    write_thumbnails(second, gone, **settings)
    assert pl.read_parquet(second).height == 0
