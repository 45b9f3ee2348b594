"""What a sweep came to, in words: its settings, the best of them, and what failed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev

from micrec_pyg import grid
from micrec_pyg.cli.sweep_jobs import SEED, Job, words
from micrec_pyg.runs.files import read_config
from micrec_pyg.schema import InputError

TASK = ("data", "dataset", "split")
"""Keys, alone or before a dot, that change what is asked: across their values a higher
metric says nothing."""

Setting = tuple[tuple[str, str], ...]
"""Keys and values of a job, without its seed."""


def tables(jobs: Sequence[Job]) -> list[str]:
    """Return what a sweep came to: a line per setting, the best, and the failed jobs.

    Args:
        jobs: As ``read`` returns them.
    """
    lines = []
    done = [job for job in jobs if job.value is not None]
    if done:
        lines += [*_settings(done), ""]
    failed = [job for job in jobs if job.error is not None]
    for job in failed:
        lines.append(f"failed: {words(job.overrides)}: {job.error}")
    if failed:
        lines.append(f"{len(failed)} of {len(jobs)} jobs failed")
    return lines


def _settings(done: Sequence[Job]) -> list[str]:
    """Return a table of the settings, best first: mean and deviation over seeds."""
    values: dict[Setting, list[float]] = defaultdict(list)
    folders: dict[Setting, str | None] = {}
    for job in done:
        setting = tuple((k, v) for k, v in job.overrides.items() if k != SEED)
        values[setting].append(job.value or 0.0)
        folders[setting] = job.folder
    best_first = sorted(values, key=lambda s: fmean(values[s]), reverse=True)
    chosen = _best(best_first, {s: fmean(found) for s, found in values.items()})
    best_first.sort(key=lambda s: list(_task(s).values()))
    keys = list(dict.fromkeys(key for setting in values for key, _ in setting))
    metric = done[0].metric
    rows = [[*keys, f"validation {metric}", "sd", "seeds"]]
    for setting in best_first:
        own, found = dict(setting), values[setting]
        deviation = f"{stdev(found):.4f}" if len(found) > 1 else "-"
        rows.append(
            [
                *(own.get(key, "-") for key in keys),
                f"{fmean(found):.4f}",
                deviation,
                str(len(found)),
            ]
        )
    return [
        *(line.rstrip() for line in grid.aligned(rows)),
        *(_best_line(task, chosen[task]) for task in sorted(chosen)),
        *_hint([folders[s] for tied in chosen.values() if len(tied) > 1 for s in tied]),
    ]


def _task(setting: Setting) -> dict[str, str]:
    """Return the values of a setting that change what is asked."""
    return {k: v for k, v in setting if k.partition(".")[0] in TASK}


def _best(
    best_first: Sequence[Setting], means: Mapping[Setting, float]
) -> dict[str, list[Setting]]:
    """Return by task the best setting, and those that are equal to it."""
    found: dict[str, list[Setting]] = {}
    for setting in best_first:
        equal = found.setdefault(words(_task(setting)), [])
        if not equal or means[setting] == means[equal[0]]:
            equal.append(setting)
    return found


def _best_line(task: str, best: Sequence[Setting]) -> str:
    """Return the line about the best of one task; several are a tie."""
    tasks = _task(best[0])
    own = [
        words({k: v for k, v in setting if k not in tasks}) or "one setting"
        for setting in best
    ]
    where = f"by validation, mean over seeds{f', {task}' if task else ''}: "
    if len(own) == 1:
        return f"best {where}{own[0]}"
    return f"a tie {where}{'; '.join(own)}: none of them is better than the others"


def _hint(folders: Sequence[str | None]) -> list[str]:
    """Return a line for runs that tie, if their validation has no new node.

    Args:
        folders: Of the runs.
    """
    for folder in folders:
        try:
            split = {} if folder is None else read_config(Path(folder)).get("split", {})
        except InputError:
            continue  # it lies on another machine, or was deleted
        if split.get("select") == "seen":
            return [
                "hint: new nodes are tested, but validation ranks none of them; with "
                "split.select=new it ranks them too (docs/protocol.md)"
            ]
    return []
