"""Which runs a list of studies needs, each of them once, and which are there."""

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from micrec_pyg.cli.pool import Job, Result
from micrec_pyg.cli.studies.study import Study
from micrec_pyg.runs.build import conf_dir
from micrec_pyg.runs.files import read_json
from micrec_pyg.runs.sealed import METRICS
from micrec_pyg.schema import InputError
from micrec_pyg.storage.digests import json_digest
from micrec_pyg.storage.lock import locked
from micrec_pyg.storage.parts import remove_stale_parts
from micrec_pyg.storage.writing import write_json

logger = logging.getLogger(__name__)

BOOK = "manifest.json"
"""In the folder of the studies: every run that is done, and every study."""

SCHEMA = 1
"""Version of that file."""


@dataclass(frozen=True)
class Plan:
    """The jobs of every study, and all of them once."""

    jobs: Mapping[str, Sequence[Job]]
    """By study, with the labels of its rows."""
    unique: Mapping[str, Job]
    """By key, in the order of the studies; labelled by model."""


def plan_of(
    studies: Sequence[Study],
    *,
    seeds: Sequence[int] | None,
    extra: Sequence[str],
    output_dir: str,
) -> Plan:
    """Return the jobs of the studies that the data has an answer for.

    Args:
        studies: In their order.
        seeds: In place of those of the studies.
        extra: Overrides of every run; those of a row win over them.
        output_dir: Folder of all runs.

    Raises:
        InputError: ``extra`` has a key that a study decides.
    """
    default = _says_nothing()
    jobs: dict[str, list[Job]] = {}
    unique: dict[str, Job] = {}
    for study in studies:
        if study.lacks:
            continue
        found = study.preset.jobs(
            seeds=seeds or study.preset.seeds, extra=extra, output_dir=output_dir
        )
        jobs[study.name] = []
        for job in found:
            # an experiment has other values than the defaults
            if not any(each.startswith("experiment=") for each in job.overrides):
                kept = tuple(o for o in job.overrides if not default.fullmatch(o))
                job = replace(job, overrides=kept)
            job = replace(job, data=study.facts.digest)
            jobs[study.name].append(job)
            key = key_of(job)
            before = unique.get(key, replace(job, label=_model(job), steps=()))
            steps = tuple(dict.fromkeys([*before.steps, *job.steps]))
            unique[key] = replace(before, steps=steps)
    return Plan(jobs, unique)


def key_of(job: Job) -> str:
    """Return what two jobs share if they are one run."""
    return " ".join([*sorted(job.overrides), job.data])


class Book:
    """What was done in earlier calls, in this one, and in others at the same time.

    It is kept as a file.
    """

    def __init__(self, folder: Path, facts: Sequence[object]) -> None:
        """Read the file, if it is there and about these data and settings.

        Args:
            folder: Of the studies.
            facts: What decides the results beside the overrides of a run.
        """
        self.path = folder / BOOK
        self.state = json_digest([_settings_digest(), *map(str, facts)])
        remove_stale_parts(folder)
        self._tell_what_is_discarded()
        self.runs: dict[str, dict[str, Any]] = self._written().get("runs", {})
        self.studies: dict[str, dict[str, Any]] = {}
        self._tested: set[Path] = set()

    def folder_of(self, job: Job) -> Path | None:
        """Return the folder of a job that was done with all its steps, else None."""
        found = self.runs.get(key_of(job))
        if found is None or not {str(step) for step in job.steps} <= {*found["steps"]}:
            return None
        folder = Path(found["folder"])
        if folder not in self._tested:  # read once: each new run asks for all again
            try:
                if "test" not in read_json(folder / METRICS):
                    return None
            except InputError:
                return None
            self._tested.add(folder)
        return folder

    def seconds(self) -> dict[str, list[float]]:
        """Return what finished runs took, by model."""
        found: dict[str, list[float]] = {}
        for each in self.runs.values():
            found.setdefault(each["model"], []).append(each["seconds"])
        return found

    def add(self, job: Job, result: Result) -> None:
        """Write down a finished run."""
        folder, seconds = result
        self.runs[key_of(job)] = {
            "folder": str(folder),
            "seconds": round(seconds, 1),
            "model": job.label,
            "steps": [str(step) for step in job.steps],
        }
        self.write()

    def write(self) -> None:
        """Write the file whole or not at all, with what other calls wrote into it."""
        with locked(self.path.parent, quiet=True):
            others = self._written()
            self.runs = {**others.get("runs", {}), **self.runs}
            content = {
                "schema": SCHEMA,
                "state": self.state,
                "runs": self.runs,
                "studies": {**others.get("studies", {}), **self.studies},
            }
            write_json(self.path, content)

    def _tell_what_is_discarded(self) -> None:
        """Log a line where the file is about other data or settings."""
        found = self._read()
        if found and not self._written():
            runs, studies = (len(found.get(key, {})) for key in ("runs", "studies"))
            logger.warning(
                "%s: the data or the settings under conf/ have changed since; its %d "
                "runs and %d studies are forgotten. A run that is still the same is "
                "found complete, and not trained again",
                self.path,
                runs,
                studies,
            )

    def _written(self) -> dict[str, Any]:
        """Return the file; nothing if it is damaged, or about other data."""
        found = self._read()
        same = found.get("schema") == SCHEMA and found.get("state") == self.state
        return found if same else {}

    def _read(self) -> dict[str, Any]:
        """Return the file as it is; nothing if it is missing or damaged."""
        try:
            found: dict[str, Any] = read_json(self.path)
        except InputError:
            return {}
        return found


def _model(job: Job) -> str:
    return next((each[6:] for each in job.overrides if each.startswith("model=")), "")


def _says_nothing() -> re.Pattern[str]:
    """Return what matches the overrides that only repeat a default.

    So a swept value that is the default makes the same run as other studies have.
    """
    values = yaml.safe_load((conf_dir() / "train.yaml").read_text(encoding="utf-8"))
    defaults = [
        re.escape(f"{key}={text}")
        for key in ("K", "w", "gamma", "overlap_ratio")
        for text in {str(values[key]), f"{values[key]:g}"}
    ]
    return re.compile("|".join([*defaults, r"features\.drop_rate=(0|{\w+: 0})"]))


def _settings_digest() -> str:
    """Return the sha256 of all settings of runs as they are shipped."""
    digest = hashlib.sha256()
    for path in sorted(conf_dir().rglob("*.yaml")):
        if not {"reproduce", "tune", "wandb"} & {*path.relative_to(conf_dir()).parts}:
            digest.update(path.read_bytes())
    return digest.hexdigest()
