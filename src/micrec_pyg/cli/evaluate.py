"""``micrec evaluate``: open the sealed test set for finished runs."""

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from micrec_pyg.cli.process import log_to_stderr, prepare, show
from micrec_pyg.cli.sentences import DONE, REFUSED
from micrec_pyg.cli.together import together
from micrec_pyg.cli.tracking.push import add_results
from micrec_pyg.grid import WIDTH, aligned, within
from micrec_pyg.runs.averages import AVERAGE, averages
from micrec_pyg.runs.evaluate import evaluate_job
from micrec_pyg.runs.grids import FEW, FEW_NOTE, grids
from micrec_pyg.schema import InputError
from micrec_pyg.storage.seals import MANIFEST

logger = logging.getLogger(__name__)


def main(argv: list[str]) -> int:
    """Return 0 when every finished run has its test results.

    2 if some cannot be evaluated, such as those whose data is not there; the others
    are.

    Raises:
        InputError: A folder holds no finished run, or the only one cannot be evaluated;
            or, after all are evaluated, no run has a group that was asked for.
    """
    given = _parser().parse_intermixed_args(argv)
    prepare()
    log_to_stderr()
    data = dict(_setting(text) for text in given.runs if _is_setting(text))
    names = [text for text in given.runs if not _is_setting(text)]
    folders, refused = find(names), 0
    groups: dict[str, None] = {}
    with together() as tells:
        for folder in folders:
            try:
                metrics = evaluate_job(
                    folder, again=given.again, device=given.device, data=data
                )
            except InputError as error:
                if len(folders) == 1:
                    raise
                refused += 1
                logger.error("not evaluated: %s: %s", folder, error)
                continue
            groups |= dict.fromkeys(_groups(metrics["test"]))
            if tells:
                add_results(folder)
                table = _text(metrics["test"], given.group)
                show(f"{folder}\n{table}\nevery group: {folder / 'run_card.md'}\n\n")
    if refused:
        logger.error("%d of %d runs were not evaluated", refused, len(folders))
    unknown = [group for group in given.group or [] if group not in groups]
    if unknown and groups:
        raise InputError(
            f"no run has the group {', '.join(unknown)}; valid: {', '.join(groups)}"
        )
    return REFUSED if refused else DONE


def find(names: Sequence[str]) -> list[Path]:
    """Return the finished runs in these folders and below them, each once.

    Raises:
        InputError: There is none, or a folder named is an unfinished run.
    """
    found: dict[Path, None] = {}
    unfinished = 0
    for name in names:
        root = Path(name)
        if any((root / file).exists() for file in ("config.yaml", MANIFEST)):
            found[root] = None  # unfinished, damaged or neither: it was named
            continue
        for config in sorted(root.rglob("config.yaml")):
            if config.parent.name == "artefact":
                continue
            if (config.parent / "metrics.json").is_file():
                found[config.parent] = None
            else:
                unfinished += 1
    if unfinished:
        few = "run is" if unfinished == 1 else "runs are"
        logger.warning("%d unfinished %s left out", unfinished, few)
    if not found:
        raise InputError(
            f"no finished run in {', '.join(names) or 'no folder'}; give a folder that "
            "`micrec train` printed, or one that holds such folders"
        )
    return list(found)


def _text(
    test: Mapping[str, Mapping[str, Mapping[str, Any]]], groups: Sequence[str] | None
) -> str:
    """Return results as text of a terminal's width, with the average over the domains.

    Args:
        test: By domain, group and metric.
        groups: Which; None: all users, or every group where a model does not answer
            for all of them.
    """
    there = _groups(test)
    chosen = groups or (["all"] if "all" in there else there)
    shown: dict[str, dict[str, Mapping[str, Any]]] = {
        domain: {g: by_group[g] for g in chosen if g in by_group}
        for domain, by_group in test.items()
    }
    if len(test) > 1:
        shown[AVERAGE] = dict(averages(shown))
    tables = [
        "\n".join(line.rstrip() for line in aligned(part))
        for grid in grids(shown)
        for part in within(grid, WIDTH, keys=2)
    ]
    if any(FEW in table for table in tables):
        tables.append(FEW_NOTE)
    tables += [f"no group {group} here" for group in chosen if group not in there]
    return "\n\n".join(tables) or "nothing to rank: no user has a test item"


def _groups(test: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """Return the groups that some domain has results of."""
    return list(
        dict.fromkeys(group for by_group in test.values() for group in by_group)
    )


def _is_setting(text: str) -> bool:
    return text.startswith("data.") and "=" in text


def _setting(text: str) -> tuple[str, str]:
    key, _, value = text.removeprefix("data.").partition("=")
    if key not in ("path", "root"):
        raise InputError(
            f"{text}: only the place of the data may have changed since training; give "
            "data.path=FOLDER or data.root=FOLDER"
        )
    return key, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "micrec evaluate",
        description="Evaluate finished runs on their sealed test sets, once each. "
        "data.path=FOLDER says where their data lies now.",
    )
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="folder of a run, or one that holds runs; unfinished ones are left out",
    )
    parser.add_argument(
        "--again", action="store_true", help="evaluate also where results exist"
    )
    parser.add_argument("--device", help="another device than the run was trained on")
    parser.add_argument(
        "--group",
        nargs="+",
        action="extend",
        help="groups to print, see docs/metrics.md (default: all)",
    )
    return parser
