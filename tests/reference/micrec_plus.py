"""MICRec+ read naively from its equations: numpy, one loop per sum sign, no speed."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def unit(x):
    length = np.sqrt((x**2).sum())
    return x / length if length > 0 else x


def content(catalogues, num_components):
    """Return the whitened content of every item of every catalogue.

    A catalogue maps a modality to one vector per item, None where there is none. The
    sign of each direction is open, so compare inner products.
    """
    names = sorted({(m, _width(c[m])) for c in catalogues for m in c})
    parts = {}
    for name, width in names:
        have = [c[name] for c in catalogues if name in c and _width(c[name]) == width]
        known = [unit(x) for rows in have for x in rows if x is not None]
        mean = sum(known) / len(known)
        spread = sum(((x - mean) ** 2).sum() for x in known) / len(known)
        parts[name, width] = mean, np.sqrt(spread)
    tables = []
    for catalogue in catalogues:
        count = len(next(iter(catalogue.values())))
        table = []
        for i in range(count):
            row = []
            for (name, width), (mean, spread) in parts.items():
                rows = catalogue.get(name)
                has = rows is not None and _width(rows) == width
                if has and rows[i] is not None:
                    row += list((unit(rows[i]) - mean) / spread)
                else:
                    row += [0.0] * width
            table.append(row)
        tables.append((np.array(table), catalogue))
    seen = [
        row
        for table, catalogue in tables
        for i, row in enumerate(table)
        if any(rows[i] is not None for rows in catalogue.values())
    ]
    covariance = sum(np.outer(x, x) for x in seen) / len(seen)
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = values[::-1][:num_components], vectors[:, ::-1]
    found = []
    for table, _ in tables:
        whitened = [
            [
                vectors[:, k] @ x / np.sqrt(values[k] + 0.1 * values.mean())
                for k in range(len(values))
            ]
            for x in table
        ]
        found.append(np.array([unit(np.array(x)) for x in whitened]))
    return found


def _width(rows):
    return next(len(x) for x in rows if x is not None)


def catalogue(items):
    """Return the modalities of the items of a graph, as ``content`` reads them."""
    found = {}
    for name in items.keys():
        if f"{name}_mask" in items:
            rows, mask = items[name].double().numpy(), items[f"{name}_mask"].tolist()
            found[name] = [
                x if has else None for x, has in zip(rows, mask, strict=True)
            ]
    return found


def items_of(edges, num_users):
    """Return the items of every user."""
    return [[i for u, i in edges if u == a] for a in range(num_users)]


def template_sums(edges, sizes, templates, tokens, alpha, content):
    """Return h of users and items.

    ``templates`` maps the users, and the items, that are templates to their vectors;
    ``content`` is a vector per item, or None.
    """
    users, items = templates
    mine = items_of(edges, sizes[0])
    theirs = items_of([(i, u) for u, i in edges], sizes[1])
    h_user, h_item = [], []
    for u in range(sizes[0]):
        total, terms = np.array(tokens[0]), 1
        for i in mine[u]:
            if i in items:
                total = total + items[i]
            if content is not None:
                total = total + content[i]
            terms += content is not None or i in items
        h_user.append(terms ** (alpha / 2 - 1) * total)
    for i in range(sizes[1]):
        total, terms = np.array(tokens[1]), 1
        for u in theirs[i]:
            if u in users:
                total, terms = total + users[u], terms + 1
        h = terms ** (alpha / 2 - 1) * total
        h_item.append(h if content is None else h + content[i])
    return np.array(h_user), np.array(h_item)


def gated_neighbors(h, similar, degree, weight):
    """Return h + 2 sigmoid(w0 + w1 log(1 + degree)) times the mean by similarity."""
    out = np.array(h)
    for a, found in enumerate(similar):
        factor = 2 * sigmoid(weight[0] + weight[1] * np.log(1 + degree[a]))
        total = sum(s for _, s in found)
        for b, s in found:
            out[a] = out[a] + factor * s / total * h[b]
    return out


def transfer(h, edges, pairs, here, gate, matrix, items):
    """Return by user of D what D' says, for the users of ``pairs``.

    Args:
        h: Of the users of D'.
        edges: Of D'.
        pairs: (user of D', the same person in D).
        here: Number of edges of every user of D.
        gate: (a, b, c) of the history's vector, and of its items.
        matrix: M; rows of h are multiplied from the left.
        items: A vector of every item of D': what it says about its users.
    """
    mine, told = items_of(edges, len(h)), {}
    for there, user in pairs:
        n = len(mine[there])
        told[user] = np.zeros(len(matrix))
        if n == 0:
            continue
        first, second = (
            sigmoid(a + b * np.log(1 + here[user]) + c * np.log(1 + n))
            for a, b, c in gate
        )
        mean = sum(items[j] for j in mine[there]) / n
        told[user] = first * (h[there] @ matrix) + second * mean
    return told


def hardest_bpr(user, item, samples):
    """Return mean softplus against the negative of the largest score."""
    terms = []
    for u, i, negatives in samples:
        j = max(negatives, key=lambda j: user[u] @ item[j])
        terms.append(np.log(1 + np.exp(user[u] @ item[j] - user[u] @ item[i])))
    return np.mean(terms)
