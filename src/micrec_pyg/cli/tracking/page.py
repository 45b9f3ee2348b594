"""The report page of a project at wandb: the headline table, and the panels under it.

Needs the optional packages of ``pip install 'micrec-pyg[wandb]'``.
"""

from typing import Any

from wandb_workspaces.reports.v2 import interface as wr

from micrec_pyg.cli.tracking import dashboard

TITLE = "MICRec: results"
"""By it the page is found again."""


def report(entity: str, project: str, headline: str) -> wr.Report:
    """Return the report page of a project, not saved yet.

    Args:
        entity: User or team at wandb.
        project: Name at wandb.
        headline: The tables of the results, as Markdown.
    """
    blocks: list[Any] = [
        wr.TableOfContents(),
        wr.H1("Results"),
        wr.MarkdownBlock(headline),
    ]
    for title, panels in (
        ("Validation per epoch", dashboard.validation()),
        ("Losses", dashboard.losses()),
        ("Test groups", dashboard.test()),
        ("Settings", dashboard.sweep()),
    ):
        runs = wr.Runset(entity=entity, project=project, name="All runs")
        blocks += [wr.H1(title), wr.PanelGrid(runsets=[runs], panels=panels)]
    return wr.Report(
        entity=entity,
        project=project,
        title=TITLE,
        description="Made by micrec wandb publish, which replaces it.",
        blocks=blocks,
        width="fluid",
    )
