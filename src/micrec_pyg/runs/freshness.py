"""How good answers stay while data comes in: with additions, without, and retrained.

The test span of a run under ``split=global_time`` is cut into periods of as many
interactions. The pairs of the last one are the test of every answer; those of the
others come in, one period after the other:

========  ==================================================================
added     the model of the run, on a graph that has all that came in
retrained a model trained anew at that moment, on all that came before it
nothing   the model of the run, on the graph of its training
========  ==================================================================

In every graph is what lies before its moment, validation pairs too. What came in is
never recommended again to whom is known to have it.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import Tensor

from micrec_pyg.data.splits.by_time import global_time
from micrec_pyg.evaluation.evaluate import summary
from micrec_pyg.graph.build import test_stage, train_stage
from micrec_pyg.graph.to_device import to_device
from micrec_pyg.models.base import Model
from micrec_pyg.runs.evaluate import count_test, finished_run, open_run
from micrec_pyg.runs.experiment import Experiment
from micrec_pyg.runs.inputs import Inputs
from micrec_pyg.runs.job import trained_model
from micrec_pyg.runs.progress import step
from micrec_pyg.schema import ITEM, USER, EdgeSplit, InputError, no_edges

logger = logging.getLogger(__name__)

ADDED, RETRAINED, NOTHING = "added", "retrained", "nothing"
DAY = 24 * 3600
SINCE_1973 = 10**8
"""Unix seconds are larger, an order that counts from 0 is not."""

Splits = Mapping[str, EdgeSplit]


def freshness(
    folder: Path,
    *,
    periods: int,
    device: str | None = None,
    data: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Return how good the answers to the last period's pairs are, by what was added.

    It reads test pairs, so it counts as a test evaluation in the card of the run.

    Args:
        folder: Of a finished run under ``split=global_time``.
        periods: Of the test span; all but the last one are added in turn.
        device: Another one than the run was trained on.
        data: Settings of the data that have changed since, such as its path.

    Returns:
        Columns seed, domain (each that has pairs in the last period), periods (added),
        interactions (added, of the domain), days (between the end of training and the
        moment, null where the clock is no time), answers (``added``, ``retrained``,
        ``nothing``), users, pairs, and the metrics.

    Raises:
        InputError: The split is another one, or too short for so many periods; or the
            model does not answer new users and items.
    """
    with finished_run(folder) as metrics:
        experiment, inputs, model = open_run(folder, device=device, data=data)
        _check(experiment, model, periods)
        moments = _moments(inputs, periods)
        count_test(folder, metrics, experiment, inputs)
    frames = []
    for added, moment in enumerate(moments):
        splits = _known_before(inputs.splits, inputs, moment, moments[-1])
        models = {ADDED: (inputs, model)}
        if added:
            with step(f"training at period {added}"):
                models[RETRAINED] = _retrained(experiment, inputs, moment)
        for answers, (seen, asked) in models.items():
            known = {n: _with_nodes_of(seen.splits[n], splits[n]) for n in splits}
            found = _evaluated(experiment, replace(seen, splits=known), asked)
            frames.append(_rows(found, inputs, moments, added, answers))
    table = pl.concat(frames, how="diagonal")
    return _with_constants(table).select(
        pl.lit(experiment.seed).alias("seed"), pl.all()
    )


def check_split(run: str, name: str, settings: Mapping[str, Any]) -> None:
    """Refuse a run whose test does not lie after its training.

    Args:
        run: Its folder, or what it is called.
        name: Of its split.
        settings: Of its split.

    Raises:
        InputError: It was not split by ``global_time``.
    """
    target = str(settings.get("_target_", ""))
    if target.rpartition(".")[2] != global_time.__name__:
        raise InputError(
            f"freshness: {run} was split by {name}; give runs under "
            "split=global_time, whose test lies after their training"
        )


def check_periods(periods: int) -> None:
    """Refuse a number of periods of which none can be added.

    Raises:
        InputError: It is below 2.
    """
    if periods < 2:
        raise InputError(f"periods={periods}: give 2 or more; the last one is the test")


def _check(experiment: Experiment, model: Model, periods: int) -> None:
    check_split("the run", experiment.split, experiment.settings["split"])
    check_periods(periods)
    if model.answers < {USER, ITEM}:
        raise InputError(
            f"freshness: the model {experiment.model} has no answer for new users or "
            "new items, so nothing can be added to it; train one that has, such as "
            "micrec"
        )


def _moments(inputs: Inputs, periods: int) -> list[int]:
    """Return the times at which the periods begin, of all domains together.

    The last one begins the pairs of the test.
    """
    times = torch.cat([_times(inputs, name) for name in inputs.domains])
    first = min(
        int(_times(inputs, name)[_is_test(inputs, name)].min())
        for name in inputs.domains
        if inputs.splits[name].test.shape[1]
    )
    span = times[times >= first].sort().values
    places = [len(span) * period // periods for period in range(periods)]
    moments = [int(span[place]) for place in places]
    if len(set(moments)) < periods:
        raise InputError(
            f"periods={periods}: the test span has {len(span.unique())} moments, and "
            "equal ones are never separated; give fewer periods"
        )
    return moments


def _times(inputs: Inputs, name: str) -> Tensor:
    time = inputs.domains[name].interactions.time
    assert time is not None  # global_time has divided by it
    return time


def _is_test(inputs: Inputs, name: str) -> Tensor:
    """Return which interactions of a domain the run's split tests."""
    data = inputs.domains[name].interactions
    size = len(data.items)
    test = inputs.splits[name].test
    return torch.isin(data.user * size + data.item, test[0] * size + test[1])


def _known_before(
    splits: Splits, inputs: Inputs, moment: int, last: int
) -> dict[str, EdgeSplit]:
    """Return splits whose ``support`` is what lies before a moment, and no validation.

    What lies between it and the last moment is nowhere; what follows is tested.
    """
    found = {}
    for name, split in splits.items():
        data, time = inputs.domains[name].interactions, _times(inputs, name)
        found[name] = replace(
            split,
            support=data.edges[:, time < moment],
            val=no_edges(),
            test=data.edges[:, time >= last],
        )
    return found


def _with_nodes_of(trained: EdgeSplit, known: EdgeSplit) -> EdgeSplit:
    """Return what is known as the split of a model, whose training is no support."""
    size = len(known.seen_item)
    train, support = (
        pairs[0] * size + pairs[1] for pairs in (trained.train, known.support)
    )
    more = known.support[:, ~torch.isin(support, train)]
    return replace(trained, support=more, val=no_edges(), test=known.test)


def _retrained(
    experiment: Experiment, inputs: Inputs, moment: int
) -> tuple[Inputs, Model]:
    """Return a model of the same settings, trained on what lies before a moment."""
    times = torch.cat([_times(inputs, name) for name in inputs.domains])
    before = int((times < moment).sum())
    ratios = experiment.settings["split"]["ratios"]
    share = before / (ratios[0] + ratios[1])
    select = experiment.settings["split"]["select"]
    splits = global_time(
        inputs.domains,
        ratios=[share * ratios[0], share * ratios[1], len(times) - before],
        select=select,
    )
    train = train_stage(inputs.domains, splits, inputs.options)
    now = replace(inputs, splits=splits, train=train)
    model, _, _ = trained_model(experiment, now, folder=None, on_epoch=lambda row: None)
    return now, model


def _evaluated(
    experiment: Experiment, inputs: Inputs, model: Model
) -> dict[str, dict[str, float | int]]:
    """Return the metrics of all users, by domain that has pairs to test.

    The cut-offs are those of the validation, that of ``fit.metric`` among them.
    """
    stage = test_stage(
        inputs.train,
        inputs.domains,
        inputs.splits,
        inputs.options,
        answers=model.answers,
    )
    stage = to_device(stage, experiment.device)
    ks = experiment.ks_with_selection
    report = experiment.rank(model, stage, train=inputs.train, groups=False, ks=ks)
    found = summary(report)
    return {name: groups["all"] for name, groups in found.items() if "all" in groups}


def _rows(
    found: Mapping[str, Mapping[str, Any]],
    inputs: Inputs,
    moments: list[int],
    added: int,
    answers: str,
) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "domain": name,
                "periods": added,
                "interactions": _between(inputs, name, moments[0], moments[added]),
                "days": _days(moments, added),
                "answers": answers,
                **values,
            }
            for name, values in found.items()
        ]
    )


def _days(moments: list[int], added: int) -> float | None:
    if moments[0] < SINCE_1973:
        return None
    return (moments[added] - moments[0]) / DAY


def _between(inputs: Inputs, name: str, first: int, last: int) -> int:
    time = _times(inputs, name)
    return int(((time >= first) & (time < last)).sum())


def _with_constants(table: pl.DataFrame) -> pl.DataFrame:
    """Return the table with what changes with nothing: it is that of no addition.

    Before the first period nothing is added, and training would find the run's model.
    """
    first = table.filter(periods=0)
    moments = table.filter(answers=ADDED).select(
        "domain", "periods", "interactions", "days"
    )
    values = first.drop("periods", "interactions", "days", "answers")
    nothing = moments.join(values, on="domain", maintain_order="left").with_columns(
        answers=pl.lit(NOTHING)
    )
    start = first.with_columns(answers=pl.lit(RETRAINED))
    return pl.concat([table, start, nothing], how="diagonal").sort(
        "domain", "periods", "answers"
    )
