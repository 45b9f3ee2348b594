"""Naive numpy readings of models with content: one node at a time."""

import numpy as np
from reference.general import linear, numbers


def contents(data, modalities, kind="item"):
    """Return the unit vectors of every item's modalities, side by side."""
    rows = []
    for i in range(data[kind].num_nodes):
        parts = []
        for name in sorted(modalities):
            x = numbers(data[kind][name][i])
            length = np.sqrt(x @ x)
            parts.append(x / length if length else x)
        rows.append(np.concatenate(parts) if parts else np.zeros(1))
    return rows


def vbpr(e_user, e_item, layer, f):
    """Return the score of one pair (VBPR eq. 4), without what all items share.

    ``e_user`` is [gamma, theta], ``e_item`` [gamma, beta]; the layer holds E, and
    beta' in its last row.
    """
    dim = len(e_item) - 1
    projected = linear(layer, f)
    score = e_user[:dim] @ e_item[:dim] + e_user[dim:] @ projected[:dim]
    return score + e_item[dim] + projected[dim]
