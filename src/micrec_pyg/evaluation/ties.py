"""A warning where equal scores decide many lists: the model tells little there."""

import logging

from jaxtyping import Bool
from torch import Tensor

from micrec_pyg.run_warnings import warn

logger = logging.getLogger(__name__)

TIED_SHARE = 0.5
"""A larger share of users with a tie at the cut is worth a warning."""


def warn_of_ties(
    tied: Bool[Tensor, " rows"], *, candidates: str, domain: str | None
) -> None:
    """Log a warning if ties decide many lists, once per run and domain.

    Args:
        tied: Whether the last item of a list has the score of one behind it.
        candidates: Name of the items that may be recommended.
        domain: What is ranked; None where it has no name.
    """
    count = int(tied.sum())
    if count <= TIED_SHARE * len(tied):
        return
    warn(
        logger,
        f"ties, domain {domain}",
        "%sties at the cut decide the lists of %d of %d users (%.0f %%; candidates: "
        "%s); chance decides there, as with a constant scorer",
        "" if domain is None else f"domain '{domain}': ",
        count,
        len(tied),
        100 * count / len(tied),
        candidates,
    )
