"""Naive numpy readings of the graph layer: one loop per sum sign, no speed."""

import numpy as np
import torch

Modalities = dict[str, tuple[np.ndarray, np.ndarray]]
"""By name: vectors [nodes, width] and mask [nodes]."""


def dense(shape, row, col, value):
    """Return the matrix with these entries."""
    matrix = np.zeros(shape, dtype=np.float64)
    for r, c, v in zip(row, col, value, strict=True):
        matrix[r, c] = v
    return matrix


def normalised(edges, num_users, num_items):
    """Return the dense [users, items] matrix of (d_u d_i)^-1/2."""
    neighbors = {("u", u): set() for u in range(num_users)}
    neighbors |= {("i", i): set() for i in range(num_items)}
    for u, i in edges:
        neighbors["u", u].add(i)
        neighbors["i", i].add(u)
    matrix = np.zeros((num_users, num_items))
    for u, i in edges:
        degree_u = max(len(neighbors["u", u]), 1)
        degree_i = max(len(neighbors["i", i]), 1)
        matrix[u, i] = (degree_u * degree_i) ** -0.5
    return matrix


def similarity(modalities: Modalities, weights, a, b):
    """Return s(a, b) as float32, None where nothing is shared (method section 2)."""
    total, weight = 0.0, 0.0
    for name, (values, mask) in modalities.items():
        if weights[name] == 0 or not (mask[a] and mask[b]):
            continue
        x, y = values[a].astype(np.float64), values[b].astype(np.float64)
        norm = np.sqrt((x * x).sum()) * np.sqrt((y * y).sum())
        total += weights[name] * ((x * y).sum() / norm if norm > 0 else 0.0)
        weight += weights[name]
    return np.float32(total / weight) if weight > 0 else None


def neighbors(modalities: Modalities, weights, k, include_self):
    """Return per node the list of (neighbour, similarity), best first."""
    num_nodes = len(next(iter(modalities.values()))[1])
    lists = []
    for a in range(num_nodes):
        found = []
        for b in range(num_nodes):
            if a == b and not include_self:
                continue
            s = similarity(modalities, weights, a, b)
            if s is not None and s > np.finfo(np.float32).eps:
                found.append((b, s))
        found.sort(key=lambda pair: (-pair[1], pair[0]))
        lists.append(found[:k])
    return lists


def user_means(edges, values, mask, num_users):
    """Return the mean vector of each user's items that have one, and a mask."""
    mean = np.zeros((num_users, values.shape[1]))
    has = np.zeros(num_users, dtype=bool)
    for user in range(num_users):
        chosen = [values[i] for u, i in edges if u == user and mask[i]]
        if chosen:
            mean[user] = np.mean(np.stack(chosen).astype(np.float64), axis=0)
            has[user] = True
    return mean, has


def error_sort(edges, num_users, num_items):
    """Return INMO's metric: for each node the sum over neighbours of 1/degree."""
    users, items = np.zeros(num_users), np.zeros(num_items)
    for u, i in edges:
        users[u] += 1 / sum(other == i for _, other in edges)
        items[i] += 1 / sum(other == u for other, _ in edges)
    return users, items


def page_rank(edges, num_users, num_items, damping=0.85):
    """Return PageRank by solving the linear system it is the solution of."""
    n = num_users + num_items
    move = np.zeros((n, n))
    for u, i in edges:
        move[u, num_users + i] = move[num_users + i, u] = 1
    for column in range(n):
        degree = move[:, column].sum()
        move[:, column] = move[:, column] / degree if degree else 1 / n
    rank = np.linalg.solve(np.eye(n) - damping * move, np.full(n, (1 - damping) / n))
    return rank[:num_users], rank[num_users:]


def rho(edges, num_nodes, templates, side):
    """Return per node of a side its template neighbours + 1 (method section 1)."""
    count = np.ones(num_nodes)
    for edge in edges:
        if edge[1 - side] in templates:
            count[edge[side]] += 1
    return count


def in_rows(edges, users, items):
    """Return edges of vocabulary indices as graph rows, by a loop."""
    users, items = users.tolist(), items.tolist()
    return [(users.index(u), items.index(i)) for u, i in edges.T.tolist()]


def assert_same_graphs(a, b, *, but=()):
    """Compare every tensor of two graphs bit by bit, but those of some names."""
    assert a.node_types == b.node_types
    assert a.edge_types == b.edge_types
    for store_a, store_b in zip(a.stores, b.stores, strict=True):
        assert set(store_a.keys()) == set(store_b.keys())
        for key, value in store_a.items():
            if key in but:
                continue
            other = store_b[key]
            if not isinstance(value, torch.Tensor):
                assert value == other, key
            elif value.layout == torch.sparse_csr:
                assert torch.equal(value.crow_indices(), other.crow_indices()), key
                assert torch.equal(value.col_indices(), other.col_indices()), key
                assert torch.equal(value.values(), other.values()), key
            else:
                assert torch.equal(value.nan_to_num(), other.nan_to_num()), key
