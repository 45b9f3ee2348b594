"""Worker processes that Ctrl-C reaches, as they start and in the midst of a task."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from micrec_pyg.cli import workers

SCRIPT = """
import os, sys, time
from pathlib import Path
from micrec_pyg.cli.workers import worker_processes

def there_and_wait():
    Path("pid").write_text(str(os.getpid()))
    Path("pid").rename("there")
    time.sleep(30)

def with_a_bar():
    from tqdm import tqdm
    with tqdm(total=1, disable=True):
        there_and_wait()

def where():
    import signal
    return signal.getsignal(signal.SIGINT), signal.pthread_sigmask(0, [])

if __name__ == "__mp_main__" and sys.argv[1] == "start":
    there_and_wait()  # in place of slow imports
if __name__ == "__main__":
    try:
        with worker_processes(1) as workers:
            if sys.argv[1] == "idle":
                print(*workers.submit(where).result())
                there_and_wait()
            workers.submit(with_a_bar).result()
    except KeyboardInterrupt:
        sys.exit("interrupted")
"""


@pytest.mark.parametrize("when", ["start", "task", "idle"])
def test_ctrl_c_is_answered_by_the_parent_alone(tmp_path: Path, when: str) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    begin = time.monotonic()
    command = subprocess.Popen(
        [sys.executable, "script.py", when],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (tmp_path / "there").exists():
        assert command.poll() is None
        assert time.monotonic() < begin + 20
        time.sleep(0.01)
    process = int((tmp_path / "there").read_text())
    if process != command.pid:  # a worker: it stays, until the parent ends it
        os.kill(process, signal.SIGINT)
        time.sleep(0.1)
        os.kill(process, 0)
    os.killpg(command.pid, signal.SIGINT)
    out, err = command.communicate(timeout=20)
    assert err == "interrupted\n"
    # what a worker starts can be interrupted unless it ignores that itself
    assert out == ("1 set()\n" if when == "idle" else "")


OTHERS = """
import subprocess, sys, time
from micrec_pyg.cli.workers import ctrl_c_for_this_process

wait = "import time; print('there', flush=True); time.sleep(1); print('through')"
try:
    with ctrl_c_for_this_process():
        child = subprocess.Popen([sys.executable, "-c", wait])
        while child.poll() is None:
            time.sleep(0.01)
except KeyboardInterrupt:
    child.wait()
    sys.exit("interrupted")
"""


def test_ctrl_c_is_hidden_from_processes_that_others_start(root: Path) -> None:
    command = subprocess.Popen(
        [sys.executable, "-c", OTHERS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root / "src")},
        start_new_session=True,
    )
    assert command.stdout is not None
    assert command.stdout.readline() == "there\n"
    os.killpg(command.pid, signal.SIGINT)
    out, err = command.communicate(timeout=20)
    assert (out, err) == ("through\n", "interrupted\n")


def test_a_worker_of_others_leaves_ctrl_c_to_its_parent(monkeypatch) -> None:
    before = signal.getsignal(signal.SIGINT)
    workers.leave_ctrl_c_to_parent()
    assert signal.getsignal(signal.SIGINT) is before
    monkeypatch.setattr(multiprocessing.current_process(), "_name", "LokyProcess-1")
    workers.leave_ctrl_c_to_parent()
    try:
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
