"""Linear models in numpy, by the inverse of the item x item matrix and by loops."""

import numpy as np


def whitening(vectors, dim, floor):
    """Return the mean and the scaled axes, by the eigenvectors of the covariance."""
    mean = sum(vectors) / len(vectors)
    covariance = sum(np.outer(x - mean, x - mean) for x in vectors) / len(vectors)
    values, axes = np.linalg.eigh(covariance)
    order = np.argsort(-values)[:dim]
    scale = [np.sqrt(values[k] + floor * np.mean(values)) for k in order]
    return mean, [axes[:, k] / s for k, s in zip(order, scale, strict=True)]


def whiten(x, mean, axes):
    """Return one vector in the whitened space, of length 1."""
    row = np.array([(x - mean) @ v for v in axes])
    return row / np.sqrt(row @ row)


def ease(y, ridge):
    """Return B of the rows of y, entry by entry from the inverse (Steck, eq. 8)."""
    inverse = np.linalg.inv(y.T @ y + ridge * np.eye(y.shape[1]))
    weights = np.zeros_like(inverse)
    for i in range(len(inverse)):
        for j in range(len(inverse)):
            if i != j:
                weights[i, j] = -inverse[i, j] / inverse[j, j]
    return weights


def scaled(histories, decay):
    """Return the 0/1 rows scaled by n^(-decay / 2) and by one factor for all."""
    rows = np.zeros(histories.shape)
    for u, row in enumerate(histories):
        if row.sum():
            rows[u] = row * row.sum() ** (-decay / 2)
    squares = sum(value**2 for value in rows.flatten())
    return rows * np.sqrt(histories.sum() / squares)


def people(graphs):
    """Return 0/1 rows of every person over the items of all domains, by name.

    Also the person of each row and the first column of each domain.
    """
    names = sorted(graphs)
    persons = sorted({p for n in names for p in graphs[n]["user"].person.tolist()})
    first, columns = {}, 0
    for name in names:
        first[name] = columns
        columns += graphs[name]["item"].num_nodes
    rows = np.zeros((len(persons), columns))
    for name in names:
        edges = graphs[name]["item", "interacted_by", "user"].adj_t.to_dense()
        for user, person in enumerate(graphs[name]["user"].person.tolist()):
            for item in range(edges.shape[1]):
                if edges[user, item] > 0:
                    rows[persons.index(person), first[name] + item] = 1
    return rows, persons, first


def weighted(histories, weighting, k1, b, totals):
    """Return the 0/1 rows with every 1 replaced by its weight.

    ``totals``: the number of items and the mean users of an item, of training.
    """
    found, (num_items, mean) = np.zeros(histories.shape), totals
    for u, i in np.argwhere(histories):
        found[u, i] = 1.0
        if weighting != "none":
            found[u, i] *= np.log(num_items / (1 + histories[u].sum()))
        if weighting == "bm25":
            length = 1 - b + b * histories[:, i].sum() / mean
            found[u, i] *= (k1 + 1) / (k1 * length + 1)
    return found


def shrunk_cosine(rows, shrink):
    """Return x_i x_j / (|x_i| |x_j| + shrink) of the columns, 0 on the diagonal."""
    found = np.zeros((rows.shape[1], rows.shape[1]))
    for i, x in enumerate(rows.T):
        for j, y in enumerate(rows.T):
            length = np.sqrt(x @ x) * np.sqrt(y @ y) + shrink
            found[i, j] = x @ y / length if i != j and x @ y else 0.0
    return found


def products(rows):
    """Return x_i x_j of the columns, 0 on the diagonal."""
    pairs = [[x @ y if x is not y else 0.0 for y in rows.T] for x in rows.T]
    return np.array(pairs) * (1 - np.eye(len(pairs)))


def knn_score(similar, taken, share, rule):
    """Return the score of an item by what a user has of its k neighbours.

    ``similar``: by neighbour; ``taken``: 0 or 1; ``share``: of the users, those who
    took the item, and each neighbour.
    """
    total = sum(similar.values())
    own, of_neighbor = share
    if rule == "sum":
        return sum(s * taken[j] for j, s in similar.items())
    if rule == "mean":
        return sum(s * taken[j] for j, s in similar.items()) / total if total else 0.0
    deviation = sum(s * (taken[j] - of_neighbor[j]) for j, s in similar.items())
    return own + (deviation / total if total else 0.0)


def similar_content(vectors):
    """Return the cosines of items, 0 where one has no content, and on the diagonal."""
    found = np.zeros((len(vectors), len(vectors)))
    for i, x in enumerate(vectors):
        for j, y in enumerate(vectors):
            length = np.sqrt((x @ x) * (y @ y))
            found[i, j] = x @ y / length if i != j and length else 0.0
    return found


def regression(x, explains, weight):
    """Return the factors of the weighted regression of x, the intercept left out."""
    rows, targets = [], []
    for place, value in np.ndenumerate(x):
        root = np.sqrt(weight if value else 1.0)
        rows.append([root, *(root * each[place] for each in explains)])
        targets.append(root * value)
    return np.linalg.lstsq(np.array(rows), np.array(targets), rcond=None)[0][1:]


def marec(x, aligned, ridge, alpha, beta):
    """Return B as the authors compute it, aligning the items that nobody took."""
    gram = x.T @ x
    weight = np.diag([0.0 if taken else beta for taken in x.sum(0)])
    inverse = np.linalg.inv(gram + ridge * np.eye(len(gram)) + x.T @ aligned @ weight)
    first = inverse @ (gram + alpha * x.T @ aligned @ weight)
    return first - inverse @ np.diag(np.diag(first) / np.diag(inverse))
