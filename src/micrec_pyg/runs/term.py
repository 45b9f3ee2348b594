"""A term that any model may add to its scores, and the choice of its weight."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from micrec_pyg.models.base import Model
from micrec_pyg.models.fused import Fused
from micrec_pyg.runs.averages import average
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
    model: Fused,
    valid: ValidStage,
    weights: Sequence[float],
    *,
    metric: str,
    validate: Callable[..., Mapping[float, Mapping[str, Mapping[str, float]]]],
) -> None:
    """Set beta of a trained model to the weight that validates best.

    Args:
        model: After training.
        valid: Decides; of equal ones the first weight stays.
        weights: Tried; one alone is taken as it is.
        metric: Whose mean over the domains is compared.
        validate: Of the model, the stage and the weights; returns
            {weight: {domain: {metric: value}}}.
    """
    found = {}
    if len(weights) > 1:
        for weight, means in validate(model, valid, weights).items():
            found[weight] = average(list(means.values()))[metric]
            logger.info(
                "term: beta %g, validation %s %.4f", weight, metric, found[weight]
            )
    best = max(found, key=lambda weight: found[weight]) if found else weights[0]
    model.beta.fill_(best)
    logger.info("term: beta %g is taken", best)
