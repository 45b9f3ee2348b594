"""What all tests share: one thread, no network, and where data may be."""

import atexit
import gc
import logging
import os
import pickle
import signal
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

# Before anything is imported that reads them. Two test processes with two threads
# each would fight over two cores; a test never waits for a network.
os.environ.update(
    HF_HUB_OFFLINE="1",
    OMP_NUM_THREADS="1",
    POLARS_MAX_THREADS="1",
    TOKENIZERS_PARALLELISM="false",
    TRANSFORMERS_OFFLINE="1",
    WANDB_MODE="disabled",
)

import composing  # noqa: F401
import omegaconf.omegaconf
import pytest
import torch
import typecheck  # noqa: F401, before the package that it checks
import yaml
from hypothesis import settings

from micrec_pyg import run_warnings

# Where the tests are started in the background, Ctrl-C is ignored, here and in all
# processes that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
torch.set_num_threads(1)
# Until all tests are read; what is there then is never looked through again.
gc.disable()
if not torch.cuda.is_available():
    # Before triton is imported: its kernels then run on tensors of the CPU.
    os.environ["TRITON_INTERPRET"] = "1"
# How long an example takes says nothing on a busy machine.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")

# No test survives a power cut, and a run would wait dozens of times for the disk.
os.fsync = lambda file: None


class _Unsynced(sqlite3.Connection):
    """A database that does not wait for the disk either."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.execute("PRAGMA synchronous = OFF")


sqlite3.dbapi2.connect = partial(sqlite3.connect, factory=_Unsynced)
PARSED: dict[str, bytes] = {}


def _parse_once(stream: IO[str] | str, **options: Any) -> Any:
    """Return what a YAML text holds; that of conf/ is parsed once per process.

    Hydra reads some twenty files for every run, with a parser in Python.
    """
    text = stream if isinstance(stream, str) else stream.read()
    if text not in PARSED:
        if not isinstance(stream, str):
            stream.seek(0)  # an error names the file
        PARSED[text] = pickle.dumps(yaml.load(stream, **options))
    return pickle.loads(PARSED[text])


omegaconf.omegaconf.yaml = SimpleNamespace(load=_parse_once, dump=yaml.dump)

ROOT = Path(__file__).resolve().parent.parent
TRIED = "tried"
SHARED_DATA = ROOT.parent / "shared" / "data"


def _forget_logging() -> None:
    """Undo what a command run in this process says of logging."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        # pytest's own are of subclasses
        if type(handler) is logging.StreamHandler:
            root.removeHandler(handler)
    ours = logging.getLogger("micrec_pyg")
    for logger, level in ((root, logging.WARNING), (ours, logging.NOTSET)):
        if logger.level != level:  # setting it goes through all loggers there are
            logger.setLevel(level)


@pytest.fixture(autouse=True)
def _nothing_was_said() -> None:
    """Begin every test as if this process had warned of nothing."""
    run_warnings._said.clear()


@pytest.fixture(autouse=True)
def _logging_stays_as_it_was() -> Iterator[None]:
    """Begin and end every test as if no command had run in this process."""
    _forget_logging()  # a fixture of the whole session may have run one
    root = logging.getLogger()
    before = root.handlers[:]
    yield
    root.handlers[:] = before
    _forget_logging()


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of larger real data sets; skips where there is none."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs ../shared/data")
    return SHARED_DATA


@pytest.fixture
def tried(request: pytest.FixtureRequest) -> Callable[[str, int], None]:
    """Return a function that counts trials of a kind; their table ends the output."""

    def count(what: str, number: int) -> None:
        request.node.user_properties.append((TRIED, [what, number]))

    return count


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how often damage, kills and wrong input were tried, and what held.

    ``make fuzz`` makes the table of docs/reliability.md.
    """
    totals: dict[str, list[int]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in report.user_properties:
                if name == TRIED:
                    total = totals.setdefault(value[0], [0, 0])
                    total[0] += value[1]
                    total[1] += value[1] * (outcome == "passed")
    if totals and terminalreporter.config.option.markexpr == "fuzz":
        terminalreporter.section("what was tried")
        terminalreporter.line("| tried | times | held |")
        terminalreporter.line("| --- | ---: | ---: |")
        for what, (times, held) in sorted(totals.items()):
            terminalreporter.line(f"| {what} | {times:,} | {held:,} |")


def pytest_collection_finish() -> None:
    """Look for garbage from here on, but not among all that was imported.

    Modules of C++ find that again when Python ends: they count what they made.
    """
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    gc.enable()
    atexit.register(gc.unfreeze)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked for a GPU or for shared data where that is missing."""
    missing = {
        "gpu": not torch.cuda.is_available(),
        "shared": not SHARED_DATA.is_dir(),
    }
    for item in items:
        for mark, absent in missing.items():
            if absent and item.get_closest_marker(mark):
                item.add_marker(pytest.mark.skip(reason=f"marked '{mark}'"))
