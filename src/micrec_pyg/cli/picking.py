"""``micrec reproduce --picking``: what picking settings by the test set would buy."""

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from micrec_pyg.cli.pool import Job, Outcome, Result, run_all
from micrec_pyg.cli.preset import Preset
from micrec_pyg.cli.process import show
from micrec_pyg.cli.sweep_jobs import selection
from micrec_pyg.cli.tune_space import override
from micrec_pyg.cli.tuned import BEST, TRIALS, search_all
from micrec_pyg.grid import titled_markdown
from micrec_pyg.report.picking import (
    GROUPS,
    draw_picking,
    picking_table,
    picking_tables,
)
from micrec_pyg.runs.averages import averages
from micrec_pyg.runs.files import read_config, read_json
from micrec_pyg.runs.sealed import METRICS
from micrec_pyg.schema import InputError
from micrec_pyg.storage.writing import write_text

STATES = {"complete": "complete", "pruned": "pruned", "failed": "fail"}
"""How a trial ended: as it is shown, and as Optuna names it."""

ONLY_HERE = (
    "The test set was opened for every trial for this study alone, after all selection "
    "had ended. Nothing else uses these numbers: no setting, epoch or row of any other "
    "table was picked by them."
)

logger = logging.getLogger(__name__)


def run_picking(
    preset: Preset,
    searches: Mapping[tuple[str, str], Job],
    *,
    workers: int,
    tuned: Path,
    path: Path,
    facts: Mapping[str, str],
) -> tuple[Outcome, Outcome]:
    """Return what became of the searches, and of the tests of their complete trials.

    Searches are done as far as they are missing, then the test set is opened for all.
    A tested trial is not tested again. Tables and picture are written.

    Args:
        preset: Whose rows are searched.
        searches: By label and split.
        workers: Searches at a time.
        tuned: Where a row per search is written.
        path: The Markdown file; CSV and SVG lie beside it.
        facts: Lines above the tables.
    """
    _, searched = search_all(searches, workers=workers, table=tuned)
    folders = searched.folders
    todo = [job for job in searches.values() if job in folders]
    logger.info("the test set is opened for the trials of %d searches", len(todo))
    work = partial(evaluate_trials, folders={job: folders[job] for job in todo})
    tested = run_all(todo, workers, work=work)
    found = {
        place: folders[job] for place, job in searches.items() if job in tested.folders
    }
    if found:
        _write(preset, found, path, {**facts, **_share(searches, tested)})
    return searched, tested


def _share(searches: Mapping[tuple[str, str], Job], tested: Outcome) -> dict[str, str]:
    """Return how many searches are in the tables, and which are not."""
    names = [
        f"{label} ({split.partition('=')[2]})"
        for (label, split), job in searches.items()
        if job not in tested.folders
    ]
    done = f"{len(tested.folders)} of {len(searches)} tested"
    return {"searches": done, **({"not tested": ", ".join(names)} if names else {})}


def evaluate_trials(job: Job, *, folders: Mapping[Job, Path]) -> Result:
    """Return the folder of a study, all its complete trials tested, and the seconds.

    Args:
        job: A search.
        folders: Of the studies.

    Raises:
        InputError: A trial's run cannot be tested.
    """
    from micrec_pyg.runs.evaluate import evaluate_job

    begin = time.perf_counter()
    folder = folders[job]
    keys = _best(folder)
    for trial in _complete(folder).to_dicts():
        run = Path(trial["run"])
        if not run.exists():
            run = _train_again(job, [override(key, trial[key]) for key in keys], run)
        evaluate_job(run)
    return folder, time.perf_counter() - begin


def _train_again(job: Job, settings: Sequence[str], run: Path) -> Path:
    """Return the run of a trial that is gone, trained again.

    So it is where a study came without its runs.

    Raises:
        InputError: That gives another run.
    """
    from micrec_pyg.cli.train import train_job

    logger.info("%s is gone: its trial is trained again", run)
    found = train_job([*job.overrides, *settings])
    if _mark(found) != _mark(run):
        raise InputError(
            f"{run} is gone, and trained again it is {found}: data or settings are not "
            "those of the search; search anew, into another --output-dir"
        )
    return found


def _mark(run: Path) -> str:
    """Return seed and digits: they tell runs of one model apart in every version."""
    return "-".join(run.name.split("-")[-2:])


def _complete(folder: Path) -> pl.DataFrame:
    """Return the complete trials of a study as text; those of equal settings are one.

    The column run holds the path of each.

    Raises:
        InputError: The study does not know its runs.
    """
    trials = _trials(folder).filter(state="complete")
    if trials["run"].null_count():
        raise InputError(
            f"{folder}: a trial does not say where its run is; search anew, into "
            "another --output-dir"
        )
    output_dir = folder.parents[1]
    runs = [str(_present(output_dir / run)) for run in trials["run"]]
    return trials.with_columns(run=pl.Series(runs)).unique(
        "run", keep="first", maintain_order=True
    )


def _present(run: Path) -> Path:
    """Return where a run lies: other versions wrote other axes into its name."""
    same = [] if run.exists() else sorted(run.parent.glob(f"*-{_mark(run)}"))
    return same[0] if same else run


def _trials(folder: Path) -> pl.DataFrame:
    return pl.read_csv(folder / TRIALS, infer_schema=False, glob=False)


def _write(
    preset: Preset,
    found: Mapping[tuple[str, str], Path],
    path: Path,
    facts: Mapping[str, str],
) -> None:
    """Write tables and picture of the searches that were tested."""
    metric = _metric(found)
    trials = pl.DataFrame(
        [row for place, folder in found.items() for row in _rows(place, folder, metric)]
    )
    counts = pl.DataFrame([_counts(*each) for each in found.items()])
    table = picking_table(trials, counts)
    lines = [
        f"- {key}: {fact}"
        for key, fact in {**facts, "tuning": preset.tuning, "metric": metric}.items()
    ]
    head = "\n".join(
        [f"# {preset.title}: picking by test\n", ONLY_HERE, "", *lines, ""]
    )
    text = f"{head}\n{titled_markdown(picking_tables(table, metric))}\n"
    show(text)
    csv, picture = (path.with_suffix(ending) for ending in (".csv", ".svg"))
    write_text(path, text)
    write_text(csv, table.write_csv())
    draw_picking(trials, table, metric, picture)
    logger.info("written: %s, %s and %s", path, csv, picture)


def _metric(found: Mapping[tuple[str, str], Path]) -> str:
    """Return what selects in all trials."""
    folder = next(iter(found.values()))
    return str(read_config(Path(_complete(folder)["run"][0]))["fit"]["metric"])


def _rows(place: tuple[str, str], folder: Path, metric: str) -> list[dict[str, Any]]:
    """Return a row per complete trial and group of users."""
    best = _best(folder)
    rows: list[dict[str, Any]] = []
    picked = True
    for trial in _complete(folder).to_dicts():
        run = Path(trial["run"])
        own = picked and all(trial[key] == value for key, value in best.items())
        picked = picked and not own
        rows += [
            {
                "model": place[0],
                "split": place[1].partition("=")[2],
                "group": group,
                "trial": int(trial["trial"]),
                "val": selection(run, metric),
                "test": test,
                "picked": own,
            }
            for group, test in _tests(run, metric).items()
        ]
    return rows


def _best(folder: Path) -> dict[str, str]:
    """Return the keys that a study searches, each with the value that it picked."""
    return dict(text.split("=", 1) for text in read_json(folder / BEST)["settings"])


def _tests(run: Path, metric: str) -> dict[str, float]:
    """Return the mean over domains of the test metric, of the groups that all have."""
    means = averages(read_json(run / METRICS)["test"])
    return {
        group: means[group][metric]
        for group in GROUPS
        if metric in means.get(group, {})
    }


def _counts(place: tuple[str, str], folder: Path) -> dict[str, Any]:
    """Return how the trials of one search ended."""
    state = _trials(folder)["state"]
    return {
        "model": place[0],
        "split": place[1].partition("=")[2],
        **{name: int((state == said).sum()) for name, said in STATES.items()},
    }


def check_picking(name: str, searches: Collection[object]) -> None:
    """Refuse a preset that searches nothing.

    Args:
        name: Of the preset.
        searches: That it has.

    Raises:
        InputError: It has none.
    """
    if not searches:
        raise InputError(
            f"--picking: the preset {name} searches no settings; give one with trials, "
            "such as baselines"
        )
