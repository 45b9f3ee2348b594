"""Where the users of one domain are in the others."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.schema import USER, TrainStage

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


def all_users(data: HeteroData) -> Int[Tensor, " users"]:
    """Return the rows of all users of a graph."""
    person = data[USER].person
    return torch.arange(len(person), device=person.device)


def all_accounts(domain: str, graphs: Mapping[str, HeteroData]) -> Accounts:
    """Return the accounts of all users of a domain, in their order."""
    return accounts(domain, all_users(graphs[domain]), graphs)


def domains_linked(train: TrainStage) -> dict[str, Bool[Tensor, " domains"]]:
    """Return by domain which domains, in alphabetical order, training links to it.

    They have at least two users in common: of one alone nothing is learnt that holds
    for others. A model saves this as a buffer, for a test may bring further links.
    """
    linked = {frozenset(p) for p, rows in train.overlap.items() if rows.shape[1] > 1}
    return {
        domain: torch.tensor(
            [frozenset({name, domain}) in linked for name in sorted(train.graphs)],
            device=data[USER].train_row.device,
        )
        for domain, data in train.graphs.items()
    }


def linked_alone(
    domain: str, found: Accounts, linked: Bool[Tensor, " domains"] | None
) -> Accounts:
    """Return accounts without those in domains that training did not link.

    Args:
        domain: Whose users they are.
        found: Their accounts in the domains of training.
        linked: Of ``domains_linked``; None, in runs from before it was, is all.
    """
    if linked is None:
        return found
    return {
        name: (row, has if name == domain else has & yes)
        for (name, (row, has)), yes in zip(found.items(), linked, strict=True)
    }


def all_linked(
    graphs: Mapping[str, HeteroData],
    linked: Mapping[str, Bool[Tensor, " domains"] | None],
) -> dict[str, Accounts]:
    """Return the accounts of all users by domain, in the domains linked to theirs.

    Args:
        graphs: Of the domains of training.
        linked: Of ``domains_linked``, by domain.
    """
    return {
        name: linked_alone(name, all_accounts(name, graphs), linked[name])
        for name in sorted(graphs)
    }


def first_accounts(linked: Accounts) -> dict[str, Float[Tensor, " users"]]:
    """Return 1 for the first domain in which each user is, else 0, by domain."""
    found, seen = {}, torch.zeros_like(next(iter(linked.values()))[1])
    for name, (_, has) in linked.items():
        found[name] = (has & ~seen).float()
        seen = seen | has
    return found


def shares_of_interactions(
    domain: str, linked: Accounts, graphs: Mapping[str, HeteroData]
) -> dict[str, Float[Tensor, " users"]]:
    """Return how large a share of each user's interactions lies in every domain.

    Of a user without any it is 1 in ``domain``.

    Args:
        domain: Whose users they are.
        linked: Their accounts.
        graphs: By domain; they hold the interactions.
    """
    count = {
        name: (graphs[name][USER].degree.index_select(0, row) * has).float()
        for name, (row, has) in linked.items()
    }
    total = torch.stack(list(count.values())).sum(0)
    count[domain] = torch.where(total > 0, count[domain], 1.0)
    return {name: each / total.clamp(min=1) for name, each in count.items()}


def sum_of_accounts(
    x: Mapping[str, Float[Tensor, "_ dim"]],
    linked: Accounts,
    weights: Mapping[str, Float[Tensor, " users"]],
) -> Float[Tensor, "users dim"]:
    """Return the weighted sum of the vectors of some people in all domains.

    Args:
        x: Vectors of the users of every domain.
        linked: Their rows there.
        weights: Of their vectors, by domain; 0 where they have none.
    """
    parts = [
        weights[name].view(-1, 1) * x[name].index_select(0, row)
        for name, (row, _) in linked.items()
    ]
    return torch.stack(parts).sum(0)
