"""A term that any model may add to its scores, and the choice of its weight."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import fmean
from typing import Any

from torch import Tensor

from micrec_pyg.models.base import Model
from micrec_pyg.models.fused import Fused
from micrec_pyg.runs.build import build
from micrec_pyg.schema import InputError, ValidStage

logger = logging.getLogger(__name__)

NONE: Mapping[str, Any] = {"name": "none"}


def with_term(
    net: Callable[..., Model], term: Mapping[str, Any]
) -> Callable[..., Model]:
    """Return what makes a model with the term of the settings, if there is one.

    Raises:
        InputError: There is no such term, or it has losses: it would stay untrained.
    """
    if term["name"] == NONE["name"]:
        return net
    if "net" not in term:
        raise InputError(
            f"term.name={term['name']}: this term scores nothing; give term=none, or "
            "one with a model, such as term=ease_xc"
        )
    made = build(term["net"], "term.net")
    if getattr(made, "func", made).terms:
        raise InputError(
            f"term={term['name']}: a term is not trained, and this model has losses; "
            "give a closed form such as term=ease_xc"
        )
    return partial(Fused, net=net, term=made)


def choose_weight(
    model: Model,
    valid: ValidStage,
    weights: Sequence[float],
    *,
    metric: str,
    validate: Callable[[Model, ValidStage], Mapping[str, Mapping[str, float]]],
) -> None:
    """Set beta of a trained model to the weight that validates best.

    Args:
        model: A ``Fused``, after training.
        valid: Decides; of equal ones the first weight stays.
        weights: Tried; one alone is taken as it is.
        metric: Whose mean over the domains is compared.
        validate: Returns {domain: {metric: value}}.
    """
    beta: Tensor = model.get_buffer("beta")
    found = {}
    for weight in weights if len(weights) > 1 else ():
        beta.fill_(weight)
        found[weight] = fmean(m[metric] for m in validate(model, valid).values())
        logger.info("term: beta %g, validation %s %.4f", weight, metric, found[weight])
    best = max(found, key=lambda weight: found[weight]) if found else weights[0]
    beta.fill_(best)
    logger.info("term: beta %g is taken", best)
