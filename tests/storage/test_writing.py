"""Files and folders appear whole or not at all, with the rights of the umask."""

import errno
import json
import multiprocessing
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
import torch
import yaml

from micrec_pyg.schema import StorageError
from micrec_pyg.storage import parts
from micrec_pyg.storage.parts import OLD_S, part_folder, remove_stale_parts
from micrec_pyg.storage.tensors import read_tensors, write_tensors
from micrec_pyg.storage.writing import (
    put,
    whole,
    write_folder,
    write_json,
    write_parquet,
    write_text,
    write_yaml,
)

Write = Callable[[Path, int], None]


def _folder(path: Path, value: int) -> None:
    write_folder(path, lambda folder: write_text(folder / "a", str(value)))


WRITERS: dict[str, Write] = {
    "text": lambda path, value: write_text(path, "x" * value),
    "json": lambda path, value: write_json(path, {"a": [0.5] * value}),
    "yaml": lambda path, value: write_yaml(path, {"a": "x" * value}),
    "parquet": lambda path, value: write_parquet(
        path, pl.DataFrame({"a": torch.rand(value).numpy()})
    ),
    "tensors": lambda path, value: write_tensors(path, {"a": torch.rand(value)}, {}),
    "folder": _folder,
}


@pytest.fixture(params=WRITERS)
def write(request: pytest.FixtureRequest) -> Write:
    return WRITERS[request.param]


@pytest.fixture
def umask() -> Iterator[Callable[[int], None]]:
    before = os.umask(0o022)
    yield lambda value: (os.umask(value), None)[1]
    os.umask(before)


@pytest.fixture
def small_files() -> Iterator[None]:
    """Let no file grow beyond some bytes, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "a.txt", "ü\n")
    write_json(tmp_path / "a.json", {"b": 1, "a": None})
    write_yaml(tmp_path / "a.yaml", {"b": 1, "a": None})
    write_parquet(tmp_path / "a.parquet", pl.DataFrame({"a": [1, 2]}))
    assert (tmp_path / "new" / "a.txt").read_bytes() == "ü\n".encode()
    assert (tmp_path / "a.json").read_text() == '{\n "b": 1,\n "a": null\n}\n'
    assert json.loads((tmp_path / "a.json").read_text()) == {"b": 1, "a": None}
    assert (tmp_path / "a.yaml").read_text() == "b: 1\na: null\n"
    assert yaml.safe_load((tmp_path / "a.yaml").read_text()) == {"b": 1, "a": None}
    assert pl.read_parquet(tmp_path / "a.parquet")["a"].to_list() == [1, 2]
    assert listed(tmp_path) == ["a.json", "a.parquet", "a.yaml", "new"]


def test_rights_follow_the_umask(
    tmp_path: Path, write: Write, umask: Callable[[int], None]
) -> None:
    for mask, rights in ((0o022, 0o644), (0o077, 0o600), (0o002, 0o664)):
        umask(mask)
        path = tmp_path / str(mask)
        write(path, 10)
        file = path / "a" if path.is_dir() else path
        assert file.stat().st_mode & 0o777 == rights
        if path.is_dir():
            assert path.stat().st_mode & 0o777 == 0o777 & ~mask


def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*paths: object) -> None:
        raise KeyboardInterrupt

    write(tmp_path / "a", 10)
    before = listed(tmp_path)
    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a", 20)
    assert listed(tmp_path) == before == ["a"]


@pytest.mark.parametrize("kind", ["text", "json", "yaml", "parquet", "tensors"])
def test_a_file_that_finds_no_room_is_one_sentence(
    tmp_path: Path, small_files: None, kind: str
) -> None:
    WRITERS[kind](tmp_path / "a", 10)
    before = (tmp_path / "a").read_bytes()
    with pytest.raises(StorageError) as caught:
        WRITERS[kind](tmp_path / "a", 3000)
    assert str(caught.value).startswith(f"{tmp_path / 'a'}: the file is larger than")
    assert listed(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == before


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, "the disk is full; make room, or choose another folder"),
        (errno.EACCES, "permission is denied; change its rights, or"),
        (errno.EROFS, "the disk is read-only; choose another folder"),
        (errno.ETXTBSY, "Text file busy"),
    ],
)
def test_every_refusal_names_the_file_asked_for(
    tmp_path: Path,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    text: str,
) -> None:
    def refuse(source: object, target: object) -> None:
        raise OSError(number, os.strerror(number), str(source), None, str(target))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StorageError) as caught:
        write(tmp_path / "a", 10)
    path = tmp_path / "a" / "a" if write is _folder else tmp_path / "a"
    assert str(caught.value).startswith(f"{path}: {text}")
    assert listed(tmp_path) == []


def test_a_file_in_the_way_of_a_folder_and_the_reverse(
    tmp_path: Path, write: Write
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder" / "full").mkdir(parents=True)
    with pytest.raises(StorageError, match="a file stands where a folder belongs"):
        write(tmp_path / "file" / "a", 10)
    if write is not _folder:
        with pytest.raises(StorageError, match="folder: a folder stands where a file"):
            write(tmp_path / "folder", 10)
    assert listed(tmp_path) == ["file", "folder"]


def test_a_name_that_is_too_long_is_one_sentence(tmp_path: Path, write: Write) -> None:
    write(tmp_path / ("ü" * 127), 10)
    with pytest.raises(StorageError, match="name is too long; choose a shorter one"):
        write(tmp_path / ("ü" * 128), 10)


def test_an_error_about_another_file_names_that(tmp_path: Path) -> None:
    other = tmp_path / "other"
    with (
        pytest.raises(StorageError, match=f"^{other}: there is no such file"),
        whole(tmp_path / "a") as part,
    ):
        part.write_bytes(other.read_bytes())


def test_a_broken_writer_leaves_nothing(tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_folder(tmp_path / "data" / "set", fill)
    assert listed(tmp_path / "data") == []


def test_text_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "a", "\ud800")
    assert listed(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_who_finished_a_folder_first_wins(tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "late").touch()
        (tmp_path / "set").mkdir()
        (tmp_path / "set" / "early").touch()

    write_folder(tmp_path / "set", fill)
    assert listed(tmp_path / "set") == ["early"]
    assert listed(tmp_path) == ["set"]


def test_a_finished_file_is_put_in_place(tmp_path: Path) -> None:
    (tmp_path / "part").write_text("new")
    (tmp_path / "a").write_text("old")
    put(tmp_path / "part", tmp_path / "a")
    assert listed(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "new"
    with pytest.raises(StorageError, match="there is no such file"):
        put(tmp_path / "part", tmp_path / "a")


def _die_inside(path: Path) -> None:
    with whole(path) as part:
        part.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)


# from Python 3.12 on; the fork of these threads only writes and is killed
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_what_a_kill_left_is_removed(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_die_inside, args=(tmp_path / "a",))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert len(listed(tmp_path)) == 1
    with whole(tmp_path / "b") as part:
        part.write_text("b")
        remove_stale_parts(tmp_path)
        # of a process that is alive: this one
        assert listed(tmp_path) == [part.parent.name]
    assert listed(tmp_path) == ["b"]


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    names = [".a.part", "a.part", ".a.b.part", ".a.host-1.part", "b.part.sha256"]
    for name in names:
        (tmp_path / name).mkdir()
    other = tmp_path / ".a.elsewhere-999999999-0.part"
    other.mkdir()
    remove_stale_parts(tmp_path)
    assert listed(tmp_path) == sorted([*names, other.name])
    # of another machine, so only its age tells
    os.utime(other, times=(1, 1))
    remove_stale_parts(tmp_path)
    assert listed(tmp_path) == sorted(names)
    remove_stale_parts(tmp_path / "missing")


def test_a_process_id_that_is_in_use_again_is_told_by_its_start(
    tmp_path: Path,
) -> None:
    mine = part_folder(tmp_path / "a")
    mine.mkdir()
    remove_stale_parts(tmp_path)
    assert mine.is_dir()
    # Written before this process began: by another one of the same number.
    before = start_of_this_process() - 10
    os.utime(mine, times=(before, before))
    remove_stale_parts(tmp_path)
    assert not mine.exists()


def start_of_this_process() -> float:
    """Return when this process began, by the age that ps knows."""
    found = subprocess.run(
        ["ps", "-o", "etimes=", "-p", str(os.getpid())],
        check=True,
        capture_output=True,
        text=True,
    )
    return time.time() - float(found.stdout)


def test_where_no_start_is_known_a_day_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "_started", lambda process: 0.0)
    mine = part_folder(tmp_path / "a")
    mine.mkdir()
    for age, stays in ((OLD_S / 2, True), (OLD_S + 1, False)):
        at = time.time() - age
        os.utime(mine, times=(at, at))
        remove_stale_parts(tmp_path)
        assert mine.exists() == stays


def test_tensors_come_back_as_they_were(tmp_path: Path) -> None:
    shared = torch.randn(3, 4)
    tensors = {
        "a": shared,
        "a again": shared,
        "turned": shared.T,
        "bytes": torch.arange(5).byte(),
        "none": torch.zeros(0, 2),
        "one": torch.tensor(1.5),
        "half": torch.ones(3).bfloat16(),
        "flags": torch.tensor([True, False]),
    }
    meta = {"list": [1, None, 0.1], "x": {"y": "z"}}
    write_tensors(tmp_path / "new" / "c.safetensors", tensors, meta)
    found, found_meta = read_tensors(tmp_path / "new" / "c.safetensors")
    assert found_meta == meta
    assert found.keys() == tensors.keys()
    for name, value in tensors.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value)
