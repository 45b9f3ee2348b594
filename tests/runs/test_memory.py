"""The estimate of memory, and that it refuses before any work."""

import resource
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from reference import worlds
from reference.experiments import experiment

from micrec_pyg.evaluation.evaluate import evaluate
from micrec_pyg.models.ease import EASE
from micrec_pyg.models.ease_xc import EASExc
from micrec_pyg.models.lightgcn import LightGCN
from micrec_pyg.models.micrec import MICRec
from micrec_pyg.nn.ranking import SampledSoftmax
from micrec_pyg.runs import free_memory, memory
from micrec_pyg.schema import EdgeSplit, Feature, InputError


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


def domain(*widths):
    """Return a domain with modalities of these widths."""
    features = {
        f"m{width}": Feature(torch.zeros(2, width), torch.ones(2, dtype=torch.bool))
        for width in widths
    }
    made = worlds.domain("a", torch.zeros(2, 1).long(), num_users=1, num_items=2)
    return replace(made, features=features)


def run(model=LightGCN, dim=64, neighbors=0, users_at_once=10, batch_size=8):
    return experiment(
        make_model=partial(model, dim=dim),
        graph=worlds.options(num_neighbors=neighbors),
        rank=partial(evaluate, ks=[5], batch_size=users_at_once, groups=False),
        fit=replace(experiment().fit, batch_size=batch_size),
    )


def estimate(users=30, items=20, edges=10, widths=(), **options):
    return memory.estimate(
        run(**options), {"a": domain(*widths)}, {"a": split(users, items, edges)}
    )


def test_the_estimate_counts_tables_edges_and_scores() -> None:
    rows = estimate(users=1030) - estimate()
    assert rows == 1000 * 64 * 4 * memory.TABLES
    assert estimate(edges=110) - estimate() == 100 * memory.PER_EDGE
    assert estimate(neighbors=3) - estimate() == 50 * 3 * memory.PER_NEIGHBOR
    assert estimate(users_at_once=20) - estimate() == 2 * 10 * 20 * 4
    # no more rows than users, no more neighbours than nodes
    assert estimate(users_at_once=10**9) == estimate(users_at_once=30)
    assert estimate(neighbors=10**9) == estimate(neighbors=30)


def test_the_estimate_counts_features_only_where_neighbours_are_searched() -> None:
    assert estimate(widths=(7, 3)) == estimate()
    with_features = estimate(neighbors=3, widths=(7, 3)) - estimate(neighbors=3)
    assert with_features == 50 * 10 * 4 * memory.FEATURES


def test_the_estimate_counts_batches_by_what_a_model_asks_for() -> None:
    class Rows(LightGCN):
        terms: ClassVar = {"elbo": "users"}

    sample = 3 * (64 * 4 * memory.PER_VECTOR + memory.PER_SAMPLE)
    assert estimate(batch_size=1008) - estimate() == 1000 * sample
    rows = estimate(model=Rows, batch_size=18) - estimate(model=Rows)
    assert rows == 10 * 20 * 4 * memory.ROWS
    assert estimate(model=Rows, batch_size=10**9) == estimate(model=Rows, batch_size=30)


def pooled(pool, in_batch=False):
    """Return the estimate for a model that compares with a pool."""
    loss = SampledSoftmax(
        temperature=0.1, cosine=True, num_negatives=pool, in_batch=in_batch, log_q=False
    )
    return estimate(items=100, model=partial(LightGCN, loss=loss))


def test_the_estimate_counts_a_pool_once_and_every_comparison_with_it() -> None:
    vector = 64 * 4 * memory.PER_VECTOR + memory.PER_SAMPLE
    pairs = 8 * memory.PER_COMPARED  # of the eight samples of a batch
    assert pooled(30) - pooled(20) == 10 * (vector + pairs)
    assert pooled(30, in_batch=True) - pooled(30) == 8 * pairs
    assert pooled(10**9) == pooled(100)  # no more than all items
    # in place of a negative for each sample
    assert pooled(30) - estimate(items=100) == 30 * (vector + pairs) - 8 * vector


def test_the_estimate_counts_the_matrix_of_a_closed_form() -> None:
    sizes = {"users": 5000, "items": 4500}
    closed = partial(EASE, ridge=1.0)
    none = estimate(model=partial(closed, max_dense=4499), **sizes)
    dense = estimate(model=partial(closed, max_dense=4500), **sizes)
    assert dense - none == 3 * 4500**2 * 4
    small = estimate(model=partial(closed, max_dense=4500), items=30, users=20)
    none = estimate(model=partial(closed, max_dense=19), items=30, users=20)
    assert small - none == 3 * 20**2 * 8  # inverted in double precision


def test_one_matrix_of_all_domains_where_the_closed_form_joins_them() -> None:
    settings = {"content": {"text": 1.0, "image": 1.0}, "content_dim": 3}
    inputs = [
        {name: made for name in ("a", "b")} for made in (domain(), split(30, 40, 10))
    ]
    found = [
        memory.estimate(run(model=partial(EASExc, **settings, max_dense=most)), *inputs)
        for most in (65, 66)  # two times 30 users, and 6 axes
    ]
    assert found[1] - found[0] == 3 * 66**2 * 8


def test_the_estimate_counts_the_heads_of_a_model_that_aligns() -> None:
    tables = 2 * memory.TABLES * 50 * 4 * 1000  # what else grows with d
    growth = estimate(model=MICRec, dim=2000) - estimate(model=MICRec, dim=1000)
    assert growth > 2 * 4 * memory.HEADS * (2000**2 - 1000**2)
    assert growth < 2 * 4 * memory.HEADS * (2000**2 - 1000**2) + tables


@pytest.mark.parametrize(
    ("options", "gib"),
    [
        # 50 nodes x 2**26 x 4 bytes x 9 tables, batches, and 0.8 GiB of libraries
        ({"dim": 2**26}, r"137\.3"),
        ({"model": MICRec, "dim": 65536}, r"193\.0"),
        ({"batch_size": 300_000_000}, r"959\.7"),
    ],
)
def test_what_does_not_fit_is_refused_with_both_numbers(
    monkeypatch: pytest.MonkeyPatch, options, gib
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device, taken: 2**30)
    inputs = {"a": domain()}, {"a": split(30, 20, 10)}
    memory.check_memory(run(), *inputs)
    with pytest.raises(InputError, match=rf"about {gib} GiB on cpu and 1\.0 GiB are"):
        memory.check_memory(run(**options), *inputs)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"proc/meminfo": "MemTotal: 9 kB\nMemAvailable:   2048 kB\n"}, 2**21),
        ({"sys/fs/cgroup/memory.max": "1048576\n"}, 2**20),
        (  # systemd-run: the limit is that of a group above the process
            {
                "proc/self/cgroup": "0::/user.slice/run-1.scope/app\n",
                "sys/fs/cgroup/user.slice/run-1.scope/app/memory.max": "max\n",
                "sys/fs/cgroup/user.slice/run-1.scope/memory.max": "700000000\n",
            },
            700_000_000,
        ),
        (  # Slurm with version 1
            {
                "proc/self/cgroup": "3:cpuset:/\n4:cpu,memory:/slurm/job_7/step_0\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2**63 - 4096}\n",
                "sys/fs/cgroup/memory/slurm/job_7/memory.limit_in_bytes": "2048\n",
            },
            2048,
        ),
        (  # both versions at once
            {
                "proc/self/cgroup": "4:memory:/\n0::/a\n",
                "sys/fs/cgroup/unified/a/memory.max": "512\n",
            },
            512,
        ),
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
    monkeypatch.setattr(free_memory, "Path", lambda path: tmp_path / path.lstrip("/"))
    assert free_memory.free_bytes("cpu") == expected


def test_a_limit_of_addresses_counts_beside_what_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = resource.getpagesize()
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/statm").write_text("30 20 10 1 0 5 0\n")
    monkeypatch.setattr(free_memory, "Path", lambda path: tmp_path / path.lstrip("/"))
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (100 * page, 200 * page))
    assert free_memory.free_bytes("cpu") == 70 * page
    assert free_memory.free_bytes("cpu", taken=5) == 70 * page + 5
