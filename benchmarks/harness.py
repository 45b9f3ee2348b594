"""What the parts share: contenders that take turns, medians, rows.

A contender is a process of its own that does one turn (an epoch, a ranking) when
asked. Contenders of one comparison are asked in turns, so that all meet the same
machine; while one works the others sleep.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

ROOT = Path(__file__).resolve().parent.parent
WORKERS = ROOT / "benchmarks" / "workers"

Row = dict[str, Any]
"""One line of a table; ``row`` makes it."""
Turn = Callable[[], dict[str, Any]]
"""Returns what a contender reports of a turn: ``seconds`` and more."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line says about one part."""

    runs: int | None = None
    """Timed turns of each contender; None leaves it to the part."""
    quick: bool = False
    """Tiny data and no peer that must be installed: to see that it works."""
    inmo: Path | None = None
    """A clone of the official INMO code."""
    clones: Path | None = None
    """A folder with clones of other published codes."""
    json: Path | None = None
    """Where rows are kept as they are measured."""

    def keep(self, rows: Sequence[Row]) -> None:
        """Write the rows of a part so far: a run that is cut off loses none."""
        print(f"  {rows[-1]['name']}: {rows[-1]['ours']:.4g}", flush=True)
        if self.json is not None:
            self.json.write_text(json.dumps(list(rows), indent=1) + "\n")

    def turns(self, default: int) -> int:
        """Return the number of timed turns."""
        return self.runs or (1 if self.quick else default)


@dataclass(frozen=True)
class Target:
    """What a row should reach."""

    text: str
    met: Callable[[Row], bool]


class CannotRunError(RuntimeError):
    """A contender does not run here; the message says why."""


class Worker:
    """A contender: a script of ``workers/`` that does one turn per request."""

    def __init__(
        self,
        script: str,
        arguments: Mapping[str, Any],
        *,
        python: str | Path = sys.executable,
    ) -> None:
        """Start the process and wait until it has warmed up.

        Raises:
            CannotRunError: It ended before that.
        """
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [str(python), str(WORKERS / script), json.dumps(arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=ROOT,
            env=environment(),
            text=True,
        )
        try:
            self.ready = self._answer()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Worker":
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process."""
        self.close()

    def turn(self, what: str = "") -> dict[str, Any]:
        """Return what the contender reports of one turn: ``seconds`` and more.

        Args:
            what: To do, where the contender can do several things.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process; safe to repeat."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        self._log.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            found: dict[str, Any] = json.loads(line)
            return found
        self._process.wait()
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        raise CannotRunError(lines[-1] if lines else "ended without a word")


def environment() -> dict[str, str]:
    """Return the environment of every contender: all get the same threads."""
    threads = str(torch.get_num_threads())
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {
        **os.environ,
        **dict.fromkeys(names, threads),
        "DGLBACKEND": "pytorch",
        "MICREC_SHARED": str(shared()),
    }


def shared() -> Path:
    """Return the folder of data that is not fetched."""
    return Path(os.environ.get("MICREC_SHARED", ROOT.parent / "shared")).resolve()


def alternate(contenders: Mapping[str, Turn], turns: int) -> dict[str, list[float]]:
    """Return the seconds of every turn, by contender; they go round in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(turns):
        for name, turn in contenders.items():
            seconds[name].append(turn()["seconds"])
    return seconds


def row(
    name: str,
    unit: str,
    ours: Sequence[float],
    peer: Sequence[float] | None,
    peer_name: str,
    *,
    target: Target | None = None,
    larger_is_better: bool = False,
    **more: Any,
) -> Row:
    """Return a row of medians with their spread.

    Args:
        name: What was measured.
        unit: Of ``ours`` and ``peer``.
        ours: A value per turn.
        peer: The same of the peer; None where there is none, or it did not run.
        peer_name: Who, and if it did not run, why.
        target: What the row should reach.
        larger_is_better: The values are rates, not durations.
        more: Further keys.
    """
    made: Row = {"name": name, "unit": unit, "peer_name": peer_name, **more}
    made["runs"] = len(ours)
    for side, values in (("ours", ours), ("peer", peer or [])):
        made[side] = statistics.median(values) if values else None
        made[f"{side}_low"] = min(values, default=None)
        made[f"{side}_high"] = max(values, default=None)
    made["ratio"] = None
    if made["peer"] is not None:
        quotient = made["peer"] / made["ours"]
        made["ratio"] = 1 / quotient if larger_is_better else quotient
    made["target"] = target and target.text
    known = made["ratio"] is not None or peer_name == ""
    made["met"] = target.met(made) if target and known else None
    return made


def ratio_of(least: float) -> Target:
    """Return the target of a ratio, the peer's time by ours."""
    return Target(f"ratio >= {least:.2g}", lambda r: r["ratio"] >= least)


def at_most(limit: float, unit: str) -> Target:
    """Return the target of our own value."""
    return Target(f"<= {limit:g} {unit}", lambda r: r["ours"] <= limit)


def at_least(limit: float, unit: str) -> Target:
    """Return the target of our own rate."""
    return Target(f">= {limit:g} {unit}", lambda r: r["ours"] >= limit)
