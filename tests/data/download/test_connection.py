"""Transfers against a real server that drops, stalls, refuses and changes files."""

import pytest
from file_server import file_server

from micrec_pyg.data.download import connection as module
from micrec_pyg.data.download.connection import TransferError, remote_size, transfer
from micrec_pyg.schema import InputError

CONTENT = bytes(range(256)) * 40
SIZE = len(CONTENT)


@pytest.fixture
def pauses(monkeypatch):
    found = []
    monkeypatch.setattr(module.time, "sleep", found.append)
    return found


@pytest.fixture
def server():
    with file_server() as running:
        running.files["/file"] = CONTENT
        yield running


def test_a_dropped_connection_goes_on_where_it_stopped(server, pauses, tmp_path):
    server.faults["GET /file"] = [("drop", 1000), ("drop", 2000), ("drop", 0)]
    transfer(f"{server.url}/file", tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT
    spans = [span for _, _, span in server.asked]
    assert spans == [None, "bytes=1000-", "bytes=3000-", "bytes=3000-"]
    # progress starts the pauses anew, an attempt without a byte makes the next longer
    assert pauses == [1, 1, 2]


def test_many_drops_with_progress_are_no_failure(server, pauses, tmp_path):
    server.faults["GET /file"] = [("drop", 500)] * 15
    transfer(f"{server.url}/file", tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT
    assert len(pauses) == 15 > module.RETRIES


def test_failures_in_a_row_end_it_and_the_beginning_stays(server, pauses, tmp_path):
    server.faults["GET /file"] = [("drop", 700), *[("code", 503)] * 9]
    with pytest.raises(TransferError, match="run the same command again") as caught:
        transfer(f"{server.url}/file", tmp_path / "part")
    assert not caught.value.permanent
    assert (tmp_path / "part").read_bytes() == CONTENT[:700]
    assert pauses == [1, 2, 4, 8]
    server.faults.clear()
    transfer(f"{server.url}/file", tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT


@pytest.mark.parametrize("code", [403, 404, 410])
def test_a_refusal_is_not_asked_about_twice(server, pauses, tmp_path, code):
    server.faults["GET /file"] = [("code", code)]
    with pytest.raises(TransferError, match=f"cannot be fetched.*{code}") as caught:
        transfer(f"{server.url}/file", tmp_path / "part")
    assert caught.value.permanent
    assert (len(server.asked), pauses) == (1, [])


def test_a_busy_server_is_asked_again(server, pauses, tmp_path):
    server.faults["GET /file"] = [("code", 429), ("code", 500)]
    transfer(f"{server.url}/file", tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT
    assert pauses == [1, 2]


def test_a_silent_server_is_left(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(module, "WAIT_S", 0.01)
    server.faults["GET /file"] = [("stall", 3000)]
    transfer(f"{server.url}/file", tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT
    assert server.asked[1][2] == "bytes=3000-"


def test_another_version_begins_anew(server, pauses, tmp_path):
    server.tags["/file"] = '"one"'
    server.faults["GET /file"] = [("drop", 1000), ("code", 404)]
    with pytest.raises(TransferError):
        transfer(f"{server.url}/file", tmp_path / "part")
    server.files["/file"], server.tags["/file"] = CONTENT[::-1], '"two"'
    transfer(f"{server.url}/file", tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT[::-1]


def test_a_whole_part_is_whole_and_a_longer_one_begins_anew(server, pauses, tmp_path):
    (tmp_path / "part").write_bytes(CONTENT)
    transfer(f"{server.url}/file", tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT
    (tmp_path / "part").write_bytes(b"x" * (SIZE + 5))
    transfer(f"{server.url}/file", tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_again(server, pauses, tmp_path):
    server.without_ranges.add("/file")
    server.faults["GET /file"] = [("drop", 1000)]
    transfer(f"{server.url}/file", tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_no_more_than_the_limit_is_taken(server, pauses, tmp_path):
    transfer(f"{server.url}/file", tmp_path / "part", limit=SIZE)
    with pytest.raises(TransferError, match="more than") as caught:
        transfer(f"{server.url}/file", tmp_path / "other", limit=SIZE - 1)
    assert caught.value.permanent


def test_a_full_disk_is_no_fault_of_the_server(server, pauses, tmp_path):
    (tmp_path / "part").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"cannot be written.*make room") as caught:
        transfer(f"{server.url}/file", tmp_path / "part")
    assert not isinstance(caught.value, TransferError)
    assert pauses == []


def test_sizes_are_asked_without_the_content(server):
    assert remote_size(f"{server.url}/file") == SIZE
    assert server.asked == [("HEAD", "/file", None)]
    server.faults["HEAD /file"] = [("code", 405)]
    assert remote_size(f"{server.url}/file") is None
    for url in (f"{server.url}/no", "http://127.0.0.1:9/file"):
        with pytest.raises(TransferError, match="cannot be fetched"):
            remote_size(url)


def test_the_rest_of_another_version_begins_anew(server, pauses, tmp_path):
    # the server honours Range and ignores If-Range
    part = tmp_path / "part"
    server.tags["/file"] = '"old"'
    server.faults["GET /file"] = [("drop", 1000), *[("drop", 0)] * 9]
    with pytest.raises(TransferError):
        transfer(f"{server.url}/file", part)
    server.faults.clear()
    server.files["/file"], server.tags["/file"] = CONTENT[::-1], '"new"'
    server.without_if_range.add("/file")
    server.asked.clear()
    transfer(f"{server.url}/file", part)
    assert part.read_bytes() == CONTENT[::-1]
    assert [span for _, _, span in server.asked] == ["bytes=1000-", None]


@pytest.mark.parametrize("length", ["abc", "-1", ""])
def test_an_impossible_length_is_no_length(server, tmp_path, length):
    server.headers["/file"] = {"Content-Length": length, "Connection": "close"}
    assert remote_size(f"{server.url}/file") is None
    transfer(f"{server.url}/file", tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<!DOCTYPE html><title>Log in</title>", "text/html; charset=utf-8"),
        (b"\xef\xbb\xbf\n <HTML>", "application/octet-stream"),
        (b"<?xml version='1.0'?><Error/>", "application/xml"),
        (b"please log in", "text/html"),
    ],
)
def test_a_web_page_is_no_file(server, pauses, tmp_path, content, kind):
    server.files["/file"] = content
    server.headers["/file"] = {"Content-Type": kind}
    with pytest.raises(TransferError, match="sent a web page and not the") as caught:
        transfer(f"{server.url}/file", tmp_path / "part")
    assert caught.value.permanent
    assert pauses == []
    assert not (tmp_path / "part").exists()


@pytest.mark.parametrize("content", [b"\x1f\x8bdata", b'{"a": 1}', b"PK\x03\x04"])
def test_data_that_a_server_calls_a_page_are_taken(server, tmp_path, content):
    server.files["/file"] = content
    server.headers["/file"] = {"Content-Type": "text/html"}
    transfer(f"{server.url}/file", tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == content


@pytest.mark.parametrize(
    "url", ["http://[x/a.jpg", "http://h/\u00e9.jpg", "http://h/a b", "nonsense"]
)
def test_an_impossible_address_is_refused_at_once(pauses, tmp_path, url):
    for ask in (lambda: transfer(url, tmp_path / "part"), lambda: remote_size(url)):
        with pytest.raises(TransferError, match="cannot be fetched") as caught:
            ask()
        assert caught.value.permanent
    assert pauses == []
