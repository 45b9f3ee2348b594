"""Where the users of one domain are in the others."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.schema import USER

Accounts = dict[str, tuple[Int[Tensor, " users"], Bool[Tensor, " users"]]]
"""By domain, in alphabetical order: the rows of some people, and who has one; whoever
has none has row 0."""


def accounts(
    domain: str, user: Int[Tensor, " users"], graphs: Mapping[str, HeteroData]
) -> Accounts:
    """Return the rows that users of a domain have in every domain, their own included.

    Nothing waits for the device.

    Args:
        domain: Whose users they are.
        user: Their rows there.
        graphs: By domain; a person has one number in all of them.
    """
    person = graphs[domain][USER].person.index_select(0, user)
    found: Accounts = {}
    for name in sorted(graphs):
        if name == domain:
            found[name] = user, torch.ones_like(user, dtype=torch.bool)
            continue
        known, order = graphs[name][USER].person.sort()
        place = torch.searchsorted(known, person).clamp(max=len(known) - 1)
        has = known.index_select(0, place) == person
        found[name] = torch.where(has, order.index_select(0, place), 0), has
    return found
