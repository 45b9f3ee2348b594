"""What a sweep came to, in words: its settings, the best of them, and what failed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev

from micrec_pyg import grid
from micrec_pyg.cli.sweep_jobs import SEED, Job, changes_task, words
from micrec_pyg.runs.files import read_config
from micrec_pyg.schema import InputError

Setting = tuple[tuple[str, str], ...]
"""Keys and values of a job, without its seed."""

ONE = "one setting"
"""What a sweep over nothing but seeds tries."""

ALL = "all"
"""The group of every user and item."""


@dataclass(frozen=True)
class Ranked:
    """One setting of a sweep, and what its jobs came to."""

    setting: Setting
    values: Mapping[str, float]
    """By seed; of one job without a seed, by nothing."""
    folder: str | None
    """Of one of its runs."""
    lacking: Sequence[str]
    """Seeds that other settings of the same task were asked for, and this one has no
    value of: its mean is over other splits and start values, and compares with none."""
    group: str = ""
    """Of the users and items that the values are about, where settings of one task
    differ in it; values of two groups do not compare."""
    place: int | None = None
    """Among those of its task that compare, from 1."""

    @property
    def mean(self) -> float:
        """Return the mean over the seeds."""
        return fmean(self.values.values())

    @property
    def task(self) -> str:
        """Return what was asked, in words."""
        group = {"group": self.group} if self.group else {}
        return words({**_task(self.setting), **group})

    @property
    def words(self) -> str:
        """Return the setting in words."""
        return words(dict(self.setting)) or ONE

    @property
    def answer(self) -> str:
        """Return the setting in words, without what was asked."""
        asked = _task(self.setting)
        return words({k: v for k, v in self.setting if k not in asked}) or ONE


def tables(jobs: Sequence[Job]) -> list[str]:
    """Return what a sweep came to: a line per setting, the best, and the failed jobs.

    Args:
        jobs: As ``read`` returns them.
    """
    lines = []
    for metric in metrics_of(jobs):
        lines += [*_settings(rank(jobs, metric), metric), *changed(jobs, metric), ""]
    failed = [job for job in jobs if job.error is not None]
    for job in failed:
        lines.append(f"failed: {words(job.overrides)}: {job.error}")
    if failed:
        lines.append(f"{len(failed)} of {len(jobs)} jobs failed")
    total = max(job.of for job in jobs)
    if total > len(jobs):
        lines.append(
            f"{len(jobs)} of {total} jobs have ended; the command of the sweep "
            "continues it"
        )
    return lines


def changed(jobs: Sequence[Job], metric: str) -> list[str]:
    """Return a line for every task whose jobs were not all on the same data.

    Args:
        jobs: As ``read`` returns them.
        metric: That selected.
    """
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for job in jobs:
        if job.metric == metric and job.data is not None:
            found[words(_task(_setting(job)))][job.data].append(str(job.number))
    lines = []
    for by_data in found.values():
        if len(by_data) > 1:
            numbers = "; jobs ".join(", ".join(own) for own in by_data.values())
            lines.append(
                "the data changed while the sweep ran, and values of different data do "
                f"not compare: jobs {numbers}; give the command of the sweep again"
            )
    return lines


def metrics_of(jobs: Sequence[Job]) -> list[str]:
    """Return the metrics that selected, in the order of the jobs with a value."""
    return list(dict.fromkeys(job.metric for job in jobs if job.value is not None))


def rank(jobs: Sequence[Job], metric: str) -> list[Ranked]:
    """Return the settings with a value of a metric: by task, the best first.

    Those that lack a seed stand behind the others of their task.
    """
    tasks: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        if job.metric == metric:
            tasks[words(_task(_setting(job)))].append(job)
    return [each for task in sorted(tasks) for each in _rank_task(tasks[task])]


def _rank_task(jobs: Sequence[Job]) -> list[Ranked]:
    """Return the settings of one task, by group."""
    values: dict[tuple[Setting, str], dict[str, float]] = defaultdict(dict)
    folders: dict[Setting, str | None] = {}
    seeds = dict.fromkeys(job.overrides.get(SEED, "") for job in jobs)
    several = len({job.group or ALL for job in jobs if job.value is not None}) > 1
    for job in jobs:
        if job.value is not None:
            group = (job.group or ALL) if several else ""
            values[_setting(job), group][job.overrides.get(SEED, "")] = job.value
            folders[_setting(job)] = job.folder
    found = [
        Ranked(
            setting,
            own,
            folders[setting],
            [seed for seed in seeds if seed not in own],
            group,
        )
        for (setting, group), own in values.items()
    ]
    found.sort(key=lambda each: (each.group, bool(each.lacking), -each.mean))
    places: dict[str, int] = defaultdict(int)
    for number, each in enumerate(found):
        if not each.lacking:
            places[each.group] += 1
            found[number] = replace(each, place=places[each.group])
    return found


def tasks(jobs: Sequence[Job], ranked: Sequence[Ranked]) -> list[str]:
    """Return in words what each job with a value was asked; nothing for the others."""
    known = {(each.setting, each.group): each.task for each in ranked}
    return [
        known.get((_setting(job), job.group or ALL), known.get((_setting(job), ""), ""))
        for job in jobs
    ]


def verdict(ranked: Sequence[Ranked]) -> list[str]:
    """Return the best of every task in words, and what was not compared."""
    best: dict[str, list[Ranked]] = {}
    for each in ranked:
        equal = best.setdefault(each.task, [])
        if not each.lacking and (not equal or each.mean == equal[0].mean):
            equal.append(each)
    lines = [_best_line(best[task]) for task in sorted(best) if best[task]]
    for each in ranked:
        if each.lacking:
            lines.append(
                f"not compared: {each.words} has no value for seed "
                f"{', '.join(each.lacking)}"
            )
        if each.group not in ("", ALL):
            lines.append(
                f"not compared with other groups: {each.words} is ranked on "
                f"{each.group}, which is all that its model answers"
            )
    tied = [each.folder for equal in best.values() if len(equal) > 1 for each in equal]
    return [*lines, *_hint(tied)]


def _settings(ranked: Sequence[Ranked], metric: str) -> list[str]:
    """Return a table of the settings, best first: mean and deviation over seeds."""
    keys = list(dict.fromkeys(key for each in ranked for key, _ in each.setting))
    rows = [[*keys, f"validation {metric}", "sd", "seeds"]]
    for each in ranked:
        own, found = dict(each.setting), list(each.values.values())
        deviation = f"{stdev(found):.4f}" if len(found) > 1 else "-"
        rows.append(
            [
                *(own.get(key, "-") for key in keys),
                f"{each.mean:.4f}",
                deviation,
                str(len(found)),
            ]
        )
    return [*(line.rstrip() for line in grid.aligned(rows)), *verdict(ranked)]


def _setting(job: Job) -> Setting:
    return tuple((k, v) for k, v in job.overrides.items() if k != SEED)


def _task(setting: Setting) -> dict[str, str]:
    """Return the values of a setting that change what is asked."""
    return {key: value for key, value in setting if changes_task(key)}


def _best_line(best: Sequence[Ranked]) -> str:
    """Return the line about the best of one task; several are a tie."""
    task = best[0].task
    own = [each.answer for each in best]
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
