"""Edge lists of sparse matrices, entry by entry."""


def edges_of(adj_t):
    """Return (source, target, weight) of every entry of a CSR matrix [target, source].

    In the order of (target, source).
    """
    crow, col = adj_t.crow_indices().tolist(), adj_t.col_indices().tolist()
    values = adj_t.values().tolist()
    found = []
    for target in range(adj_t.shape[0]):
        for place in range(crow[target], crow[target + 1]):
            found.append((col[place], target, values[place]))
    return found
