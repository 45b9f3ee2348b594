"""Naive readings of the controls: loops over ids, no speed."""

import numpy as np


def cooccurrence(edges, num_nodes, k, include_self):
    """Return per node the list of (node, cosine of their sets), best first."""
    sets = [{other for node, other in edges if node == a} for a in range(num_nodes)]
    lists = []
    for a in range(num_nodes):
        found = []
        for b in range(num_nodes):
            common = len(sets[a] & sets[b])
            if common and (include_self or a != b):
                square = common**2 / (len(sets[a]) * len(sets[b]))
                found.append((b, np.float32(np.sqrt(square))))
        found.sort(key=lambda pair: (-pair[1], pair[0]))
        lists.append(found[:k])
    return lists


def raw_edges(domain, pairs):
    """Return (raw user id, (domain, raw item id)) of pairs of vocabulary indices."""
    users, items = domain.interactions.users.ids, domain.interactions.items.ids
    return [(users[u], (domain.name, items[i])) for u, i in pairs.T.tolist()]


def union_edges(domains, splits, part):
    """Return a part of all splits by raw ids, users of one id being one person."""
    found = []
    for name in sorted(domains):
        found += raw_edges(domains[name], getattr(splits[name], part))
    return found


def union_seen(domains, splits):
    """Return the raw ids of the users and items that some domain has seen."""
    users, items = set(), set()
    for name, domain in domains.items():
        data = domain.interactions
        for index, raw in enumerate(data.users.ids):
            if splits[name].seen_user[index]:
                users.add(raw)
        for index, raw in enumerate(data.items.ids):
            if splits[name].seen_item[index]:
                items.add((name, raw))
    return users, items
