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


def shrunk_cosine(histories, shrink):
    """Return s_ij = |U_i and U_j| / (sqrt(|U_i| |U_j|) + shrink), 0 on the diagonal."""
    takers = [set(np.nonzero(column)[0]) for column in histories.T]
    found = np.zeros((len(takers), len(takers)))
    for i, mine in enumerate(takers):
        for j, theirs in enumerate(takers):
            if i != j and mine & theirs:
                length = np.sqrt(len(mine) * len(theirs))
                found[i, j] = len(mine & theirs) / (length + shrink)
    return found


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
