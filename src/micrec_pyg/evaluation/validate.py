"""A model and the validation pairs -> the metrics that select."""

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from micrec_pyg.evaluation.block_size import BlockSize, users_at_once
from micrec_pyg.evaluation.divided import rank_groups
from micrec_pyg.evaluation.evaluate import domain_scores, judged, task_score
from micrec_pyg.evaluation.judge import check_cut_offs
from micrec_pyg.evaluation.metrics import accuracy_metrics
from micrec_pyg.models.base import Model
from micrec_pyg.process_group import from_first
from micrec_pyg.schema import (
    ITEM,
    USER,
    Embeddings,
    InputError,
    RankedLists,
    Score,
    Task,
    ValidStage,
)

Parts = Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]
"""Rows -> s of the net alone, z(s) of the net and z(s) of the term."""


def validate(
    model: Model, stage: ValidStage, *, k: int, batch_size: BlockSize
) -> dict[str, dict[str, float]]:
    """Return {domain: {metric: mean over the users with a validation pair}}.

    Raises:
        InputError: A domain has nothing to validate on, or k does not fit it.
    """
    means: dict[str, dict[str, float]] = {}
    with domain_scores(model, stage) as scores:
        for domain, score in scores:
            task = stage.tasks[domain]
            users = _users_to_validate(task, domain, k)
            at_once = users_at_once(batch_size, task.data[ITEM].num_nodes, users.device)
            lists = _ranked(score, task, users, k, at_once, domain)
            means[domain] = _means(lists, task, k)
    # what is selected by them must be the same in all processes of a run
    return from_first(lambda: means)


def validate_weights(
    model: Model,
    stage: ValidStage,
    weights: Sequence[float],
    *,
    parts: Callable[..., Parts],
    k: int,
    batch_size: BlockSize,
) -> dict[float, dict[str, dict[str, float]]]:
    """Return by weight of the term what ``validate`` would return with it.

    Both scores of a block of users are computed once for all weights.

    Args:
        model: Has a term; the weight that is set counts nothing here.
        stage: The ranking task.
        weights: Of the term.
        parts: Its ``parts``, with the arguments of ``scorer``.
        k: Length of the lists.
        batch_size: Users ranked at once, or ``auto``.

    Raises:
        InputError: As of ``validate``.
    """
    found: dict[float, dict[str, dict[str, float]]] = {w: {} for w in weights}
    with judged(model):
        z: Mapping[str, Embeddings] = model(stage.graphs)
        for domain, task in stage.tasks.items():
            users = _users_to_validate(task, domain, k)
            at_once = users_at_once(batch_size, task.data[ITEM].num_nodes, users.device)
            of_rows = _remembering(parts(task.graph, z, stage.graphs))
            scores = {w: task_score(_weighed(of_rows, w), task) for w in weights}
            lists: dict[float, list[RankedLists]] = {w: [] for w in weights}
            for block in users.split(at_once):
                for weight, score in scores.items():
                    ranked = _ranked(score, task, block, k, len(block), domain)
                    lists[weight].append(ranked)
            for weight, blocks in lists.items():
                found[weight][domain] = _means(_joined(blocks), task, k)
    return from_first(lambda: found)


def _users_to_validate(task: Task, domain: str, k: int) -> Int[Tensor, " rows"]:
    check_cut_offs([k], domain, task.data)
    if task.hidden.shape[1] == 0:
        raise InputError(
            f"domain '{domain}': no validation pair between users and items of the "
            "validation graph; give validation a larger share of the split, or leave "
            "the domain out"
        )
    users: Tensor = task.hidden[0].unique()
    return users


def _ranked(
    score: Score,
    task: Task,
    users: Int[Tensor, " rows"],
    k: int,
    at_once: int,
    domain: str,
) -> RankedLists:
    lists = rank_groups(
        score,
        users=users,
        n_id=task.data[USER].n_id[users],
        known=task.known,
        k=k,
        candidates={"all": None},
        batch_size=at_once,
        domain=domain,
    )
    return lists["all"]


def _means(lists: RankedLists, task: Task, k: int) -> dict[str, float]:
    values = accuracy_metrics(
        lists, task.hidden, num_items=task.data[ITEM].num_nodes, ks=[k]
    )
    return {name: float(value.mean()) for name, value in values.items()}


def _remembering(parts: Parts) -> Parts:
    """Return the same function, which keeps what it found last."""
    last: tuple[Tensor, tuple[Tensor, Tensor, Tensor]] | None = None

    def of_rows(rows: Int[Tensor, " rows"]) -> tuple[Tensor, Tensor, Tensor]:
        nonlocal last
        if last is None or not torch.equal(last[0], rows):
            last = None  # its memory first
            last = (rows, parts(rows))
        return last[1]

    return of_rows


def _weighed(parts: Parts, weight: float) -> Score:
    """Return the scores of ``Fused`` with a weight; blocks are not its own to keep."""

    def score(rows: Int[Tensor, " rows"]) -> Float[Tensor, "rows items"]:
        alone, first, second = parts(rows)
        found: Tensor = second.mul(weight).add_(first) if weight else alone.clone()
        return found

    return score


def _joined(blocks: Sequence[RankedLists]) -> RankedLists:
    fields = ("user", "item", "score")
    return RankedLists(
        **{name: torch.cat([getattr(b, name) for b in blocks]) for name in fields}
    )
