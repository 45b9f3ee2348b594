"""Naive numpy readings of cross-domain models: one user at a time."""

import numpy as np
from reference.general import linear, numbers, sigmoid
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
