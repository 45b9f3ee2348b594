"""The estimate of memory, and that it refuses before any work."""

from functools import partial
from pathlib import Path

import pytest
import torch
from reference import worlds
from reference.experiments import experiment

from micrec_pyg.evaluation.evaluate import evaluate
from micrec_pyg.models.lightgcn import LightGCN
from micrec_pyg.runs import memory
from micrec_pyg.schema import EdgeSplit, InputError


def split(users, items, edges):
    pairs = torch.zeros(2, edges, dtype=torch.int64)
    return EdgeSplit(
        train=pairs,
        support=pairs[:, :0],
        val=pairs[:, :0],
        test=pairs[:, :0],
        seen_user=torch.ones(users, dtype=torch.bool),
        seen_item=torch.ones(items, dtype=torch.bool),
    )


def run(dim=64, neighbors=0, users_at_once=100):
    return experiment(
        make_model=partial(LightGCN, dim=dim),
        graph=worlds.options(num_neighbors=neighbors),
        rank=partial(evaluate, ks=[5], batch_size=users_at_once, groups=False),
    )


def test_the_estimate_counts_tables_edges_and_scores() -> None:
    small = memory.estimate(run(), {"a": split(30, 20, 10)})
    rows = memory.estimate(run(), {"a": split(1030, 20, 10)}) - small
    assert rows == 1000 * 64 * 4 * memory.TABLES
    edges = memory.estimate(run(), {"a": split(30, 20, 110)}) - small
    assert edges == 100 * memory.PER_EDGE
    near = memory.estimate(run(neighbors=3), {"a": split(30, 20, 10)})
    assert near - small == 50 * 3 * memory.PER_NEIGHBOR
    wide = memory.estimate(run(users_at_once=200), {"a": split(30, 20, 10)})
    assert wide - small == 2 * 100 * 20 * 4


def test_what_does_not_fit_is_refused_with_both_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: 2**30)
    memory.check_memory(run(), {"a": split(30, 20, 10)})
    # 50 nodes x 2**26 x 4 bytes x 9 tables, and 0.8 GiB of libraries
    with pytest.raises(InputError, match=r"about 113\.3 GiB on cpu and 1\.0 GiB are"):
        memory.check_memory(run(dim=2**26), {"a": split(30, 20, 10)})


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"proc/meminfo": "MemTotal: 9 kB\nMemAvailable:   2048 kB\n"}, 2**21),
        ({"sys/fs/cgroup/memory.max": "1048576\n"}, 2**20),
        (
            {
                "proc/meminfo": "MemAvailable: 2048 kB\n",
                "sys/fs/cgroup/memory.max": "max\n",
            },
            2**21,
        ),
        (
            {
                "proc/meminfo": "MemAvailable: 2048 kB\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "1048576\n",
            },
            2**20,
        ),
    ],
)
def test_free_memory_is_the_least_that_the_system_names(
    files: dict[str, str],
    expected: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(memory, "Path", lambda path: tmp_path / path.lstrip("/"))
    assert memory.free_bytes("cpu") == expected
