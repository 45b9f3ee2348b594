"""Naive numpy readings of layers and losses: one loop per sum sign, no speed."""

import numpy as np


def spmm(matrix, x):
    """Return the product, entry by entry."""
    out = np.zeros((matrix.shape[0], x.shape[1]))
    for a in range(matrix.shape[0]):
        for b in range(matrix.shape[1]):
            out[a] += matrix[a, b] * x[b]
    return out


def start(train_row, table, similar, unseen):
    """Return e of one side; ``similar[a]`` lists the nodes most like a."""
    e = np.zeros((len(train_row), table.shape[1]))
    for a, row in enumerate(train_row):
        rows = [row]
        if row < 0:
            alike = [train_row[b] for b in similar[a] if train_row[b] >= 0]
            rows = {"zero": [], "mean": range(len(table)), "content": alike}[unseen]
        for found in rows:
            e[a] += table[found] / len(rows)
    return e


def templates(edges, num_nodes, template_of, vectors, token, alpha):
    """Return h of one side (method section 1; INMO eq. of the template layer).

    ``edges`` are (node, its neighbour); ``template_of`` maps a neighbour to the row
    of its template vector, and lacks neighbours that are no templates.
    """
    h = np.zeros((num_nodes, len(token)))
    for node in range(num_nodes):
        rows = [template_of[b] for a, b in edges if a == node and b in template_of]
        rho = len(rows) + 1
        total = np.array(token, dtype=np.float64)
        for row in rows:
            total = total + vectors[row]
        h[node] = rho ** (alpha / 2 - 1) * total
    return h


def neighbors(h, similar, aggregation, temperature):
    """Return h' (method section 2); ``similar[a]`` lists (b, s_ab)."""
    out = np.array(h, dtype=np.float64)
    for a, found in enumerate(similar):
        if not found:
            continue
        s = np.array([similarity for _, similarity in found], dtype=np.float64)
        if aggregation == "softmax":
            weight = np.exp(s / temperature) / np.exp(s / temperature).sum()
        else:
            weight = {
                "residual": s / s.sum(),
                "weighted": s,
                "mean": np.ones(len(s)),
            }[aggregation]
        added = sum(w * h[b] for w, (b, _) in zip(weight, found, strict=True))
        out[a] = h[a] + added
        if aggregation == "mean":
            out[a] /= len(found) + 1
    return out


def lightgcn(user, item, edges, num_layers):
    """Return z of users and items (LightGCN eqs. 3, 4 and 8)."""
    items_of = [[i for u, i in edges if u == a] for a in range(len(user))]
    users_of = [[u for u, i in edges if i == a] for a in range(len(item))]
    layers = [(np.array(user, dtype=np.float64), np.array(item, dtype=np.float64))]
    for _ in range(num_layers):
        x, y = layers[-1]
        new_x, new_y = np.zeros_like(x), np.zeros_like(y)
        for u, i in edges:
            weight = (len(items_of[u]) * len(users_of[i])) ** -0.5
            new_x[u] += weight * y[i]
            new_y[i] += weight * x[u]
        layers.append((new_x, new_y))
    return tuple(sum(side) / (num_layers + 1) for side in zip(*layers, strict=True))


def bpr(user, item, triplets):
    """Return mean -log sigmoid(z_u z_i - z_u z_j)."""
    terms = []
    for u, i, j in triplets:
        margin = user[u] @ item[i] - user[u] @ item[j]
        terms.append(-np.log(1 / (1 + np.exp(-margin))))
    return np.mean(terms)


def l2(user, item, triplets):
    """Return half the mean of the squared lengths of a triplet's vectors."""
    terms = [
        (user[u] ** 2).sum() + (item[i] ** 2).sum() + (item[j] ** 2).sum()
        for u, i, j in triplets
    ]
    return np.mean(terms) / 2


def sampled_softmax(user, pos, neg, taken, log_q, *, temperature, cosine):
    """Return the mean softmax loss of positives (SSM, arXiv 2201.02327, eq. 5).

    ``taken`` and, where they are compared with, the positives of the batch follow
    the pool; ``log_q`` corrects positives, own and others'.
    """

    def score(a, b):
        length = np.sqrt(a @ a) * np.sqrt(b @ b) if cosine else 1.0
        return a @ b / (length or 1.0) / temperature  # a zero vector scores 0

    columns = [(item, 0.0) for item in neg]
    if taken.shape[1] > len(neg):
        columns += list(zip(pos, log_q, strict=True))
    terms = []
    for u, i, c, row in zip(user, pos, log_q, taken, strict=True):
        own = np.exp(score(u, i) - c)
        others = [
            np.exp(score(u, item) - shift)
            for (item, shift), is_taken in zip(columns, row, strict=True)
            if not is_taken
        ]
        terms.append(-np.log(own / (own + sum(others))))
    return np.mean(terms)


def info_nce(first, second, temperature):
    """Return the symmetric InfoNCE loss (method section 4)."""

    def cosine(a, b):
        return a @ b / (np.sqrt(a @ a) * np.sqrt(b @ b))

    def one_way(a, b):
        terms = []
        for u in range(len(a)):
            all_terms = [np.exp(cosine(a[u], other) / temperature) for other in b]
            terms.append(-np.log(all_terms[u] / sum(all_terms)))
        return np.mean(terms)

    return (one_way(first, second) + one_way(second, first)) / 2


def rows(triplets):
    """Return (user, positive, negative) of every triplet."""
    columns = (triplets.user, triplets.pos, triplets.neg)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def edges_of(data, edge_type):
    """Return the non-zeros of ``adj_t`` as (row, column) pairs."""
    dense = data[edge_type].adj_t.to_dense()
    return [(a, b) for a, b in dense.nonzero().tolist()]


def similar_of(data, edge_type):
    """Return per node the list of (neighbour, similarity)."""
    dense = data[edge_type].adj_t.to_dense().double().numpy()
    return [[(b, s) for b, s in enumerate(row) if s != 0] for row in dense]
