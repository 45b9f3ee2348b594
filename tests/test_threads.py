"""Blocks of work in threads: the same results, and nothing left behind."""

import threading

import pytest
import torch

from micrec_pyg import blas
from micrec_pyg.threads import in_threads


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """Count measurements in place of making them."""
    count = []
    monkeypatch.setattr(blas, "settle", lambda: count.append(1))
    return count


@pytest.fixture
def four_threads():
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(1)


def test_one_worker_is_the_caller(settled):
    here = threading.get_ident()
    assert in_threads(lambda part: (part, threading.get_ident()), [3, 1], 1) == [
        (3, here),
        (1, here),
    ]
    assert settled == []


@pytest.mark.parametrize(("workers", "share"), [(2, 2), (3, 1), (4, 1), (9, 1)])
def test_results_keep_their_order_and_threads_are_shared_out(
    workers, share, four_threads, settled
):
    meet = threading.Barrier(2)

    def work(part):
        meet.wait(60)  # two of them really run at once
        return part, torch.get_num_threads()

    found = in_threads(work, range(6), workers)
    assert found == [(part, share) for part in range(6)]
    assert settled == [1]
    assert torch.get_num_threads() == 4
    later = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [4]


def test_no_part_is_differentiated_and_inference_mode_goes_along(four_threads):
    weight = torch.ones(2, requires_grad=True)
    products = in_threads(lambda part: weight * part, [1.0, 2.0], 2)
    assert [each.requires_grad for each in products] == [False, False]
    with torch.inference_mode():
        buffer = torch.zeros(2)
        in_threads(lambda part: buffer[part].add_(1), [0, 1], 2)
        inside = in_threads(lambda _: torch.ones(1), [0, 1], 2)
    assert buffer.tolist() == [1.0, 1.0]
    assert all(each.is_inference() for each in inside)


def test_a_failure_is_raised_and_the_parts_that_wait_are_left_out(four_threads):
    done, held = [], threading.Event()

    def work(part):
        if part == 0:
            raise ValueError("no")
        held.wait(60)
        done.append(part)

    timer = threading.Timer(0.5, held.set)
    timer.start()
    with pytest.raises(ValueError, match="no"):
        in_threads(work, range(100), 2)
    timer.join()
    assert len(done) < 99
    assert torch.get_num_threads() == 4
