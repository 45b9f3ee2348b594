"""What a project shows at wandb: the panels, and the saved view that has them all.

Needs the optional packages of ``pip install 'micrec-pyg[wandb]'``.
"""

from typing import Any

import wandb_workspaces.workspaces as ws
from wandb_workspaces.reports.v2 import interface as wr

SELECTION = "val/average/ndcg@20"
"""By this the best epoch of a run is chosen."""

BEST = f"{SELECTION}.max"
"""The same of the best epoch: wandb keeps a maximum below the name of its values."""

TESTED = "test/average/all/ndcg@20"

GROUPS = (
    "old_user",
    "new_user",
    "old_item",
    "new_item",
    "item_degree_0",
    "user_history_0",
)
"""Groups of the test that have a bar of their own; a table has them all."""

AXES = ("K", "w", "gamma")

VIEW = "micrecboard"
"""Name of the view within the project at wandb, which no person sees: by it the view
is found again. It has as many letters as those that wandb makes up."""

MOST_RUNS = 100
"""Lines or bars in one panel."""

SETTING = wr.Config("setting")
"""Runs that differ in nothing but the seed have the same, see ``values.setting_of``."""


def workspace(entity: str, project: str, baseline: str | None) -> ws.Workspace:
    """Return the view of a project, not saved yet.

    Args:
        entity: User or team at wandb.
        project: Name at wandb.
        baseline: Id of the run that the others are compared with.
    """
    sections = [
        ("Validation per epoch", validation()),
        ("Losses", losses()),
        ("Test", test()),
        ("Settings", sweep()),
        ("Runs side by side", [wr.RunComparer(diff_only="split")]),
    ]
    return ws.Workspace(
        entity=entity,
        project=project,
        name="MICRec",
        sections=[
            ws.Section(name=name, panels=panels, is_open=True)
            for name, panels in sections
        ],
        settings=ws.WorkspaceSettings(x_axis="epoch", max_runs=MOST_RUNS),
        runset_settings=ws.RunsetSettings(
            order=[ws.Ordering(ws.Summary(BEST), ascending=False)],
            pinned_columns=[
                "run:displayName",
                f"summary:{BEST}",
                f"summary:{TESTED}",
                *(f"config:{axis}.value" for axis in AXES),
            ],
            baseline_run=baseline,
        ),
    )


def validation() -> list[Any]:
    """Return the panels of the validation: the mean over domains, each, the best."""
    return [
        _lines("NDCG@20, mean over domains", y=[SELECTION]),
        _lines("Recall@20, mean over domains", y=["val/average/recall@20"]),
        _lines("NDCG@20 of every domain", metric_regex="val/[^/]+/ndcg@20"),
        _bars("NDCG@20 of the best epoch", [BEST]),
    ]


def losses() -> list[Any]:
    """Return the panels of what training minimises, and of how it goes."""
    return [
        _lines("Every loss", metric_regex="loss/.*"),
        _lines("Learning rate", y=["lr"]),
        _lines("Seconds per epoch", y=["seconds"]),
    ]


def test() -> list[Any]:
    """Return the panels of the test results: tables, and bars of the groups."""
    return [
        wr.WeavePanelSummaryTable(table_name="test/domains"),
        wr.WeavePanelSummaryTable(table_name="test/groups"),
        _bars("Test NDCG@20, mean over domains", [TESTED]),
        *(
            _bars(f"Test NDCG@20: {group}", [f"test/average/{group}/ndcg@20"])
            for group in GROUPS
        ),
    ]


def sweep() -> list[Any]:
    """Return the panels of what the settings do to the selection metric."""
    metrics: list[Any] = [*map(wr.Config, AXES), wr.SummaryMetric(BEST)]
    return [
        wr.ParallelCoordinatesPlot(
            title="K, w, gamma and the validation",
            columns=[wr.ParallelCoordinatesPlotColumn(each) for each in metrics],
        ),
        wr.ParameterImportancePlot(with_respect_to=BEST),
    ]


def _lines(title: str, **metrics: Any) -> wr.LinePlot:
    """Return lines over the epochs: the mean over seeds, and a band of one sd."""
    return wr.LinePlot(
        title=title,
        x="epoch",
        groupby=SETTING,
        groupby_aggfunc="mean",
        groupby_rangefunc="stddev",
        max_runs_to_show=MOST_RUNS,
        **metrics,
    )


def _bars(title: str, metrics: list[Any]) -> wr.BarPlot:
    """Return bars of final values: the mean over seeds, and one sd."""
    return wr.BarPlot(
        title=title,
        metrics=metrics,
        groupby=SETTING,
        groupby_aggfunc="mean",
        groupby_rangefunc="stddev",
        max_runs_to_show=MOST_RUNS,
    )
