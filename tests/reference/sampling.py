"""Naive readings of the samplers: lists and loops over the same random numbers."""

import torch


def triplets(edges, num_items, size, generator, negatives):
    """Return (users, positives, rows of negatives) as lists."""
    taken = {}
    for user, item in edges.T.tolist():
        taken.setdefault(user, set()).add(item)
    users = [u for u in sorted(taken) if len(taken[u]) < num_items]
    places = torch.randint(len(users), (size,), generator=generator)
    shares = torch.rand(
        1 + negatives, size, dtype=torch.float64, generator=generator
    ).tolist()
    user, pos, neg = [], [], []
    for number, place in enumerate(places.tolist()):
        mine = sorted(taken[users[place]])
        others = [item for item in range(num_items) if item not in mine]
        user.append(users[place])
        pos.append(mine[int(shares[0][number] * len(mine))])
        neg.append([others[int(row[number] * len(others))] for row in shares[1:]])
    return user, pos, neg


def rows(edges, users, num_items):
    """Return, for each of the users, 1 at the items that the user took, else 0."""
    taken = set(map(tuple, edges.T.tolist()))
    return [[float((u, i) in taken) for i in range(num_items)] for u in users]


def permutation(keys, size):
    """Return where a keyed permutation takes every number below ``size``."""
    half = 1
    while 4**half < size:
        half += 1
    return [_walk(keys, place, half, size) for place in range(size)]


def _walk(keys, place, half, size):
    while True:
        left, right = divmod(place, 2**half)
        for key in keys:
            left, right = right, left ^ (_mixed(right, key) % 2**half)
        place = left * 2**half + right
        if place < size:
            return place


def _mixed(number, key):
    word = 2**32
    number = (number ^ (key % word)) * 1540483477 % word
    number = ((number ^ (number >> 15)) + (key >> 32)) % word * 739982445 % word
    number = (number ^ (number >> 13)) * 1103515245 % word
    return number ^ (number >> 16)
