"""A knowledge graph's similarity, read fact by fact."""

import math

Facts = dict[str, list[tuple[int, str, str]]]
"""By domain: (item, relation, entity) triples."""


def weights(facts: Facts, min_items: int) -> dict[tuple[str, str], float]:
    """Return ln(N / n_f) of every fact that counts."""
    having: dict[tuple[str, str], set[tuple[str, int]]] = {}
    owners = set()
    for domain, triples in facts.items():
        for item, relation, entity in triples:
            having.setdefault((relation, entity), set()).add((domain, item))
            owners.add((domain, item))
    return {
        fact: math.log(len(owners) / len(items))
        for fact, items in having.items()
        if min_items <= len(items) < len(owners)
    }


def vector(
    facts: Facts, domain: str, item: int, min_items: int
) -> dict[tuple[str, str], float]:
    """Return the unit vector of an item by fact; empty if none counts."""
    weight = weights(facts, min_items)
    own = {(r, e) for i, r, e in facts[domain] if i == item and (r, e) in weight}
    length = math.sqrt(sum(weight[fact] ** 2 for fact in own))
    return {fact: weight[fact] / length for fact in own}


def cosine(
    one: dict[tuple[str, str], float], other: dict[tuple[str, str], float]
) -> float:
    """Return the inner product of two vectors."""
    return sum(value * other.get(fact, 0.0) for fact, value in one.items())
