"""How many items have each modality, and how many users get features from them."""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Bool, Int
from torch import Tensor

from micrec_pyg.schema import Domain, EdgeSplit


@dataclass(frozen=True)
class Coverage:
    """One modality of one domain, as similarities see it."""

    domain: str
    modality: str
    items: int
    """Items that have it."""
    all_items: int
    train_users: int
    """Users of the training graph with a training edge to such an item."""
    all_train_users: int
    users: int
    """Users with a training or support edge to such an item: known at inference."""
    all_users: int

    @property
    def cells(self) -> list[str]:
        """Return a row of ``HEAD``'s table."""
        shares = (
            (self.items, self.all_items),
            (self.train_users, self.all_train_users),
            (self.users, self.all_users),
        )
        return [self.domain, self.modality, *(_share(*pair) for pair in shares)]


HEAD = ["domain", "modality", "items", "users in training", "users at inference"]


def coverage(
    domains: Mapping[str, Domain], splits: Mapping[str, EdgeSplit]
) -> list[Coverage]:
    """Return the coverage of every domain and modality, in their order."""
    return [
        _coverage(domain, splits[name], modality, feature.mask)
        for name, domain in domains.items()
        for modality, feature in domain.features.items()
    ]


def _coverage(
    domain: Domain, split: EdgeSplit, modality: str, mask: Bool[Tensor, " items"]
) -> Coverage:
    return Coverage(
        domain=domain.name,
        modality=modality,
        items=int(mask.sum()),
        all_items=len(mask),
        train_users=_users(split.train, mask),
        all_train_users=int(split.seen_user.sum()),
        users=_users(split.known_at_test, mask),
        all_users=len(split.seen_user),
    )


def _users(edges: Int[Tensor, "2 edges"], mask: Bool[Tensor, " items"]) -> int:
    return len(edges[0, mask[edges[1]]].unique())


def _share(part: int, whole: int) -> str:
    share = f" ({part / whole:.1%})" if whole else ""
    return f"{part:,} of {whole:,}{share}"
