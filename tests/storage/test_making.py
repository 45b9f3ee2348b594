"""What several processes need is made once; a killed maker frees it."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
import torch

from micrec_pyg.graph.similar.cache import stored_lists
from micrec_pyg.graph.similar.neighbor_lists import NeighborLists
from micrec_pyg.schema import StorageError
from micrec_pyg.storage.lock import FILE, making
from micrec_pyg.storage.seals import kept_folder

FORK = multiprocessing.get_context("fork")


def _search_slowly(folder: Path) -> None:
    def search() -> NeighborLists:
        (folder / f"searched-{os.getpid()}").touch()
        time.sleep(0.3)
        return NeighborLists(torch.tensor([[1], [0]]), torch.ones(2, 1))

    lists = stored_lists("key", num_nodes=2, k=1, cache_dir=str(folder), search=search)
    assert lists.index.tolist() == [[1], [0]]


def _fill_slowly(folder: Path) -> None:
    def fill(target: Path) -> None:
        (folder / f"filled-{os.getpid()}").touch()
        time.sleep(0.3)
        (target / "content").touch()

    kept_folder(folder / "kept", fill)


def _both(target, folder: Path) -> None:
    jobs = [FORK.Process(target=target, args=(folder,)) for _ in range(2)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
        assert job.exitcode == 0


def test_two_processes_search_the_same_neighbours_once(tmp_path: Path) -> None:
    _both(_search_slowly, tmp_path)
    assert len(list(tmp_path.glob("searched-*"))) == 1
    # and the lock is gone
    assert [p.name for p in tmp_path.iterdir() if "making" in p.name] == []


def test_two_processes_convert_the_same_data_once(tmp_path: Path) -> None:
    _both(_fill_slowly, tmp_path)
    assert len(list(tmp_path.glob("filled-*"))) == 1
    assert (tmp_path / "kept" / "content").is_file()


def test_a_folder_that_another_removes_meanwhile_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = os.open, 3

    def racing(path: Path, *rest: int) -> int:
        nonlocal left
        if left and Path(path).name == FILE:
            left -= 1
            Path(path).parent.rmdir()
        return real(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", racing)
        with making(tmp_path / "x"):
            assert left == 0
    assert not [*tmp_path.iterdir()]


def test_what_stands_in_the_way_of_a_lock_is_named(tmp_path: Path) -> None:
    (tmp_path / ".x.making").touch()
    with (
        pytest.raises(StorageError, match=r"x\.making: a file stands where a folder"),
        making(tmp_path / "x"),
    ):
        pass


def _hold(path: Path, held: Path) -> None:
    with making(path):
        held.touch()
        time.sleep(60)


def test_a_killed_maker_frees_what_it_made(tmp_path: Path) -> None:
    holder = FORK.Process(target=_hold, args=(tmp_path / "x", tmp_path / "held"))
    holder.start()
    while not (tmp_path / "held").exists():
        time.sleep(0.01)
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    begin = time.monotonic()
    with making(tmp_path / "x"):
        assert time.monotonic() - begin < 5
