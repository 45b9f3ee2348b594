"""Naive numpy readings of cross-domain models: one user at a time."""

import numpy as np
from reference.general import linear, mlp, numbers, sigmoid
from reference.nn import edges_of

from micrec_pyg.schema import INTERACTED_BY, USER


def items_of(data):
    """Return the items of every user, ascending."""
    edges = edges_of(data, INTERACTED_BY)
    users = range(data[USER].num_nodes)
    return [sorted(i for u, i in edges if u == user) for user in users]


def rows_of(domain, user, graphs):
    """Return the row of a user's person in every domain that has it."""
    person = graphs[domain][USER].person.tolist()[user]
    people = {name: data[USER].person.tolist() for name, data in graphs.items()}
    return {
        name: list_.index(person) for name, list_ in people.items() if person in list_
    }


def mean(vectors, width):
    """Return the mean, 0 of nothing."""
    return np.mean(vectors, axis=0) if vectors else np.zeros(width)


def unicdr_views(model, domain, user, graphs, own, elsewhere):
    """Return s and c of one user (UniCDR eqs. 3 to 6), by the histories given.

    ``own`` lists items of the domain, ``elsewhere`` pairs (domain, item).
    """
    mine = model.domain[f"domain_{domain}"]
    share, width = model.own_share, mine.item.shape[1]
    row = graphs[domain][USER].train_row.tolist()[user]
    e = numbers(mine.user)[row] if row >= 0 else np.zeros(width)
    q = {name: numbers(model.domain[f"domain_{name}"].item) for name in graphs}
    s = share * e + (1 - share) * linear(
        mine.aggregate, mean([q[domain][i] for i in own], width)
    )
    g = []
    for name, account in rows_of(domain, user, graphs).items():
        row = graphs[name][USER].train_row.tolist()[account]
        if row >= 0:
            g.append(numbers(model.domain[f"domain_{name}"].shared)[row])
    c = share * mean(g, width) + (1 - share) * linear(
        model.shared, mean([q[name][i] for name, i in elsewhere], width)
    )
    return s, c


def both(true, false):
    """Return the cross-entropy of the true plus that of the false, each a mean."""
    first = np.mean([-np.log(sigmoid(x)) for x in true])
    return first + np.mean([-np.log(1 - sigmoid(x)) for x in np.ravel(false)])


def bitgcf(start, graphs, num_layers, share):
    """Return z of users and of items by domain (BiTGCF, section 3).

    ``start`` has (users, items) by domain.
    """
    edges = {name: edges_of(data, INTERACTED_BY) for name, data in graphs.items()}
    degrees = {
        name: [sum(u == a for u, _ in edges[name]) for a in range(len(start[name][0]))]
        for name in graphs
    }
    popular = {
        name: [sum(i == b for _, i in edges[name]) for b in range(len(start[name][1]))]
        for name in graphs
    }
    x = start
    layers = [start]
    for _ in range(num_layers):
        new = {}
        for name in graphs:
            user, item = x[name]
            to_user, to_item = np.zeros_like(user), np.zeros_like(item)
            for u, i in edges[name]:
                weight = (degrees[name][u] * popular[name][i]) ** -0.5
                to_user[u] += weight * item[i]
                to_item[i] += weight * user[u]
            new[name] = (
                user + to_user + user * to_user,
                item + to_item + item * to_item,
            )
        x = {
            name: (exchanged(name, new, graphs, degrees, share), new[name][1])
            for name in graphs
        }
        layers.append({name: (unit(x[name][0]), unit(x[name][1])) for name in graphs})
    return {
        name: tuple(
            np.concatenate([layer[name][side] for layer in layers], axis=1)
            for side in (0, 1)
        )
        for name in graphs
    }


def exchanged(domain, x, graphs, degrees, share):
    """Return the users of a domain after those with other accounts mixed."""
    out = x[domain][0].copy()
    for user in range(len(out)):
        rows = rows_of(domain, user, graphs)
        if len(rows) == 1:
            continue
        others = [x[name][0][row] for name, row in rows.items() if name != domain]
        first = share * x[domain][0][user] + (1 - share) * np.mean(others, axis=0)
        weights = [degrees[name][row] for name, row in rows.items()]
        vectors = [x[name][0][row] for name, row in rows.items()]
        total = sum(w * v for w, v in zip(weights, vectors, strict=True))
        out[user] = (first + total / max(1, sum(weights))) / 2
    return out


def unit(x):
    """Return rows of length 1, zeros as they are."""
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(length > 0, length, 1)


def emcdr_user(model, domain, user, graphs, pairs):
    """Return the vector of one user (EMCDR, section 3); ``pairs`` share users."""

    def told(name, account):
        """Return the vector that one domain has of the user, None for none."""
        data, table = graphs[name], model.embedding[f"domain_{name}"]
        row = data[USER].train_row.tolist()[account]
        if row >= 0:
            return numbers(table.user)[row]
        found = [numbers(table.item)[i] for i in items_of(data)[account]]
        return np.mean(found, axis=0) if found else None

    own = told(domain, user)
    if graphs[domain][USER].train_row.tolist()[user] >= 0:
        return own
    said = [] if own is None else [own]
    for name, account in rows_of(domain, user, graphs).items():
        if name != domain and {name, domain} in pairs:
            there = told(name, account)
            if there is not None:
                net = model.mapping[f"domain_{domain}"][f"domain_{name}"]
                said.append(mlp(net, there))
    return mean(said, numbers(model.embedding[f"domain_{domain}"].item).shape[1])
