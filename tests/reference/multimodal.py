"""Naive numpy readings of models with content: one node at a time."""

import numpy as np
from reference.general import linear, numbers
from reference.nn import edges_of, lightgcn

from micrec_pyg.schema import INTERACTED_BY, ITEM, SIMILAR_ITEM, USER


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


def leaky_mlp(net, x):
    """Return the output of layers with LeakyReLU (slope 0.01) between them."""
    for place, layer in enumerate(net.layers):
        x = linear(layer, x if place == 0 else np.where(x > 0, x, 0.01 * x))
    return x


def alpharec(net, data, modalities, num_layers):
    """Return z of users and items (AlphaRec, section 4), before the cosine."""
    edges = edges_of(data, INTERACTED_BY)
    item = contents(data, modalities)
    user = []
    for u in range(data[USER].num_nodes):
        mine = [
            item[i]
            for a, i in edges
            if a == u and all(data[ITEM][f"{m}_mask"][i] for m in modalities)
        ]
        user.append(np.mean(mine, axis=0) if mine else np.zeros_like(item[0]))
    mapped = (np.array([leaky_mlp(net, x) for x in side]) for side in (user, item))
    return lightgcn(*mapped, edges, num_layers)


def freedom(user, item, data, edges, num_layers):
    """Return z of users and items (FREEDOM eqs. 6 to 9) on the edges given."""
    z_user, z_item = lightgcn(user, item, edges, num_layers)
    similar = edges_of(data, SIMILAR_ITEM)
    for i in range(len(item)):
        near = [item[i], *(item[j] for a, j in similar if a == i)]
        z_item[i] += np.mean(near, axis=0)
    return z_user, z_item
