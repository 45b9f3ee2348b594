"""Fetching: resumed, checked, and clear about what went wrong. No network."""

import collections
import hashlib
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from file_server import file_server

from micrec_pyg.data.download import connection as transfer
from micrec_pyg.data.download import fetch as download
from micrec_pyg.data.download.fetch import (
    Remote,
    check_free_space,
    fetch,
    fetch_all,
    fetch_wheel,
    remaining_bytes,
    verified_sha256,
)
from micrec_pyg.schema import InputError

CONTENT = bytes(range(256)) * 40
SIZE = len(CONTENT)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(transfer, "WAIT_S", 0)
    with file_server() as running:
        running.files["/file"] = CONTENT
        yield running


def requests(server):
    return [(method, span) for method, _, span in server.asked]


def test_a_file_is_fetched_once(server, tmp_path):
    target = tmp_path / "raw" / "file"
    for _ in range(2):
        assert fetch(f"{server.url}/file", target, sha256=SHA256, size=SIZE) == target
    assert target.read_bytes() == CONTENT
    assert requests(server) == [("GET", None)]
    assert [path.name for path in target.parent.iterdir()] == ["file"]


def test_an_interrupted_file_goes_on_where_it_stopped(server, tmp_path):
    target = tmp_path / "file"
    server.faults["GET /file"] = [("drop", 100), *[("drop", 0)] * 9]
    with pytest.raises(InputError, match="run the same command again"):
        fetch(f"{server.url}/file", target, sha256=SHA256, size=SIZE)
    assert (tmp_path / "file.part").read_bytes() == CONTENT[:100]
    assert not target.exists()
    server.faults.clear()
    server.asked.clear()
    fetch(f"{server.url}/file", target, sha256=SHA256, size=SIZE)
    assert target.read_bytes() == CONTENT
    assert requests(server) == [("GET", "bytes=100-")]


def test_a_server_without_ranges_sends_the_file_anew(server, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT[:100])
    server.without_ranges.add("/file")
    fetch(f"{server.url}/file", tmp_path / "file", sha256=SHA256, size=SIZE)
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("rest", [b"x" * SIZE, b"x" * (SIZE + 1)])
def test_a_wrong_or_too_long_rest_is_not_kept(server, tmp_path, rest):
    (tmp_path / "file.part").write_bytes(rest)
    if len(rest) == SIZE:
        with pytest.raises(InputError, match=f"needed: {SHA256}"):
            fetch(f"{server.url}/file", tmp_path / "file", sha256=SHA256, size=SIZE)
        assert list(tmp_path.iterdir()) == []
    fetch(f"{server.url}/file", tmp_path / "file", sha256=SHA256, size=SIZE)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_wrong_file_in_place_is_refused_and_left_alone(tmp_path):
    target = tmp_path / "file"
    target.write_bytes(b"mine")
    with pytest.raises(InputError, match="delete the file and fetch it again"):
        fetch("http://127.0.0.1:9/file", target, sha256=SHA256, size=SIZE)
    assert target.read_bytes() == b"mine"


def test_no_answer_is_one_clear_sentence(server, tmp_path):
    for url in (f"{server.url}/missing", (tmp_path / "nothing").as_uri()):
        with pytest.raises(InputError, match="cannot be fetched"):
            fetch(url, tmp_path / "file", sha256=SHA256, size=SIZE)


def test_a_full_disk_is_noticed_before(tmp_path):
    with pytest.raises(InputError, match="needed: 1,000,000,000,000,000,000"):
        check_free_space(tmp_path, 10**18)
    with pytest.raises(InputError, match="make room"):
        fetch("file:///nothing", tmp_path / "file", sha256=SHA256, size=10**18)


def remote(server, tmp_path, name="file", sha256=None):
    return Remote(f"{server.url}/{name}", tmp_path / "raw" / name, sha256)


def test_the_first_download_is_recorded_and_checked_from_then_on(server, tmp_path):
    server.tags["/file"] = '"one"'
    mine = remote(server, tmp_path)
    fetch_all([mine])
    assert mine.target.read_bytes() == CONTENT
    # the form of sha256sum -c
    assert mine.record.read_text() == f"{SHA256}  file\n"
    assert sorted(p.name for p in mine.target.parent.iterdir()) == [
        "file",
        "file.sha256",
    ]
    assert verified_sha256(mine.target, None) == SHA256
    server.asked.clear()
    fetch_all([mine])
    assert server.asked == []
    mine.target.write_bytes(b"changed")
    with pytest.raises(InputError, match=f"needed: {SHA256}"):
        verified_sha256(mine.target, None)


def test_a_known_checksum_goes_before_the_record(server, tmp_path):
    with pytest.raises(InputError, match="needed: 00"):
        fetch_all([remote(server, tmp_path, sha256="00")])
    assert list((tmp_path / "raw").iterdir()) == []
    fetch_all([remote(server, tmp_path, sha256=SHA256)])
    assert [p.name for p in (tmp_path / "raw").iterdir()] == ["file"]
    with pytest.raises(InputError, match="needed: 00"):
        verified_sha256(tmp_path / "raw" / "file", "00")


def test_nothing_is_fetched_if_one_file_does_not_exist(server, tmp_path):
    both = [remote(server, tmp_path), remote(server, tmp_path, "missing")]
    with pytest.raises(InputError, match="missing: cannot be fetched"):
        fetch_all(both)
    assert "GET" not in [method for method, _ in requests(server)]


def test_nothing_is_fetched_if_not_all_files_have_room(server, tmp_path, monkeypatch):
    server.files["/other"] = CONTENT * 2
    both = [remote(server, tmp_path), remote(server, tmp_path, "other")]
    usage = collections.namedtuple("usage", "free")
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage(3 * SIZE - 1))
    with pytest.raises(InputError, match=f"needed: {3 * SIZE:,}; make room"):
        fetch_all(both)
    assert "GET" not in [method for method, _ in requests(server)]
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage(3 * SIZE))
    fetch_all(both)
    assert both[1].target.read_bytes() == CONTENT * 2


def test_a_rest_without_a_version_is_not_trusted(server, tmp_path):
    mine = remote(server, tmp_path)
    mine.part.parent.mkdir()
    mine.part.write_bytes(b"x" * 100)
    fetch_all([mine])  # no checksum and no ETag: the beginning may be of another file
    assert mine.target.read_bytes() == CONTENT


def test_what_is_left_counts_the_beginning_that_is_there(server, tmp_path):
    files = {name: remote(server, tmp_path, name) for name in ("file", "old", "silent")}
    server.files |= {"/old": b"old", "/silent": b"?"}
    server.faults["HEAD /silent"] = [("code", 405)]
    files["old"].target.parent.mkdir()
    files["old"].target.write_bytes(b"old")
    files["file"].part.write_bytes(CONTENT[:40])
    left = remaining_bytes(list(files.values()))
    assert list(left.values()) == [SIZE - 40, 0, None]
    assert {method for method, _ in requests(server)} == {"HEAD"}


@pytest.fixture
def demo_wheel(tmp_path, monkeypatch):
    """A package index of one folder, and the only one pip may ask."""
    folder = tmp_path / "index"
    folder.mkdir()
    wheel = folder / "demo_data-1.0-py3-none-any.whl"
    info = "demo_data-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        head = "Metadata-Version: 2.1\nName: demo-data\nVersion: 1.0\n"
        archive.writestr(f"{info}/METADATA", head)
        tag = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{info}/WHEEL", tag)
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return wheel


def test_pip_fetches_a_wheel_as_a_file(demo_wheel, tmp_path, monkeypatch):
    good = hashlib.sha256(demo_wheel.read_bytes()).hexdigest()
    target = tmp_path / "raw" / demo_wheel.name
    options = {"sha256": good, "size": demo_wheel.stat().st_size}
    fetch_wheel("demo-data==1.0", target, **options)
    assert target.read_bytes() == demo_wheel.read_bytes()
    demo_wheel.unlink()  # the second time nobody is asked
    assert fetch_wheel("demo-data==1.0", target, **options) == target
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_another_wheel_than_the_pinned_one_is_refused(demo_wheel, tmp_path):
    target = tmp_path / "raw" / demo_wheel.name
    with pytest.raises(InputError, match="needed: 00"):
        fetch_wheel("demo-data==1.0", target, sha256="00", size=1)
    assert list(target.parent.iterdir()) == []


def test_a_package_that_pip_cannot_find(demo_wheel, tmp_path):
    with pytest.raises(InputError, match=r"pip could not fetch demo-data==2\.0: "):
        fetch_wheel("demo-data==2.0", tmp_path / "x.whl", sha256="00", size=1)


def test_two_downloads_into_one_folder_fetch_every_file_once(server, tmp_path, caplog):
    caplog.set_level("INFO")
    remotes = [
        Remote(f"{server.url}/{name}", tmp_path / "raw" / name, sha)
        for name, sha in (("one", SHA256), ("two", None))
    ]
    server.files = {"/one": CONTENT, "/two": CONTENT[::-1]}
    started = threading.Event()
    server.faults["GET /one"] = [("meet", started)]
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(fetch_all, remotes)
        while ("GET", None) not in requests(server):
            time.sleep(0.01)
        second = pool.submit(fetch_all, remotes)
        while "waiting for another download" not in caplog.text:
            time.sleep(0.01)
        started.set()
        first.result(30)
        second.result(30)
    gets = [path for method, path, _ in server.asked if method == "GET"]
    assert sorted(gets) == ["/one", "/two"]
    assert sorted(p.name for p in (tmp_path / "raw").iterdir()) == [
        "one",
        "two",
        "two.sha256",
    ]
