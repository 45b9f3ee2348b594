"""Naive numpy readings of models with content: one node at a time."""

import numpy as np
from reference.general import linear, mlp, numbers, sigmoid
from reference.nn import edges_of, lightgcn, similar_of

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


def mean_contents(data, modalities):
    """Return the mean content of every user's items, by modality those that have it."""
    edges, rows = edges_of(data, INTERACTED_BY), []
    for u in range(data[USER].num_nodes):
        parts = []
        for name in sorted(modalities):
            x = contents(data, [name])
            has = data[ITEM][f"{name}_mask"].tolist()
            mine = [x[i] for a, i in edges if a == u and has[i]]
            parts.append(np.mean(mine, axis=0) if mine else np.zeros_like(x[0]))
        rows.append(np.concatenate(parts))
    return rows


def alpharec(net, data, modalities, num_layers):
    """Return z of users and items (AlphaRec, section 4), before the cosine."""
    edges = edges_of(data, INTERACTED_BY)
    sides = mean_contents(data, modalities), contents(data, modalities)
    mapped = (np.array([leaky_mlp(net, x) for x in side]) for side in sides)
    return lightgcn(*mapped, edges, num_layers)


def freedom(user, item, data, edges, num_layers):
    """Return z of users and items (FREEDOM eqs. 6 to 9) on the edges given."""
    z_user, z_item = lightgcn(user, item, edges, num_layers)
    similar = edges_of(data, SIMILAR_ITEM)
    for i in range(len(item)):
        near = [item[i], *(item[j] for a, j in similar if a == i)]
        z_item[i] += np.mean(near, axis=0)
    return z_user, z_item


def far(net, online, target):
    """Return 1 - cos(f(online), target) of one pair (BM3 eq. 11)."""
    f = linear(net, online)
    length = np.sqrt(f @ f) * np.sqrt(target @ target)
    return 1 - f @ target / (length or 1.0)  # a zero vector is like nothing


def bm3(user, item, edges, num_layers):
    """Return z of users and items (BM3 eqs. 1 to 5)."""
    z_user, z_item = lightgcn(user, item, edges, num_layers)
    return z_user, z_item + item


def spectrum(x):
    """Return the Fourier transform of real numbers, frequency by frequency."""
    d = len(x)
    angles = [-2j * np.pi * k * np.arange(d) / d for k in range(d // 2 + 1)]
    return np.array([(x * np.exp(angle)).sum() / np.sqrt(d) for angle in angles])


def from_spectrum(found, d):
    """Return the real numbers of a spectrum; each frequency has its mirror image."""
    total = np.zeros(d)
    for k, value in enumerate(found):
        wave = np.real(value * np.exp(2j * np.pi * k * np.arange(d) / d))
        # The first one, and the middle one of an even d, are their own image.
        alone = k == 0 or 2 * k == d
        part = value.real * np.cos(2 * np.pi * k * np.arange(d) / d)
        total += part if alone else 2 * wave
    return total / np.sqrt(d)


def complexes(parameter):
    """Return complex numbers from pairs of real ones."""
    pairs = numbers(parameter)
    return pairs[:, 0] + 1j * pairs[:, 1]


def spectral_fusion(layer, x):
    """Return denoised vectors by modality, and fused ones (SMORE eqs. 4 to 8)."""
    names, (rows, d) = sorted(x), next(iter(x.values())).shape
    own = {name: np.zeros((rows, d)) for name in names}
    fused = np.zeros((rows, d))
    for row in range(rows):
        product = np.ones(d // 2 + 1, dtype=complex)
        for name in names:
            found = spectrum(x[name][row])
            weight = complexes(layer.own[f"domain_{name}"])
            own[name][row] = from_spectrum(found * weight, d)
            product = product * found
        fused[row] = from_spectrum(product * complexes(layer.fused), d)
    return own, fused


def softmax(x):
    return np.exp(x) / np.exp(x).sum()


def smore(model, domain, data, start, num_layers):
    """Return c and s of users and of items (SMORE, sections 3.2 to 3.4)."""
    views, (user, item) = model.views[f"domain_{domain}"], start
    edges = edges_of(data, INTERACTED_BY)
    c = lightgcn(user, item, edges, num_layers)
    x = {}
    for name in views.modalities:
        layer = model.projection[f"domain_{domain}"][f"domain_{name}"]
        x[name] = np.array([linear(layer, f) for f in contents(data, [name])])
    own, fused = spectral_fusion(views.fusion, x)
    h = {
        name: smore_view(views.gate[f"domain_{name}"], found, item, data, edges)
        for name, found in {**own, "": fused}.items()
    }
    s = []
    for side in (0, 1):
        rows = []
        for node, vector in enumerate(c[side]):
            parts = []
            for name, found in h.items():
                part = found[side][node]
                if name:
                    query = mlp(views.query[f"domain_{name}"], h[""][side][node])
                    part = softmax(query) * part
                preference = linear(views.preference[f"domain_{name}"], vector)
                parts.append(sigmoid(preference) * part)
            rows.append(np.mean(parts, axis=0))
        s.append(np.array(rows))
    return c, s


def smore_view(gate, found, item, data, edges):
    """Return h of users and of items in one view, over one layer of similar items."""
    gated = [
        e * sigmoid(linear(gate, each)) for e, each in zip(item, found, strict=True)
    ]
    near = [[(i, 1.0), *row] for i, row in enumerate(similar_of(data, SIMILAR_ITEM))]
    total = [sum(s for _, s in row) for row in near]
    h_item = np.array(
        [
            sum(s * gated[j] / np.sqrt(total[i] * total[j]) for j, s in row)
            for i, row in enumerate(near)
        ]
    )
    h_user = np.zeros((data[USER].num_nodes, len(h_item[0])))
    for u, i in edges:
        degrees = sum(a == u for a, _ in edges) * sum(b == i for _, b in edges)
        h_user[u] += h_item[i] / np.sqrt(degrees)
    return h_user, h_item
