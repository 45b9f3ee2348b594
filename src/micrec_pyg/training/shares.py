"""What one process of several does of a step: all draw the same batch and divide it."""

from dataclasses import replace
from typing import Any

from micrec_pyg.models.base import Model, Part
from micrec_pyg.process_group import own_rows, size
from micrec_pyg.schema import Batch, InputError, Triplets


def own_share(model: Model, batch: Batch) -> Batch:
    """Return a batch with this process's rows of the parts that can be divided.

    The whole batch was drawn in every process by the same streams, so that a step is
    the same for any number of them.

    Args:
        model: Names the parts.
        batch: Whole.
    """
    if size() == 1:
        return batch
    divided: dict[str, Any] = {
        part: {domain: _own(each) for domain, each in getattr(batch, part).items()}
        for part in model.divisible
    }
    return replace(batch, **divided)


def weight_of_share(model: Model, part: Part, batch_size: int) -> float:
    """Return the factor of a loss with which the sum over all processes is the whole.

    Args:
        model: Names the parts that are divided.
        part: What the loss reads; a mean over its rows.
        batch_size: Rows of every divided part.

    Raises:
        InputError: A process would have no row.
    """
    if batch_size < size():
        raise InputError(
            f"fit.batch_size={batch_size}: {size()} processes cannot divide it; give "
            f"{size()} or more, or start fewer processes"
        )
    if part not in model.divisible:
        return 1 / size()
    rows = own_rows(batch_size)
    return float(rows.stop - rows.start) / batch_size


def _own(each: Triplets) -> Triplets:
    rows = own_rows(len(each.user))
    return Triplets(user=each.user[rows], pos=each.pos[rows], neg=each.neg[rows])
