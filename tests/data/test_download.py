"""Fetching: resumed, checked, and clear about what went wrong. No network."""

import hashlib
import http.server
import threading
import zipfile

import pytest

from micrec_pyg.data.download import check_free_space, fetch, fetch_wheel
from micrec_pyg.schema import InputError

CONTENT = bytes(range(256)) * 40
SIZE = len(CONTENT)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT; knows ranges at /file, drops the line at /broken."""

    def do_GET(self):
        self.server.asked.append(self.headers.get("Range"))
        if self.path == "/missing":
            self.send_error(404)
            return
        start = 0
        if self.path == "/file" and "Range" in self.headers:
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(SIZE - start))
        self.end_headers()
        stop = SIZE // 2 if self.path == "/broken" else SIZE
        self.wfile.write(CONTENT[start:stop])

    def log_message(self, *arguments):
        """Say nothing."""


@pytest.fixture
def server():
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.asked = []
        httpd.url = f"http://127.0.0.1:{httpd.server_port}"
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        yield httpd
        httpd.shutdown()
        thread.join()


def test_a_file_is_fetched_once(server, tmp_path):
    target = tmp_path / "raw" / "file"
    for _ in range(2):
        assert fetch(f"{server.url}/file", target, sha256=SHA256, size=SIZE) == target
    assert target.read_bytes() == CONTENT
    assert server.asked == [None]
    assert [path.name for path in target.parent.iterdir()] == ["file"]


def test_an_interrupted_file_goes_on_where_it_stopped(server, tmp_path):
    target = tmp_path / "file"
    with pytest.raises(InputError, match="run the same command again"):
        fetch(f"{server.url}/broken", target, sha256=SHA256, size=SIZE)
    assert (tmp_path / "file.part").read_bytes() == CONTENT[: SIZE // 2]
    assert not target.exists()
    fetch(f"{server.url}/file", target, sha256=SHA256, size=SIZE)
    assert target.read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={SIZE // 2}-"]


def test_a_server_without_ranges_sends_the_file_anew(server, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT[:100])
    fetch(f"{server.url}/whole", tmp_path / "file", sha256=SHA256, size=SIZE)
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
