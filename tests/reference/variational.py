"""Naive numpy readings of DisenCDR and CDRIB: one node at a time."""

import numpy as np
from reference.crossdomain import mean, rows_of
from reference.general import linear, numbers
from reference.nn import edges_of

from micrec_pyg.schema import INTERACTED_BY, ITEM, USER

SIDES = ((USER, 0), (ITEM, 1))


def leaky(x):
    return np.where(x > 0, x, 0.1 * x)


def softplus(x):
    return np.log1p(np.exp(x)) + 1e-6


def start(table, data):
    """Return the start vectors of users and of items, 0 of unseen ones."""
    found = []
    for kind in (USER, ITEM):
        rows, known = data[kind].train_row.tolist(), numbers(getattr(table, kind))
        found.append([known[r] if r >= 0 else np.zeros_like(known[0]) for r in rows])
    return found


def two_hops(layer, x, data, kind):
    """Return the outputs of a layer, one list of vectors for each."""
    pairs = edges_of(data, INTERACTED_BY)  # (user, item)
    pairs = pairs if kind == USER else [(i, u) for u, i in pairs]
    others = range(data[ITEM if kind == USER else USER].num_nodes)
    width = len(x[0])
    h = [
        leaky(linear(layer.there, mean([x[a] for a, b in pairs if b == other], width)))
        for other in others
    ]
    outputs = []
    for back, join in zip(layer.back, layer.join, strict=True):
        rows = []
        for node, own in enumerate(x):
            near = mean([h[b] for a, b in pairs if a == node], width)
            both = np.concatenate([leaky(linear(back, near)), own])
            rows.append(linear(join, both))
        outputs.append(rows)
    return outputs


def encode(encoder, x, data, kind):
    """Return the layers before the last one, and its means and deviations."""
    *first, last = encoder.layers
    layers = []
    for layer in first:
        x = [np.maximum(row, 0) for row in two_hops(layer, x, data, kind)[0]]
        layers.append(x)
    means, raw = two_hops(last, x, data, kind)
    return layers, means, [softplus(row) for row in raw]


def divergence(mean, std, other_mean=0.0, other_std=1.0):
    """Return the divergence of one distribution from another, N(0, 1) if not given."""
    terms = np.log(other_std / std)
    terms = terms + (std**2 + (mean - other_mean) ** 2) / (2 * other_std**2) - 0.5
    return np.sum(terms)


def information(means, stds):
    """Return the mean divergence of some nodes from N(0, 1)."""
    return np.mean([divergence(m, s) for m, s in zip(means, stds, strict=True)])


def drawn(means, stds, noise):
    """Return a sample of each; the means without noise."""
    if noise is None:
        return means
    return [m + s * e for m, s, e in zip(means, stds, noise, strict=True)]


def cdrib(model, graphs, noise):
    """Return z of users and of items, and their mean divergences, by domain.

    ``noise`` has that of a domain and a kind, or is None.
    """
    z, far = {}, {}
    for name, data in graphs.items():
        key = f"domain_{name}"
        for kind, side in SIDES:
            x = start(model.embedding[key], data)[side]
            layers, means, stds = encode(model.encoder[key][kind], x, data, kind)
            last = drawn(means, stds, noise and noise[name, kind])
            z[name, kind] = [
                np.concatenate(parts) for parts in zip(*layers, last, strict=True)
            ]
            far[name, kind] = information(means, stds)
    return z, far


def cdrib_user(model, domain, user, z, graphs):
    """Return the vector by which a user of a domain is scored there."""
    knows = {
        name: z[name, USER][row]
        for name, row in rows_of(domain, user, graphs).items()
        if graphs[name][USER].train_row[row] >= 0 or graphs[name][USER].degree[row] > 0
    }
    own = z[domain, USER][user]
    others = [vector for name, vector in knows.items() if name != domain]
    if not others:
        return own
    share = model.own_share if domain in knows else 0.0
    return share * own + (1 - share) * np.mean(others, axis=0)


def shares(domain, user, graphs):
    """Return the shares of a user's interactions in the domains that have the user."""
    rows = rows_of(domain, user, graphs)
    count = {name: int(graphs[name][USER].degree[row]) for name, row in rows.items()}
    total = sum(count.values())
    return {n: c / total if total else float(n == domain) for n, c in count.items()}


def mixed(x, graphs):
    """Return the vectors of users by domain, mixed by their interactions."""
    return {
        domain: [
            sum(
                share * x[name][rows_of(domain, user, graphs)[name]]
                for name, share in shares(domain, user, graphs).items()
            )
            for user in range(len(x[domain]))
        ]
        for domain in x
    }


def disencdr_shared(model, graphs):
    """Return means and deviations of what the domains share about users."""
    x = {}
    for name, data in graphs.items():
        known = numbers(model.domain[f"domain_{name}"].shared)
        rows = data[USER].train_row.tolist()
        x[name] = [known[r] if r >= 0 else np.zeros_like(known[0]) for r in rows]
    for number in range(model.num_layers):
        out = {}
        for name, data in graphs.items():
            layer = model.domain[f"domain_{name}"].across[number]
            out[name] = two_hops(layer, x[name], data, USER)
        if number < model.num_layers - 1:
            rectified = {n: [np.maximum(r, 0) for r in o[0]] for n, o in out.items()}
            x = mixed(rectified, graphs)
    means, raw = (
        mixed({n: o[side] for n, o in out.items()}, graphs) for side in (0, 1)
    )
    return means, {name: [softplus(row) for row in rows] for name, rows in raw.items()}
