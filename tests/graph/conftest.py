"""Small domains, splits and options for the tests of graphs."""

from collections.abc import Callable, Mapping

import polars as pl
import pytest
import torch
from torch import Tensor

from micrec_pyg.graph.build import GraphOptions, test_stage, train_stage
from micrec_pyg.schema import Domain, EdgeSplit, Feature, Interactions, Vocab


def _vocab(ids: list[str]) -> Vocab:
    return Vocab(pl.Series(ids, dtype=pl.String))


def random_edges(num_users: int, num_items: int, share: float, seed: int) -> Tensor:
    """Return distinct pairs in a random order."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.rand(num_users, num_items, generator=generator) < share
    edges = chosen.nonzero().T
    return edges[:, torch.randperm(edges.shape[1], generator=generator)]


def random_features(num_items: int, seed: int) -> dict[str, Feature]:
    """Return text of most items and images of some; NaN where there is none."""
    generator = torch.Generator().manual_seed(seed)
    features = {}
    for name, width, present in (("text", 6, 0.9), ("image", 4, 0.5)):
        mask = torch.rand(num_items, generator=generator) < present
        values = torch.randn(num_items, width, generator=generator)
        values[~mask] = torch.nan
        features[name] = Feature(values=values, mask=mask)
    return features


@pytest.fixture
def make_domain() -> Callable[..., Domain]:
    """Return a maker of domains from edges, raw user ids and features."""

    def make(
        edges: Tensor,
        *,
        users: list[str],
        num_items: int,
        features: Mapping[str, Feature],
        name: str = "food",
    ) -> Domain:
        interactions = Interactions(
            user=edges[0],
            item=edges[1],
            users=_vocab(users),
            items=_vocab([f"{name}-{i}" for i in range(num_items)]),
        )
        return Domain(
            name=name, interactions=interactions, features=features, digest=""
        )

    return make


@pytest.fixture
def case(make_domain: Callable[..., Domain]) -> Callable[..., tuple]:
    """Return a maker of a domain and its split, with unseen nodes if asked for."""

    def make(
        name: str = "food",
        *,
        num_users: int = 12,
        num_items: int = 15,
        unseen: bool = True,
        seed: int = 0,
        first_user: int = 0,
    ) -> tuple[Domain, EdgeSplit]:
        edges = random_edges(num_users, num_items, 0.35, seed)
        seen_user = torch.ones(num_users, dtype=torch.bool)
        seen_item = torch.ones(num_items, dtype=torch.bool)
        if unseen:
            seen_user[[1, 5, 11]] = False
            seen_item[[0, 7, 8]] = False
        both = seen_user[edges[0]] & seen_item[edges[1]]
        old, new = edges[:, both], edges[:, ~both]
        a, b = int(0.7 * old.shape[1]), int(0.85 * old.shape[1])
        half = new.shape[1] // 2
        split = EdgeSplit(
            train=old[:, :a],
            support=new[:, :half],
            val=torch.cat([old[:, a:b], new[:, half : half + 3]], dim=1),
            test=torch.cat([old[:, b:], new[:, half + 3 :]], dim=1),
            seen_user=seen_user,
            seen_item=seen_item,
        )
        domain = make_domain(
            edges,
            users=[f"u{first_user + u}" for u in range(num_users)],
            num_items=num_items,
            features=random_features(num_items, seed),
            name=name,
        )
        return domain, split

    return make


@pytest.fixture
def options() -> Callable[..., GraphOptions]:
    """Return a maker of options: small defaults, changed by keyword."""

    def make(**changes: object) -> GraphOptions:
        values: dict[str, object] = {
            "num_neighbors": 3,
            "max_user_neighbors": None,
            "w": 0.9,
            "modality_weights": {},
            "knn_include_self": False,
            "knn_lists": 4,
            "template_ratio": 1.0,
            "template_metric": "error_sort",
            "seed": 0,
            "neighbors": "features",
            "overlap": "links",
            "overlap_ratio": 1.0,
            "union": False,
            "cache_dir": None,
        }
        return GraphOptions(**{**values, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture
def stages() -> Callable[..., tuple]:
    """Return a maker of (domain, split, training graph, test graph)."""

    def make(case: tuple[Domain, EdgeSplit], options: GraphOptions) -> tuple:
        domain, split = case
        domains, splits = {domain.name: domain}, {domain.name: split}
        train = train_stage(domains, splits, options)
        test = test_stage(train, domains, splits, options)
        return domain, split, train.graphs[domain.name], test.graphs[domain.name]

    return make
