"""What ranked lists are like, whatever the hidden pairs say.

Per list: novelty, average popularity, diversity by each modality. Over all lists:
coverage, Gini index, entropy, personalisation. Definitions in docs/metrics.md; time
and memory grow with the lists, never with pairs of users or of items.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.evaluation.groups import item_degree, modalities_of
from micrec_pyg.schema import INTERACTS, ITEM, USER, Feature, RankedLists

BLOCK = 1024
"""Lists whose feature vectors are summed at once."""

Values = Float[Tensor, " rows"]


@dataclass(frozen=True, eq=False)
class ItemFacts:
    """What is known of a domain's items besides their ranks, in graph rows."""

    popularity: Int[Tensor, " items"]
    """Edges in the training graph; 0 for new items."""
    num_users: int
    """Users of the training graph."""
    features: Mapping[str, Feature]
    """By modality."""


def item_facts(data: HeteroData, trained: HeteroData | None) -> ItemFacts:
    """Return what the metrics of lists need to know of a graph's items.

    Args:
        data: The evaluated graph.
        trained: The training graph, to read popularity from; without it, the edges
            of ``data`` between old users and old items count.
    """
    features = {
        name: Feature(data[ITEM][name], data[ITEM][f"{name}_mask"])
        for name in modalities_of(data)
    }
    num_users = int((data[USER].train_row >= 0).sum())
    return ItemFacts(_popularity(data, trained), num_users, features)


def list_metrics(
    lists: RankedLists, facts: ItemFacts, ks: Sequence[int]
) -> dict[str, Values]:
    """Return novelty, average popularity and diversity at every k, one per list.

    float64; NaN where a list says nothing: it is empty, or, for diversity, fewer than
    two of its items have the modality.
    """
    popularity = facts.popularity.double()
    surprise = ((facts.num_users + 1) / (popularity + 1)).log2()
    by_name = {
        "novelty": _means(lists, surprise, ks),
        "average_popularity": _means(lists, popularity, ks),
        **{
            f"diversity_{name}": _diversity(lists, feature, ks)
            for name, feature in facts.features.items()
        },
    }
    return {f"{name}@{k}": by_k[k] for k in ks for name, by_k in by_name.items()}


def catalogue_metrics(
    lists: RankedLists, candidates: Bool[Tensor, " items"], ks: Sequence[int]
) -> dict[str, float]:
    """Return coverage, Gini index, entropy and personalisation at every k.

    What is not defined is left out: all but coverage without any listed item,
    personalisation also with fewer than two lists.

    Args:
        lists: Of a group of users.
        candidates: The items that could be listed.
        ks: Cut-offs.
    """
    # one device, one order of summation; the lists are small
    item, candidates = lists.item.cpu(), candidates.cpu()
    found = {}
    for k in ks:
        listed = item[:, :k] >= 0
        flat = item[:, :k][listed]
        count = flat.bincount(minlength=len(candidates))[candidates].double()
        found[f"coverage@{k}"] = float((count > 0).double().mean())
        if len(flat):
            found[f"gini@{k}"] = _gini(count)
            found[f"entropy@{k}"] = _entropy(count)
        if int(listed.any(1).sum()) > 1:
            found[f"personalisation@{k}"] = _personalisation(flat, listed.sum(1))
    return found


def _popularity(data: HeteroData, trained: HeteroData | None) -> Int[Tensor, " items"]:
    n_id = data[ITEM].n_id
    if trained is not None:
        degree = item_degree(trained).to(n_id.device)
        before = trained[ITEM].n_id.to(n_id.device)
        size = int(torch.cat([n_id, before]).max()) + 1
        return degree.new_zeros(size).scatter(0, before, degree)[n_id]
    item = torch.arange(len(n_id), device=n_id.device)
    item = item.repeat_interleave(item_degree(data))
    user = data[INTERACTS].adj_t.col_indices()
    old = (data[USER].train_row[user] >= 0) & (data[ITEM].train_row[item] >= 0)
    return item[old].bincount(minlength=len(n_id))


def _means(
    lists: RankedLists, value: Float[Tensor, " items"], ks: Sequence[int]
) -> dict[int, Values]:
    """Return the mean of the listed items' values at every k; pads do not count."""
    listed = lists.item >= 0
    total = value[lists.item.clamp(min=0)].masked_fill(~listed, 0).cumsum(1)
    count = listed.cumsum(1)
    return {k: total[:, k - 1] / count[:, k - 1] for k in ks}


def _diversity(
    lists: RankedLists, feature: Feature, ks: Sequence[int]
) -> dict[int, Values]:
    """Return 1 - the mean cosine over the pairs of a list, at every k.

    Of unit vectors x, the cosines of all ordered pairs sum up to |sum x|^2 - n. So a
    list costs one sum of its vectors.
    """
    values = _moderate(feature.values)
    norm = torch.linalg.vector_norm(values, dim=1)
    usable = feature.mask & (norm > 0)
    item = lists.item.clamp(min=0)
    known = usable[item] & (lists.item >= 0)
    # what has no vector adds nothing
    scale = norm.reciprocal()[item].masked_fill(~known, 0)
    length: dict[int, list[Tensor]] = {k: [] for k in ks}
    for block, weight in zip(item.split(BLOCK), scale.split(BLOCK), strict=True):
        total, before = norm.new_zeros(len(block), values.shape[1]), 0
        for k in sorted(length):
            total += torch.nn.functional.embedding_bag(
                block[:, before:k].contiguous(),
                values,
                per_sample_weights=weight[:, before:k].contiguous(),
                mode="sum",
            )
            before = k
            length[k].append(torch.linalg.vector_norm(total, dim=1).double())
    count = known.cumsum(1).double()
    found = {}
    for k in ks:
        n = count[:, k - 1]
        cosine = (torch.cat(length[k]).square() - n) / (n * (n - 1))
        found[k] = (1 - cosine).clamp(min=0).masked_fill(n < 2, torch.nan)
    return found


def _moderate(values: Float[Tensor, "items width"]) -> Float[Tensor, "items width"]:
    """Return vectors of the same directions, whose norms and inverses fit in 32 bits.

    A norm takes squares: those of numbers beyond 1e19 are infinite, those of numbers
    below 1e-23 are 0. Vectors of usual lengths are returned as they are.
    """
    largest = torch.linalg.vector_norm(values, torch.inf, dim=1)
    usual = (largest == 0) | ((largest > 1e-15) & (largest < 1e15))
    if usual.all():
        return values
    scaled: Tensor = values / largest.clamp(min=torch.finfo(values.dtype).tiny)[:, None]
    return scaled


def _gini(count: Float[Tensor, " candidates"]) -> float:
    """Return the Gini index: 0 if all items are listed equally often."""
    n = len(count)
    place = torch.arange(1, n + 1, dtype=count.dtype)
    weighted = ((2 * place - n - 1) * count.sort().values).sum()
    return float(weighted / (n * count.sum()))


def _entropy(count: Float[Tensor, " candidates"]) -> float:
    """Return the entropy of the listed items' shares, in bits."""
    share = count[count > 0] / count.sum()
    return float((share * share.reciprocal().log2()).sum())


def _personalisation(
    flat: Int[Tensor, " listed"], lengths: Int[Tensor, " rows"]
) -> float:
    """Return 1 - the mean cosine between the lists of two users.

    A list is a 0/1 vector over the items. Of such vectors, scaled to length 1, the
    cosines of all ordered pairs sum up to |sum|^2 - the number of lists.

    Args:
        flat: The listed items, list by list.
        lengths: How many of them each list has; empty lists do not count.
    """
    lengths = lengths[lengths > 0]
    weights = lengths.double().rsqrt().repeat_interleave(lengths)
    total = flat.bincount(weights=weights).square().sum()
    n = len(lengths)
    # never below 0 by rounding
    return max(0.0, float(1 - (total - n) / (n * (n - 1))))
