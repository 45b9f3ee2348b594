"""What the folder of a finished run says."""

import ast
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from micrec_pyg.runs.files import SCHEMA, check_record, read_config, read_json
from micrec_pyg.runs.identity import decisive
from micrec_pyg.runs.sealed import METRICS, check_run
from micrec_pyg.schema import InputError
from micrec_pyg.storage.failures import PART
from micrec_pyg.storage.reading import read_parquet
from micrec_pyg.training.state import HISTORY

if TYPE_CHECKING:
    from micrec_pyg.runs.embeddings import NodeVectors

logger = logging.getLogger(__name__)

Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A finished run; what its folder holds is read when it is asked for."""

    path: str
    """The folder."""
    record: Mapping[str, Any]
    """The content of ``metrics.json``."""
    config: Mapping[str, Any]
    """The content of ``config.yaml``: every setting, resolved."""

    @classmethod
    def read(cls, folder: str | Path) -> "Run":
        """Return the run in a folder.

        Raises:
            InputError: It is no finished run.
        """
        return read_run(Path(folder))

    @property
    def seed(self) -> int:
        """Return the seed of split, start values and samples."""
        return int(self.record["seed"])

    @property
    def was_cut(self) -> bool:
        """Return whether training ended at fit.max_epochs, before fit.patience did.

        It may then have had more to gain.
        """
        epochs, best = self.record.get("epochs"), self.record.get("best_epoch")
        fit = self.config.get("fit") or {}
        if not epochs or best is None or not {"max_epochs", "patience"} <= fit.keys():
            return False  # nothing was trained, or the folder does not say
        return bool(epochs >= fit["max_epochs"] and epochs - 1 - best < fit["patience"])

    @property
    def metrics(self) -> pl.DataFrame:
        """Return the results: columns part, domain, group, metric, value."""
        columns = ["part", "domain", "group", "metric", "value"]
        schema = {**dict.fromkeys(columns, pl.String), "value": pl.Float64}
        return pl.DataFrame(list(values_of(self)), schema=schema, orient="row")

    @property
    def history(self) -> pl.DataFrame:
        """Return a row per epoch: ``epoch``, ``loss/bpr``, ``val/A/ndcg@20``, ..."""
        check_run(Path(self.path), [HISTORY])
        text = (Path(self.path) / HISTORY).read_text(encoding="utf-8")
        rows = [dict(_by_path(json.loads(line))) for line in text.splitlines()]
        return pl.DataFrame(rows, infer_schema_length=None)

    @property
    def has_history(self) -> bool:
        """Return whether the history is there; one that was taken away is named."""
        found = (Path(self.path) / HISTORY).is_file()
        if not found:
            logger.warning("%s has no %s: its curves are missing", self.path, HISTORY)
        return found

    @property
    def per_user(self) -> pl.DataFrame:
        """Return a row per part, domain, group and user, with raw ids."""
        check_run(Path(self.path), ["per_user.parquet"])
        return read_parquet(Path(self.path) / "per_user.parquet")

    def embeddings(self, domain: str) -> "NodeVectors":
        """Return the vectors of the users and items that training knew.

        Args:
            domain: Name.

        Raises:
            InputError: There is no such domain, or the model has no vectors.
        """
        # torch takes seconds to load, and most who read a run need none of it
        from micrec_pyg.runs.embeddings import node_vectors

        return node_vectors(Path(self.path), domain)

    def evaluate(self, *, again: bool = False, device: str | None = None) -> "Run":
        """Return the run with its test results; opens the sealed test set once.

        Args:
            again: Whether to evaluate also where there are results.
            device: Another one than the run was trained on.

        Raises:
            InputError: The run's data has changed.
        """
        from micrec_pyg.runs.evaluate import evaluate_job

        evaluate_job(Path(self.path), again=again, device=device)
        return read_run(Path(self.path))


def family_of(run: Run) -> tuple[str, str, str]:
    """Return what makes runs comparable: data set, split and model."""
    return run.record["dataset"], run.record["split"], run.record["model"]


def options_of(run: Run) -> dict[str, str]:
    """Return every setting that decides the result but the seed, by dotted key.

    Values are texts as a person would write them: ``none``, ``true``, ``d1,d2``. The
    seed of a part, such as ``split.seed``, is there where it is not that of the run.
    """
    return {
        key: _written(value)
        for key, value in decisive(run.config).items()
        if key != "seed" and not (key.endswith(".seed") and value == str(run.seed))
    }


def _written(text: str) -> str:
    """Return a value in words, where ``text`` is how Python writes it."""
    if text in ("None", "True", "False"):
        return text.lower()
    if not text.startswith("["):
        return text
    try:
        values = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text  # a name that begins like a list
    plain = all(isinstance(value, int | float | str) for value in values)
    # a comma inside of a value would make two lists one
    if not values or not plain or any("," in str(value) for value in values):
        return text
    return ",".join(map(str, values))


def values_of(run: Run) -> Iterator[tuple[str, str, str, str, float]]:
    """Yield every result: part (val, test), domain, group, metric and value."""
    for part in ("val", "test"):
        for domain, by_group in run.record.get(part, {}).items():
            for group, values in by_group.items():
                for metric, value in values.items():
                    yield part, domain, group, metric, value


def find_runs(roots: Sequence[str]) -> list[Run]:
    """Return every run in these folders and below them once, in the order given.

    Raises:
        InputError: A folder holds no run, or a file is not what it should be.
    """
    found: dict[Path, Run] = {}
    for root in roots:
        paths = sorted(each for each in Path(root).rglob(METRICS) if not _is_part(each))
        if not paths:
            raise InputError(
                f"no metrics.json under '{root}'; finished runs are needed: train "
                "some, or name the folder that holds them"
            )
        for path in paths:
            if path.resolve() not in found:
                found[path.resolve()] = read_run(path.parent)
    return list(found.values())


def _is_part(path: Path) -> bool:
    """Return whether a file is being written, or was when that was cut off."""
    return PART.fullmatch(path.parent.name) is not None


def read_run(folder: Path) -> Run:
    """Return what one run folder says.

    Raises:
        InputError: It is no finished run; the message has the file, line and column of
            what cannot be read.
    """
    path = folder / METRICS
    record = read_json(path)
    check_run(folder, [METRICS, "config.yaml"])
    if record.get("schema") != SCHEMA:
        raise InputError(
            f"{path}: schema {record.get('schema')!r} was given, {SCHEMA} is needed; "
            "evaluate the run again with this version"
        )
    check_record(record, path)
    return Run(str(folder), record, read_config(folder))


def _by_path(row: Row, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield nested values by path, such as ``val/A/ndcg@20``."""
    for key, value in row.items():
        if isinstance(value, Mapping):
            yield from _by_path(dict(value), f"{prefix}{key}/")
        elif value is not None:
            yield f"{prefix}{key}", value
