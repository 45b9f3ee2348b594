"""Are the settings of many runs possible? Asked before any of them begins."""

from collections.abc import Iterable, Sequence

from micrec_pyg.cli.config import experiment
from micrec_pyg.cli.config_errors import options
from micrec_pyg.cli.pool import Job
from micrec_pyg.runs.build import conf_dir
from micrec_pyg.runs.settings import check_data_files
from micrec_pyg.schema import InputError


def check_jobs(jobs: Iterable[Job], metrics: Sequence[str] = ()) -> None:
    """Refuse runs whose settings are impossible, with the checks of their start.

    Whether a setting exists and what it allows is decided by the options of the groups,
    so each option and each key is tried once, and not in every combination.

    Data whose files are not there is refused too. No data is read.

    Args:
        jobs: May share most of their settings.
        metrics: That each of them has to have, such as ``ndcg@20``.

    Raises:
        InputError: No run could use the settings of one; the message names it. Or as
            reading the data would raise it.
    """
    groups, seen = options(conf_dir()), set[str]()
    for job in jobs:
        keys = {override.partition("=")[0] for override in job.overrides}
        chosen = {o for o in job.overrides if o.partition("=")[0] in groups}
        if {*keys, *chosen} <= seen:
            continue
        seen |= {*keys, *chosen}
        try:
            described = experiment(job.overrides)
        except InputError as error:
            raise InputError(f"{error} (of the run {job.name})") from error
        _check_metrics(metrics, described.settings["rank"]["ks"])
        check_data_files(described.settings["data"])


def _check_metrics(metrics: Sequence[str], ks: Sequence[int]) -> None:
    lacking = [m for m in metrics if int(m.partition("@")[2] or ks[0]) not in ks]
    if lacking:
        raise InputError(
            f"rank.ks={list(ks)}: the tables need {', '.join(lacking)}; give rank.ks "
            "with these cut-offs too"
        )
