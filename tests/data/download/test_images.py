"""Images from a real server: side by side, resumed, and the dead ones listed."""

import io
import threading

import polars as pl
import pytest
from file_server import file_server
from PIL import Image

from micrec_pyg.data.download import connection as transfer
from micrec_pyg.data.download import images
from micrec_pyg.data.download.images import REPORT, fetch_images
from micrec_pyg.schema import InputError


def picture(kind, color="red"):
    content = io.BytesIO()
    Image.new("RGB", (40, 30), color).save(content, kind)
    return content.getvalue()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(transfer, "WAIT_S", 0)
    with file_server() as running:
        yield running


def addresses(server, items):
    rows = [(item, f"{server.url}/{item}") for item in items]
    return pl.DataFrame(rows, schema=["item", "url"], orient="row")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def report(folder):
    return {row["item"]: row for row in pl.read_csv(folder / REPORT).to_dicts()}


def test_every_format_gets_its_ending(server, tmp_path):
    kinds = {"a": "JPEG", "b": "PNG", "c": "WEBP", "d": "GIF", "e": "BMP"}
    server.files = {f"/{item}": picture(kind) for item, kind in kinds.items()}
    done = fetch_images(addresses(server, kinds), tmp_path, workers=3)
    assert (done.fetched, done.there, done.dead.height) == (5, 0, 0)
    assert names(tmp_path) == ["a.jpg", "b.png", "c.webp", "d.gif", "dead.csv", "e.bmp"]
    assert (tmp_path / "b.png").read_bytes() == server.files["/b"]
    assert report(tmp_path) == {}


def test_they_are_fetched_at_once(server, tmp_path):
    items = ["a", "b", "c", "d"]
    server.files = {f"/{item}": picture("PNG") for item in items}
    barrier = threading.Barrier(4)  # nobody is answered before all four are here
    server.faults = {f"GET /{item}": [("meet", barrier)] for item in items}
    assert fetch_images(addresses(server, items), tmp_path, workers=4).fetched == 4
    assert not barrier.broken


def test_what_is_there_is_not_asked_for(server, tmp_path):
    server.files = {f"/{item}": picture("PNG") for item in "abc"}
    (tmp_path / "a.jpg").write_bytes(b"placed by hand")
    done = fetch_images(addresses(server, "abc"), tmp_path, workers=2)
    assert (done.there, done.fetched) == (1, 2)
    assert {path for _, path, _ in server.asked} == {"/b", "/c"}
    assert (tmp_path / "a.jpg").read_bytes() == b"placed by hand"
    server.asked.clear()
    again = fetch_images(addresses(server, "abc"), tmp_path, workers=2)
    assert (again.there, again.fetched, server.asked) == (3, 0, [])


def test_the_dead_are_listed_with_reasons(server, tmp_path, monkeypatch):
    monkeypatch.setattr(images, "LIMIT", 4000)
    good = picture("PNG")
    server.files = {
        "/fine": good,
        "/page": b"<html>no image</html>",
        "/cut": good[: len(good) // 2],
        "/huge": b"x" * 4001,
        "/tiff": picture("TIFF"),
        "/..%2Fup": good,
    }
    secret = tmp_path / "secret.png"
    secret.write_bytes(good)
    urls = addresses(server, ["fine", "gone", "page", "cut", "huge", "tiff"])
    more = [("local", secret.as_uri()), ("../up", f"{server.url}/..%2Fup")]
    urls = pl.concat([urls, pl.DataFrame(more, schema=urls.schema, orient="row")])
    folder = tmp_path / "images"
    done = fetch_images(urls, folder, workers=4)
    assert names(folder) == ["dead.csv", "fine.png"]
    assert not (tmp_path / "up.png").exists()
    found = report(folder)
    reasons = {
        "gone": "404",
        "page": "sent a web page",
        "cut": "not a readable image",
        "huge": "more than 4,000 bytes",
        "tiff": "not a readable image",
        "local": "not of the web",
        "../up": "no name of a file",
    }
    assert found.keys() == reasons.keys()
    for item, reason in reasons.items():
        assert reason in found[item]["reason"]
        assert found[item]["permanent"]
    assert "1 images fetched, 0 were there, 7 are dead" in str(done)
    # the dead for good are not asked for again, and stay in the list
    server.asked.clear()
    again = fetch_images(urls, folder, workers=4)
    assert (server.asked, again.there, again.fetched) == ([], 1, 0)
    assert report(folder) == found
    # another address for such an item is worth a try, and so is a deleted list
    server.files["/new"] = good
    better = pl.DataFrame([("gone", f"{server.url}/new")], urls.schema, orient="row")
    assert fetch_images(better, folder, workers=1).fetched == 1
    (folder / REPORT).unlink()
    server.files["/page"] = good
    assert fetch_images(urls, folder, workers=4).fetched == 1


def test_what_failed_for_now_is_asked_for_again(server, tmp_path, monkeypatch):
    monkeypatch.setattr(images, "ROUND", 2)
    content = picture("PNG")
    server.files = {f"/{item}": content for item in "abcde"}
    busy = [("drop", 30), *[("code", 503)] * transfer.RETRIES]
    server.faults = {"GET /b": list(busy), "GET /e": list(busy)}
    first = fetch_images(addresses(server, "abcde"), tmp_path, workers=2)
    assert (first.fetched, sorted(first.dead["item"])) == (3, ["b", "e"])
    assert not any(row["permanent"] for row in report(tmp_path).values())
    server.asked.clear()
    second = fetch_images(addresses(server, "abcde"), tmp_path, workers=2)
    assert (second.there, second.fetched, second.dead.height) == (3, 2, 0)
    assert sorted(server.asked) == [
        ("GET", "/b", "bytes=30-"),
        ("GET", "/e", "bytes=30-"),
    ]
    assert (tmp_path / "b.png").read_bytes() == content
    assert not (tmp_path / ".parts").exists()


def test_no_image_at_all(tmp_path):
    urls = pl.DataFrame(schema={"item": pl.String, "url": pl.String})
    assert fetch_images(urls, tmp_path, workers=1).fetched == 0


def test_impossible_options(server, tmp_path):
    with pytest.raises(InputError, match="image_workers=0"):
        fetch_images(addresses(server, "a"), tmp_path, workers=0)
    (tmp_path / REPORT).write_text("one,two\n1,2\n")
    with pytest.raises(InputError, match="delete it"):
        fetch_images(addresses(server, "a"), tmp_path, workers=1)


def test_one_bad_address_or_id_stops_nothing(server, tmp_path):
    good = picture("PNG")
    server.files = {"/fine": good, "/also": good}
    bad = {
        "a": "http://[x/a.jpg",
        "b": f"{server.url}/\u00e9.jpg",
        "c": f"{server.url}/a b",
        ".": f"{server.url}/fine",
        "..": f"{server.url}/fine",
        ".parts": f"{server.url}/fine",
        "x" * 300: f"{server.url}/fine",
    }
    rows = [
        ("fine", f"{server.url}/fine"),
        *bad.items(),
        ("also", f"{server.url}/also"),
    ]
    urls = pl.DataFrame(rows, schema=["item", "url"], orient="row")
    folder = tmp_path / "images"
    done = fetch_images(urls, folder, workers=2)
    assert (done.fetched, done.dead.height) == (2, len(bad))
    assert names(folder) == ["also.png", "dead.csv", "fine.png"]
    assert names(tmp_path) == ["images"]
    found = report(folder)
    assert found.keys() == bad.keys()
    assert all(row["permanent"] for row in found.values())
    again = fetch_images(urls, folder, workers=2)
    assert (again.there, again.fetched, again.dead.height) == (2, 0, len(bad))


def test_a_full_disk_marks_no_image_as_dead(server, tmp_path, monkeypatch):
    server.files = {"/a": picture("PNG")}
    monkeypatch.setattr(transfer, "_write", _full)
    with pytest.raises(InputError, match="make room"):
        fetch_images(addresses(server, "a"), tmp_path, workers=1)
    monkeypatch.undo()
    assert fetch_images(addresses(server, "a"), tmp_path, workers=1).fetched == 1


def _full(file, chunk, part):
    raise transfer._no_room(part, OSError(28, "No space left on device"))
