"""Small random domains with splits, as the inputs of layers and models."""

import polars as pl
import torch

from micrec_pyg.graph.build import GraphOptions
from micrec_pyg.schema import (
    ITEM,
    USER,
    Batch,
    Domain,
    EdgeSplit,
    Feature,
    Interactions,
    Triplets,
    Vocab,
)

TEMPERATURE = 0.2


def options(**changes):
    """Return graph options: small defaults, changed by keyword."""
    values = {
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
    return GraphOptions(**{**values, **changes})


def random_edges(num_users, num_items, share, seed):
    """Return distinct pairs, sorted."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(num_users, num_items, generator=generator) < share).nonzero().T


def features(num_items, seed):
    """Return text of most items and images of some."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, width, present in (("text", 6, 0.9), ("image", 4, 0.5)):
        mask = torch.rand(num_items, generator=generator) < present
        values = torch.randn(num_items, width, generator=generator)
        found[name] = Feature(values=values * mask.view(-1, 1), mask=mask)
    return found


def domain(name, edges, *, num_users, num_items, first_user=0, seed=0):
    """Return a domain; raw user ids count on from ``first_user``."""
    users = [f"u{first_user + u}" for u in range(num_users)]
    return Domain(
        name=name,
        interactions=Interactions(
            user=edges[0],
            item=edges[1],
            users=Vocab(pl.Series(users, dtype=pl.String)),
            items=Vocab(pl.Series([f"{name}-{i}" for i in range(num_items)])),
        ),
        features=features(num_items, seed),
        digest="",
    )


def split(train, num_users, num_items, *, unseen_users=(), unseen_items=(), **parts):
    """Return a split; parts that are not given are empty."""
    seen_user = torch.ones(num_users, dtype=torch.bool)
    seen_item = torch.ones(num_items, dtype=torch.bool)
    seen_user[list(unseen_users)] = False
    seen_item[list(unseen_items)] = False
    none = torch.zeros(2, 0, dtype=torch.int64)
    return EdgeSplit(
        train=train,
        support=parts.get("support", none),
        val=parts.get("val", none),
        test=parts.get("test", none),
        seen_user=seen_user,
        seen_item=seen_item,
    )


def world(
    name="food",
    *,
    num_users=12,
    num_items=15,
    first_user=0,
    seed=0,
    unseen=(USER, ITEM),
):
    """Return (domain, split): three nodes of each of these kinds are unseen."""
    unseen = {
        "unseen_users": (1, 5, 11) if USER in unseen else (),
        "unseen_items": (0, 7, 8) if ITEM in unseen else (),
    }
    edges = random_edges(num_users, num_items, 0.4, seed)
    old = ~torch.isin(edges[0], torch.tensor(unseen["unseen_users"]))
    old &= ~torch.isin(edges[1], torch.tensor(unseen["unseen_items"]))
    train, new = edges[:, old], edges[:, ~old]
    order = torch.randperm(
        train.shape[1], generator=torch.Generator().manual_seed(seed)
    )
    train, val, test = train[:, order].split([train.shape[1] - 6, 3, 3], dim=1)
    half = new.shape[1] // 2
    return (
        domain(
            name,
            edges,
            num_users=num_users,
            num_items=num_items,
            first_user=first_user,
            seed=seed,
        ),
        split(
            train,
            num_users,
            num_items,
            support=new[:, :half],
            val=val,
            test=torch.cat([test, new[:, half:]], dim=1),
            **unseen,
        ),
    )


def worlds(*, unseen=(USER, ITEM), first_of_music=100):
    """Return (domains, splits) of three domains, two of which share users."""
    made = {
        "food": world("food", seed=1, unseen=unseen),
        "books": world("books", seed=2, first_user=4, unseen=unseen),
        "music": world(
            "music", seed=3, first_user=first_of_music, num_items=11, unseen=unseen
        ),
    }
    return {n: d for n, (d, _) in made.items()}, {n: s for n, (_, s) in made.items()}


def triplets(num_users, num_items, seed, size=20):
    """Return random triplets."""
    generator = torch.Generator().manual_seed(seed)
    draws = [
        torch.randint(n, (size,), generator=generator)
        for n in (num_users, num_items, num_items)
    ]
    return Triplets(user=draws[0], pos=draws[1], neg=draws[2])


def batch(train, sizes, seed=0, *, parts=("template_triplets", "overlap"), size=20):
    """Return a batch for a training stage, with triplets and the given parts.

    Of 20 triplets, they name more nodes than a domain has; of 5, that is so of the
    items of music alone.
    """
    return Batch(
        triplets={
            name: triplets(of.num_users, of.num_items, seed, size)
            for name, of in sizes.items()
        },
        template_triplets={
            name: triplets(of.num_user_templates, of.num_item_templates, seed + 1)
            for name, of in sizes.items()
            if "template_triplets" in parts
        },
        overlap={
            pair: rows
            for pair, rows in train.overlap.items()
            if "overlap" in parts and rows.shape[1]
        },
    )
