"""``micrec data check``: everything that is wrong or odd with a data set."""

import argparse
from pathlib import Path

from micrec_pyg.cli.data.settings import add_settings, data_config
from micrec_pyg.cli.process import log_to_stderr, show
from micrec_pyg.data.check.folder import check
from micrec_pyg.data.files.problems import Problems, printable
from micrec_pyg.schema import InputError

LIMIT = 20
TABLES = "micrec_pyg.data.sources.Tables.read"


def main(argv: list[str]) -> int:
    """Return 0 if the data set can be read, 2 if it is refused.

    Prints every problem with its file, line, column, value and what to do.

    Raises:
        InputError: the settings cannot be used, or name data that is no folder.
    """
    parser = argparse.ArgumentParser(
        "micrec data check",
        description="Say everything that is wrong or odd with a data set.",
    )
    add_settings(parser)
    parser.add_argument(
        "--limit",
        type=int,
        default=LIMIT,
        help=f"errors and warnings shown per file, the others are counted "
        f"(default: {LIMIT})",
    )
    given = parser.parse_args(argv)
    if given.limit < 1:
        raise InputError(f"--limit {given.limit}: give 1 or more")
    log_to_stderr()
    config = data_config(given.settings)
    if config.pop("_target_") != TABLES:
        raise InputError(
            "check looks at a folder in the own-catalogue format; give its path"
        )
    config.pop("_convert_", None)
    path = str(config.pop("path"))
    problems = check(path, limit=given.limit, options=config)
    show(text(problems, path))
    return 2 if problems.errors else 0


def text(problems: Problems, path: str) -> str:
    """Return all problems as text, by file, errors first, and a last line of sums."""
    lines: list[str] = []
    files: dict[Path, None] = {problem.file: None for problem in problems.found}
    for file in files:
        lines.append(printable(file))
        mine = [problem for problem in problems.found if problem.file == file]
        for problem in sorted(mine, key=lambda each: not each.error):
            kind = "error  " if problem.error else "warning"
            lines.append(f"  {kind}  {str(problem).removeprefix(printable(file))[2:]}")
        if more := problems.not_kept(file):
            lines.append(f"  ... and {more:,} more")
    verdict = "cannot be read" if problems.errors else "can be read"
    sums = f"errors: {problems.errors:,}, warnings: {problems.warnings:,}"
    return "\n".join([*lines, f"{path}: {sums}; it {verdict}", ""])
