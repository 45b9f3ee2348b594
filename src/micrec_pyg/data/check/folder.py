"""Everything that is wrong or odd with a data set, to be seen before training."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from micrec_pyg.data.catalogue.domain_folder import DomainFolder, read_domain_folder
from micrec_pyg.data.catalogue.number_titles import number_titles
from micrec_pyg.data.catalogue.reader import (
    domain_folders,
    read_tables,
    unread_beside,
)
from micrec_pyg.data.catalogue.reading_options import ReadingOptions
from micrec_pyg.data.check.domains import check_between, check_domain
from micrec_pyg.data.check.images import check_images
from micrec_pyg.data.files.columns import check_columns
from micrec_pyg.data.files.problems import Problem, Problems
from micrec_pyg.schema import InputError


def check(path: str, *, limit: int, options: Mapping[str, Any]) -> Problems:
    """Return all problems of a data set in the own-catalogue format.

    Errors are what ``read_tables`` refuses with the same options: there are none
    exactly if it reads the data set. Warnings are what it reads, but what may not be
    meant.

    Args:
        path: folder with one subfolder per domain.
        limit: how many errors, and how many warnings, of a file are described; the
            others are counted.
        options: ``columns``, and the fields of ``ReadingOptions``.

    Raises:
        InputError: an option is impossible.
    """
    problems = Problems(limit=limit)
    root = Path(path).expanduser()
    columns = options["columns"]
    check_columns(columns)
    reading = {name: value for name, value in options.items() if name != "columns"}
    contents = _read(root, options, problems)
    for content in contents:
        check_domain(content, problems)
        check_images(content, problems)
        for problem in number_titles(content) if options["text_fields"] is None else ():
            problems.add(problem)
    check_between(contents, problems, by_id=options["links"] is None)
    if not problems.errors:
        try:
            read_tables(root, ReadingOptions(**reading), columns=columns)
        except InputError as error:
            fault = str(error).removeprefix(f"{root}: ")
            problems.add(Problem(root, fault))
    return problems


def _read(
    root: Path, options: Mapping[str, Any], problems: Problems
) -> list[DomainFolder]:
    """Return what can be read of the domains; note what is wrong in the files."""
    try:
        folders = domain_folders(root, options["domains"])
        for problem in unread_beside(root, options["links"]):
            problems.add(problem)
    except InputError as error:
        problems.add(Problem(root, str(error).removeprefix(f"{root}: ")))
        return []
    contents = [
        read_domain_folder(
            folder,
            need_rating=options["rating_min"] is not None,
            columns=options["columns"],
            problems=problems,
        )
        for folder in folders
    ]
    return [content for content in contents if content is not None]
