"""Interactions divided at random, or as they came divided.

A split reads ``.interactions`` of its argument alone, and every split is a pure
function of it, its options and the seed. Splits by time are in ``by_time``, those with
new users and items in ``inductive``, files in ``imported``.
"""

from micrec_pyg.allowed import Ratios, Seed
from micrec_pyg.data.splits.leak import LeakClass, promises
from micrec_pyg.data.splits.parts import (
    TRAIN,
    Domains,
    edge_split,
    random_parts,
    shares_of,
)
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import EdgeSplit, InputError

__all__ = ["Domains", "random_ratio", "ready"]


@promises(LeakClass.USER_FUTURE)
def random_ratio(
    domains: Domains, *, ratios: Ratios, seed: Seed
) -> dict[str, EdgeSplit]:
    """Return a random split of every user's interactions; all items are seen.

    Rounding: a user with n interactions draws one number v, uniform in [0, 1), and
    gets floor(n*test + v) test edges, floor(n*(val + test) + v) test and validation
    edges together, and the rest for training. So each part's size is right on
    average and less than one edge off for everybody. At least one edge stays in
    training: a user with a single interaction only trains.

    Users with a training edge are seen. Every item is seen, because the catalogue is
    known in this protocol, also items without a training edge.

    Args:
        domains: what to split; a domain's split does not depend on the others.
        ratios: train, validation, test; only their proportions count.
        seed: of the draw.

    Raises:
        InputError: impossible ratios.
    """
    shares = shares_of(ratios)
    streams = RandomStreams(seed)
    splits = {}
    for name, domain in domains.items():
        data = domain.interactions
        part = random_parts(data, shares, streams("split", name))
        splits[name] = edge_split(data, part, None)
    return splits


def ready(domains: Domains) -> dict[str, EdgeSplit]:
    """Return the split that came with the data (column ``x_label``).

    Users with a training edge are seen, and every item is, as in ``random_ratio``.

    Raises:
        InputError: a domain has none, or has no training edge.
    """
    splits = {}
    for name, domain in domains.items():
        data = domain.interactions
        if data.part is None:
            raise InputError(
                f"domain '{name}' has no ready split; needed: a column x_label "
                "(0 train, 1 validation, 2 test) in its interactions table, "
                "or choose split=random"
            )
        if not (data.part == TRAIN).any():
            raise InputError(f"domain '{name}': no row has x_label 0 (train)")
        splits[name] = edge_split(data, data.part, None)
    return splits
