"""A preset of studies: plan them, run what is missing, write what each came to."""

import logging
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from micrec_pyg.cli.pool import Job, Outcome, Result, run_all
from micrec_pyg.cli.process import show
from micrec_pyg.cli.studies.done import Done
from micrec_pyg.cli.studies.estimate import estimate
from micrec_pyg.cli.studies.plan import Book, Plan, key_of, plan_of
from micrec_pyg.cli.studies.study import UNALIGNED, Manifest, Study
from micrec_pyg.cli.studies.views import VIEWS
from micrec_pyg.schema import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """What the command line asks of a preset of studies."""

    names: Sequence[str] | None
    splits: Sequence[str] | None
    seeds: Sequence[int] | None
    extra: Sequence[str]
    output_dir: str
    workers: int
    dry_run: bool
    command: str


def run_studies(manifest: Manifest, asked: Asked) -> Outcome:
    """Return what became of the runs of all studies; each study that can be is written.

    Args:
        manifest: Says which studies.
        asked: What the command line says.

    Raises:
        InputError: The data or a setting cannot be used.
    """
    drafts = manifest.drafts(names=asked.names, splits=asked.splits, extra=asked.extra)
    studies = [draft.read(asked.extra) for draft in drafts]
    plan = plan_of(
        studies, seeds=asked.seeds, extra=asked.extra, output_dir=asked.output_dir
    )
    folder = Path(asked.output_dir) / "studies" / studies[0].facts.dataset
    # of what they share, so that any choice of studies goes on with one book
    book = Book(folder, [manifest.digest(asked.extra)])
    todo = [job for job in plan.unique.values() if book.folder_of(job) is None]
    show(_told(studies, plan, book, todo, asked))
    if asked.dry_run:
        show("".join(f"{each.name}: {each.command}\n" for each in todo))
        return Outcome()
    work = _Work(studies, plan, book, asked)
    work.write_complete()
    outcome = run_all(todo, asked.workers, work.add)
    work.write_rest()
    outcome.unwritten += work.unwritten
    return outcome


class _Work:
    """Studies that are written as soon as all their runs are done."""

    def __init__(
        self, studies: Sequence[Study], plan: Plan, book: Book, asked: Asked
    ) -> None:
        self._waiting = {s.name: s for s in studies if not s.lacks}
        self._plan, self._book, self._asked = plan, book, asked
        self.unwritten: list[str] = []
        for study in studies:
            if study.lacks:
                book.studies[study.name] = {"state": "left out", "needs": study.lacks}

    def add(self, job: Job, result: Result) -> None:
        """Write down a finished run, and the studies that it completes."""
        self._book.add(job, result)
        self.write_complete()

    def write_complete(self) -> None:
        """Write the studies all of whose runs are done."""
        for name in list(self._waiting):
            if len(self._folders(name)) == len(self._plan.jobs[name]):
                self._write(self._waiting.pop(name))

    def write_rest(self) -> None:
        """Write the others too, with the runs that are done."""
        for study in self._waiting.values():
            self._write(study)

    def _folders(self, name: str) -> dict[Job, Path]:
        """Return the folders of the finished jobs of a study."""
        found = {}
        for job in self._plan.jobs[name]:
            unique = self._plan.unique[key_of(job)]
            folder = self._book.folder_of(unique)
            if folder is not None:
                found[job] = folder
        return found

    def _write(self, study: Study) -> None:
        folders, jobs = self._folders(study.name), self._plan.jobs[study.name]
        missing = [job.name for job in jobs if job not in folders]
        entry: dict[str, Any] = {
            "title": study.preset.title,
            "state": "runs failed" if missing else "done",
            "failed": missing,
        }
        files: list[Path] = []
        try:
            files = self._files(study, folders) if folders else []
        except InputError as error:  # the runs of the other studies go on
            self.unwritten.append(f"study {study.name}: {error}")
            logger.error("study %s is not written: %s", study.name, error)
            entry |= {"state": "not written", "reason": str(error)}
        self._book.studies[study.name] = {**entry, "files": [str(f) for f in files]}
        self._book.write()
        for name in missing:
            logger.warning("study %s lacks a run: %s", study.name, name)
        if files:
            logger.info("study %s: %s", study.name, ", ".join(map(str, files)))

    def _files(self, study: Study, folders: Mapping[Job, Path]) -> list[Path]:
        """Return the files of a study, written from the runs that are done.

        Raises:
            InputError: The runs do not make its page.
        """
        jobs = self._plan.jobs[study.name]
        path = self._book.path.parent / f"{study.name}.md"
        facts = {
            "question": study.question,
            "command": f"`{self._asked.command}`",
            "runs": f"{len(folders)} of {len(jobs)} done",
            "settings": " ".join(study.preset.settings(self._asked.extra)),
        }
        return VIEWS[study.view](Done(study, jobs, folders, path, facts))


def _told(
    studies: Sequence[Study], plan: Plan, book: Book, todo: Sequence[Job], asked: Asked
) -> str:
    """Return the studies, their runs, and what is left to do."""
    left = {key_of(job) for job in todo}
    lines: list[str] = []
    seen: set[str] = set()
    for study in studies:
        if study.lacks:
            lines.append(f"{study.name}: left out, the data has no {study.lacks}")
            continue
        keys = {key_of(job) for job in plan.jobs[study.name]}
        lines.append(
            f"{study.name}: {len(keys)} runs, {len(keys & seen)} of them shared with "
            f"studies above, {len(keys - left)} done: {study.question}"
        )
        seen |= keys
    if any(study.is_unaligned(asked.extra) for study in studies if not study.lacks):
        lines.append(f"{UNALIGNED} in every run, as no two domains share users")
    folders = [book.folder_of(job) for job in plan.unique.values()]
    left_over = estimate(
        todo,
        studies[0].facts,
        done=book.seconds(),
        folders=[folder for folder in folders if folder is not None][:20],
        workers=asked.workers,
        output_dir=Path(asked.output_dir),
    )
    total = f"{len(plan.unique)} runs in all, {len(todo)} to do; {left_over}"
    return "\n".join([*lines, total, ""])


def listed(text: str | None, what: str) -> list[str] | None:
    """Return the names in ``a,b``; None where nothing was given.

    Raises:
        InputError: A name is empty or stands twice.
    """
    if text is None:
        return None
    names = text.split(",")
    if not all(names) or len({*names}) < len(names):
        raise InputError(f"--{what} {text}: give different names, such as a,b")
    return names


def asked_of(
    given: Namespace, *, seeds: Sequence[int] | None, workers: int, command: str
) -> Asked:
    """Return what parsed arguments ask for.

    Raises:
        InputError: A list has an empty name.
    """
    splits = listed(given.splits, "splits")
    return Asked(
        names=listed(given.studies, "studies"),
        splits=[f"split={each}" for each in splits] if splits else None,
        seeds=seeds,
        extra=given.overrides,
        output_dir=given.output_dir,
        workers=workers,
        dry_run=given.dry_run,
        command=command,
    )
