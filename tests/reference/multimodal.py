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


def has_any(data, modalities):
    """Return which items have at least one of some modalities."""
    masks = [numbers(data[ITEM][f"{name}_mask"]) for name in modalities]
    return np.array([any(m[i] for m in masks) for i in range(data[ITEM].num_nodes)])


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


def over_lists(lists, x):
    """Return D^-1/2 S D^-1/2 x; ``lists[i]`` are (j, s_ij), D the sums of the rows."""
    total = [sum(s for _, s in row) for row in lists]
    return np.array(
        [
            sum(s * x[j] / np.sqrt(total[i] * total[j]) for j, s in row)
            for i, row in enumerate(lists)
        ]
    )


def smore_view(gate, found, item, data, edges, num_layers=1):
    """Return h of users and of items in one view, over layers of similar items."""
    h_item = [
        e * sigmoid(linear(gate, each)) for e, each in zip(item, found, strict=True)
    ]
    near = [[(i, 1.0), *row] for i, row in enumerate(similar_of(data, SIMILAR_ITEM))]
    for _ in range(num_layers):
        h_item = over_lists(near, h_item)
    h_user = np.zeros((data[USER].num_nodes, len(h_item[0])))
    for u, i in edges:
        degrees = sum(a == u for a, _ in edges) * sum(b == i for _, b in edges)
        h_user[u] += h_item[i] / np.sqrt(degrees)
    return h_user, h_item


def mgcn(model, domain, data, start, num_layers, num_item_layers):
    """Return c and s of users and of items (MGCN eqs. 1 to 15)."""
    views, (user, item) = model.views[f"domain_{domain}"], start
    edges = edges_of(data, INTERACTED_BY)
    c, h = lightgcn(user, item, edges, num_layers), {}
    for name in views.modalities:
        layer = model.projection[f"domain_{domain}"][f"domain_{name}"]
        x = [linear(layer, f) for f in contents(data, [name])]
        gate = views.gate[f"domain_{name}"]
        h[name] = smore_view(gate, x, item, data, edges, num_item_layers)
    s = []
    for side in (0, 1):
        rows = []
        for node, vector in enumerate(c[side]):
            mine = {name: found[side][node] for name, found in h.items()}
            query = views.query.weight.detach().double().numpy()[0]
            score = [query @ np.tanh(linear(views.attention, v)) for v in mine.values()]
            shares = zip(softmax(np.array(score)), mine.values(), strict=True)
            shared = sum(share * view for share, view in shares)
            own = [
                sigmoid(linear(views.preference[f"domain_{name}"], vector))
                * (view - shared)
                for name, view in mine.items()
            ]
            rows.append(shared + sum(own) / len(own))
        s.append(np.array(rows))
    return c, s


def cosine(a, b):
    length = np.sqrt(a @ a) * np.sqrt(b @ b)
    return a @ b / (length or 1.0)  # a zero vector is like nothing


def most_similar(x, k, seen):
    """Return for every row the row itself and the k - 1 most similar seen ones."""
    lists = []
    for i, row in enumerate(x):
        near = [(cosine(row, x[j]), -j) for j in seen if j != i]
        best = sorted((pair for pair in near if pair[0] > 0), reverse=True)[: k - 1]
        lists.append([i, *(-j for _, j in best)])
    return lists


def lattice_vectors(structure, data):
    """Return content, and projected content, of every item in one modality."""
    f = contents(data, [structure.modality])
    has = data[ITEM][f"{structure.modality}_mask"].tolist()
    return f, [linear(structure.layer, x) * h for x, h in zip(f, has, strict=True)]


def lattice(model, domain, data, start, *, num_layers, k, skip, chosen=None):
    """Return z of users and items (LATTICE eqs. 1 to 9), over two layers of items.

    ``chosen`` has the lists by projected content, by modality; without it they are
    those of the vectors at hand.
    """
    seen = [i for i, r in enumerate(data[ITEM].train_row.tolist()) if r >= 0]
    user, item = lightgcn(*start, edges_of(data, INTERACTED_BY), num_layers)
    names = sorted(model.structures[f"domain_{domain}"])
    shares = softmax(numbers(model.importance[f"domain_{domain}"]))
    h = start[1]
    for _ in range(2):
        total = np.zeros_like(h)
        for share, name in zip(shares, names, strict=True):
            structure = model.structures[f"domain_{domain}"][name]
            f, x = lattice_vectors(structure, data)
            lists = most_similar(x, k, seen) if chosen is None else chosen[name]
            for weight, rows, near in (
                (skip, f, most_similar(f, k, seen)),
                (1 - skip, x, lists),
            ):
                cosines = [
                    [
                        (j, 1.0 if j == i else max(cosine(rows[i], rows[j]), 0.0))
                        for j in row
                    ]
                    for i, row in enumerate(near)
                ]
                total += share * weight * over_lists(cosines, h)
        h = total
    length = np.sqrt((h**2).sum(1, keepdims=True))
    return user, item + h / np.where(length > 0, length, 1.0)
