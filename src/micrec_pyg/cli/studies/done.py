"""What a study has when its runs are done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from micrec_pyg.cli.pool import Job
from micrec_pyg.cli.studies.study import Study


@dataclass(frozen=True)
class Done:
    """The finished runs of one study."""

    study: Study
    jobs: Sequence[Job]
    """In the order of the study, with the labels of its rows."""
    folders: Mapping[Job, Path]
    """Of the jobs that are done; at least one."""
    path: Path
    """The Markdown file; all others lie beside it under the same name."""
    facts: Mapping[str, str]
    """Lines above the tables."""
