"""``micrec wandb publish``: the dashboard of a project, built by wandb's API."""

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from micrec_pyg.cli.report import METRICS
from micrec_pyg.report.collect import collect
from micrec_pyg.report.remarks import remarks
from micrec_pyg.report.tables import as_markdown, sheets
from micrec_pyg.schema import InputError

logger = logging.getLogger(__name__)

BASELINE = "inmo"
"""Model whose first run the others are compared with."""

ALPHA = 0.05
"""Level of the marks of significance in the tables."""


def publish(project: str, *, entity: str | None, runs: Path | None) -> list[str]:
    """Return the addresses of the view and of the report page, made or made anew.

    Args:
        project: Name at wandb; it has runs already.
        entity: User or team at wandb; None: the one that is logged in.
        runs: Folder of the runs in the page's tables; None: no page.

    Raises:
        InputError: The optional packages are missing, no run below ``runs`` was
            evaluated, or there is no such project.
        wandb.Error: Or another one of ``failures_of_wandb``.
    """
    if find_spec("wandb_workspaces") is None:
        raise InputError(
            "the dashboard needs wandb-workspaces; install it: "
            "pip install 'micrec-pyg[wandb]'"
        )
    headline = None if runs is None else headline_of(runs)
    import wandb

    api = wandb.Api(overrides={} if entity is None else {"entity": entity})
    owner = api.settings["entity"] or api.default_entity
    if not owner:
        raise InputError(
            "the wandb account has no default entity; give --entity with a user or team"
        )
    found = [_save_view(owner, project, _baseline(api, owner, project))]
    if headline is not None:
        found.append(_save_report(api, owner, project, headline))
    return found


def headline_of(runs: Path) -> str:
    """Return the main tables of the evaluated runs below a folder, as Markdown.

    Raises:
        InputError: There is no run, or none was evaluated.
    """
    results = collect(str(runs))
    for sentence in remarks(results, "test"):
        logger.warning("%s", sentence)
    found = sheets(
        results,
        metrics=METRICS,
        groups=["all"],
        tuning="not stated",
        names={},
        alpha=ALPHA,
    )
    return as_markdown(found)


def _baseline(api: Any, entity: str, project: str) -> str | None:
    """Return the id of the oldest run of INMO; None without one.

    Not the best one: the choice would be one of the results.

    Raises:
        InputError: There is no such project.
    """
    path = f"{entity}/{project}"
    found = api.runs(path, filters={"config.model": BASELINE}, order="+created_at")
    try:
        run = next(found, None)
    except ValueError as error:  # all that wandb says of a missing project
        raise InputError(
            f"wandb has no project '{path}'; send runs to it first: "
            f"micrec wandb push DIR --mode online --project {project}"
        ) from error
    if run is None:
        logger.warning("no run of %s is at wandb: no baseline is set", BASELINE)
    return None if run is None else str(run.id)


def _save_view(entity: str, project: str, baseline: str | None) -> str:
    """Return the address of the saved view, which replaces that of an earlier call."""
    import wandb
    from wandb_workspaces.workspaces import errors, internal

    from micrec_pyg.cli.tracking.dashboard import VIEW, workspace

    view = workspace(entity, project, baseline)
    # the library finds a view by its address alone, and gives each new one a name
    view._internal_name = internal._url_query_str_to_internal_name(VIEW)
    try:
        view._internal_id = internal.get_view_dict(entity, project, VIEW)["id"]
    except ValueError:  # the project is there: it has no such view yet
        logger.info("the view is new")
    except errors.SpecVersionError as error:
        raise wandb.Error(str(error)) from error
    view.save()
    return str(view.url)


def _save_report(api: Any, entity: str, project: str, headline: str) -> str:
    """Return the address of the report page, which replaces one of the same title."""
    from micrec_pyg.cli.tracking.page import TITLE, report

    page = report(entity, project, headline)
    for each in api.reports(f"{entity}/{project}"):
        if each.display_name == TITLE:
            page.id = each.id
            break
    page.save()
    return str(page.url)
