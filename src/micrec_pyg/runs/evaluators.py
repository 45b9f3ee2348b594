"""What the evaluators of other papers would say of a run, and what a tie rule is worth.

UniCDR, DisenCDR and CDRIB rank each test item among 999 sampled negatives and count
those with a strictly higher score alone, so a constant score has a perfect hit rate.
Here the same pairs are judged under three rules for equal scores, among sampled
negatives and among all items, beside the full ranking of this project.
"""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from micrec_pyg.evaluation.evaluate import domain_scores
from micrec_pyg.evaluation.groups import user_degree
from micrec_pyg.evaluation.one_positive import (
    Judged,
    Standings,
    rule_values,
    stand,
)
from micrec_pyg.graph.build import test_stage
from micrec_pyg.graph.node_rows import places
from micrec_pyg.graph.to_device import to_device
from micrec_pyg.models.base import Model
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.runs.evaluate import count_test, finished_run, open_run
from micrec_pyg.runs.experiment import Experiment
from micrec_pyg.runs.inputs import Inputs
from micrec_pyg.schema import ITEM, USER, InputError, Score, Task
from micrec_pyg.storage.reading import read_parquet
from micrec_pyg.storage.writing import write_parquet

FILE = "evaluators.parquet"
"""In the folder of a run: what ``measure_evaluators`` found."""

CUT = 10
"""Of hit and NDCG, as in those papers."""

MODEL, CONSTANT = "model", "constant"
"""Whose scores: those of the run, or one number for every item."""

SAMPLED, EVERY, FULL = "sampled", "every item", "full ranking"
"""What a positive is ranked with. The last is the run's own result: all positives of
a user in one list, equal scores in an order of the user's own, mean over users."""

TIED, ALL_TIED, EQUALS, OTHERS = "tied", "all tied", "equals", "others"
"""Metrics without a rule: the share of positives with an equal, the share with nothing
but equals, and the mean numbers of equals and of items in all."""

OLD_ITEMS = "old_item"
"""The group of the run's own result that ranks the same items."""


def measure_evaluators(folder: Path, count: int) -> pl.DataFrame:
    """Return what a run's test pairs are worth under several evaluators.

    Judged are the test pairs whose item training knew, among such items: every model
    has an answer for them, so the pairs and the negatives of a seed are the same for
    all. The result is kept with the run; asked for again, it is read. It counts as
    one more evaluation of the test set.

    Args:
        folder: Of a tested run.
        count: Negatives of each pair.

    Returns:
        Columns domain, group (of users: all, new_user, user_history_0), pairs, scores,
        candidates, negatives (the argument), rule (null where none applies), metric,
        value.

    Raises:
        InputError: The run was not tested yet.
    """
    found = _kept(folder, count)
    if found is not None:
        return found
    with finished_run(folder) as metrics:
        found = _kept(folder, count)  # of another job, meanwhile
        if found is not None:
            return found
        if "test" not in metrics:
            raise InputError(
                f"{folder} was not tested yet; do it first: "
                f"micrec evaluate {shlex.quote(str(folder))}"
            )
        experiment, inputs, model = open_run(folder)
        count_test(folder, metrics, experiment, inputs)
        rows = list(_measured(experiment, inputs, model, count))
        rows += [
            row
            for domain, test in metrics["test"].items()
            for row in _full_ranking(domain, test)
        ]
        table = pl.DataFrame(rows, infer_schema_length=None)
        table = table.with_columns(negatives=pl.lit(count))
        write_parquet(folder / FILE, table)
    return table


def _kept(folder: Path, count: int) -> pl.DataFrame | None:
    """Return what was measured before with as many negatives; None if nothing was."""
    path = folder / FILE
    if not path.is_file():
        return None
    found = read_parquet(path)
    return found if {*found["negatives"]} == {count} else None


def _measured(
    experiment: Experiment, inputs: Inputs, model: Model, count: int
) -> Iterator[dict[str, Any]]:
    """Yield the results of all domains but those of the full ranking."""
    stage = test_stage(
        inputs.train,
        inputs.domains,
        inputs.splits,
        inputs.options,
        answers=model.answers,
    )
    stage = to_device(stage, experiment.device)
    with domain_scores(model, stage) as scores:
        for domain, score in scores:
            task = stage.tasks[domain]
            judged = _judged(experiment, inputs, domain, task, score, count)
            yield from _rows(domain, judged, _groups(task, inputs, domain))


def _judged(
    experiment: Experiment,
    inputs: Inputs,
    domain: str,
    task: Task,
    score: Score,
    count: int,
) -> Judged:
    """Return how the test pairs of one domain stand, in vocabulary users."""
    split, data = inputs.splits[domain], inputs.domains[domain].interactions
    old = split.seen_item.nonzero().flatten()
    column = places(old, len(data.items))
    user, item = (
        places(task.data[kind].n_id.cpu(), size)
        for kind, size in ((USER, len(data.users)), (ITEM, len(data.items)))
    )
    row, device = item[old].to(experiment.device), experiment.device

    def of_old_items(users: Int[Tensor, " rows"]) -> Float[Tensor, "rows items"]:
        return score(user[users].to(device)).index_select(1, row)

    return stand(
        of_old_items,
        _in_columns(split.test, column),
        had=_in_columns(data.edges, column),
        answered=user >= 0,
        num_items=len(old),
        count=count,
        generator=RandomStreams(experiment.seed)("evaluators", domain),
    )


def _in_columns(
    pairs: Int[Tensor, "2 _"], column: Int[Tensor, " items"]
) -> Int[Tensor, "2 _"]:
    """Return the pairs whose item has a column, ordered by user and column."""
    user, place = pairs[0], column[pairs[1]]
    known = place >= 0
    key = user[known] * len(column) + place[known]
    key = key.sort().values
    return torch.stack([key // len(column), key % len(column)])


def _groups(
    task: Task, inputs: Inputs, domain: str
) -> dict[str, Bool[Tensor, " users"]]:
    """Return the users of each group, in vocabulary indices."""
    data = task.data
    own = {
        "all": torch.ones_like(data[USER].n_id, dtype=torch.bool),
        "new_user": data[USER].train_row < 0,
        "user_history_0": user_degree(data) == 0,
    }
    found = {}
    for name, mask in own.items():
        users = torch.zeros(
            len(inputs.domains[domain].interactions.users), dtype=torch.bool
        )
        users[data[USER].n_id[mask].cpu()] = True
        found[name] = users
    return found


def _rows(
    domain: str, judged: Judged, groups: Mapping[str, Bool[Tensor, " users"]]
) -> Iterator[dict[str, Any]]:
    """Yield the results of one domain, of the groups that have a pair."""
    for group, users in groups.items():
        members = users[judged.user]
        if not members.any():
            continue
        for candidates, every in ((SAMPLED, judged.sampled), (EVERY, judged.every)):
            own = every.of(members)
            for scores, asked in ((MODEL, own), (CONSTANT, own.constant())):
                head = {
                    "domain": domain,
                    "group": group,
                    "pairs": int(members.sum()),
                    "scores": scores,
                    "candidates": candidates,
                }
                for rule, metric, value in _values(asked):
                    yield {**head, "rule": rule, "metric": metric, "value": value}


def _values(asked: Standings) -> Iterator[tuple[str | None, str, float]]:
    """Yield (rule, metric, mean over pairs)."""
    for rule, metric, values in rule_values(asked, CUT):
        yield rule, metric, float(values.mean())
    some = asked.equal > 0
    every = some & (asked.equal == asked.others)
    yield None, TIED, float(some.double().mean())
    yield None, ALL_TIED, float(every.double().mean())
    yield None, EQUALS, float(asked.equal.double().mean())
    yield None, OTHERS, float(asked.others.double().mean())


def _full_ranking(
    domain: str, test: Mapping[str, Mapping[str, float]]
) -> Iterator[dict[str, Any]]:
    """Yield the run's own results on the same items."""
    own = test.get(OLD_ITEMS, test.get("all", {}))
    for metric, value in own.items():
        if metric.partition("@")[0] in ("recall", "hit", "ndcg") and "@" in metric:
            yield {
                "domain": domain,
                "group": "all",
                "pairs": int(own["pairs"]),
                "scores": MODEL,
                "candidates": FULL,
                "rule": None,
                "metric": metric,
                "value": float(value),
            }
