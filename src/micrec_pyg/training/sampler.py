"""Draws the batches of an epoch."""

import logging
from collections.abc import Collection, Iterator, Mapping

import torch
from jaxtyping import Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.nn.ranking import RankingLoss
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import (
    ITEM,
    ITEM_TEMPLATE,
    USER,
    USER_TEMPLATE,
    Batch,
    InputError,
    TrainStage,
)
from micrec_pyg.training.samples import (
    PoolSampler,
    TripletSampler,
    UserSampler,
    distinct,
)

logger = logging.getLogger(__name__)

MAX_OVERLAP = 2048
"""Most shared users in one contrastive batch."""


class Sampler:
    """Draws every part of a batch that the losses ask for, for all domains.

    The largest domain sets the number of steps of an epoch; the others draw as
    many batches, that is more samples than they have edges. An epoch has as many
    samples as the largest domain has positives, or as it has users where rows of
    users are all that is asked for.
    """

    def __init__(
        self,
        stage: TrainStage,
        *,
        batch_size: int,
        parts: Collection[str],
        streams: RandomStreams,
        num_negatives: int = 1,
        loss: RankingLoss | None = None,
    ) -> None:
        """Index the positives of every domain that is trained on.

        Args:
            stage: Training graphs and positives.
            batch_size: Triplets, or users, per domain and step.
            parts: Fields of ``Batch`` to fill; others stay empty.
            streams: A stream per domain and part draws the samples.
            num_negatives: Of each positive, in the part ``negatives``.
            loss: Says what is compared with, in the part ``pool``.
        """
        self.batch_size, self.streams = batch_size, streams
        self.num_negatives = num_negatives
        # Nothing is to be told apart where one user is shared: a loss of exactly 0.
        self.overlap = {
            pair: rows
            for pair, rows in stage.overlap.items()
            if "overlap" in parts and rows.shape[1] > 1
        }
        self.samplers = {
            part: _samplers(stage, template=part == "template_triplets")
            for part in ("triplets", "template_triplets", "negatives")
            if part in parts
        }
        self.users = _user_samplers(stage) if "users" in parts else {}
        self.pools = _pool_samplers(stage, loss) if "pool" in parts and loss else {}
        if set(parts) == {"users"}:
            most = max(len(sampler.users) for sampler in self.users.values())
        else:
            most = max(labels.shape[1] for labels in stage.labels.values())
        self.num_steps = -(-most // batch_size)

    def epoch(self) -> Iterator[Batch]:
        """Yield the batches of one epoch, fresh every time."""
        for _ in range(self.num_steps):
            yield self.draw()

    def draw(self) -> Batch:
        """Return the samples of one step."""
        drawn = {
            part: {
                domain: sampler.draw(
                    self.batch_size,
                    self.streams(part, domain),
                    self.num_negatives if part == "negatives" else None,
                )
                for domain, sampler in samplers.items()
            }
            for part, samplers in self.samplers.items()
        }
        users = {
            domain: sampler.draw(self.batch_size, self.streams("users", domain))
            for domain, sampler in self.users.items()
        }
        pool = {
            domain: sampler.draw(self.batch_size, self.streams("pool", domain))
            for domain, sampler in self.pools.items()
        }
        overlap = {pair: self._shared(pair) for pair in self.overlap}
        return Batch(**drawn, users=users, overlap=overlap, pool=pool)

    def _shared(self, pair: tuple[str, str]) -> Tensor:
        rows = self.overlap[pair]
        generator = self.streams("overlap", *pair)
        return rows[:, distinct(rows.shape[1], MAX_OVERLAP, generator)]


def _samplers(stage: TrainStage, *, template: bool) -> Mapping[str, TripletSampler]:
    """Return a sampler of triplets by domain, in rows of nodes or of templates.

    Without a domain whose few templates tell no item that a user prefers from another.
    """
    found = {}
    for domain, data in stage.graphs.items():
        pairs, kinds = stage.labels[domain], (USER, ITEM)
        if template:
            pairs, kinds = template_pairs(data, pairs), (USER_TEMPLATE, ITEM_TEMPLATE)
        sizes = (data[kind].num_nodes for kind in kinds)
        try:
            found[domain] = TripletSampler(pairs, *sizes)
        except InputError:
            if not template:
                raise
            logger.warning(
                "%s: no template user has both a template item to prefer and one to "
                "prefer it to, so the domain has no self-enhanced loss; a larger "
                "graph.template_ratio has more templates",
                domain,
            )
    return found


def _user_samplers(stage: TrainStage) -> Mapping[str, UserSampler]:
    """Return a sampler of users by domain."""
    return {
        domain: UserSampler(
            stage.labels[domain], data[USER].num_nodes, data[ITEM].num_nodes
        )
        for domain, data in stage.graphs.items()
    }


def _pool_samplers(stage: TrainStage, loss: RankingLoss) -> Mapping[str, PoolSampler]:
    """Return a sampler of pairs and pools by domain."""
    return {
        domain: PoolSampler(
            stage.labels[domain],
            data[USER].num_nodes,
            data[ITEM].num_nodes,
            size=loss.num_negatives,
            in_batch=loss.in_batch,
        )
        for domain, data in stage.graphs.items()
    }


def template_pairs(data: HeteroData, labels: Int[Tensor, "2 _"]) -> Int[Tensor, "2 _"]:
    """Return the positives whose two ends are templates, in template rows."""
    sides = ((USER, USER_TEMPLATE), (ITEM, ITEM_TEMPLATE))
    rows = torch.stack(
        [
            _template_row(data[kind].n_id, data[template].n_id).to(edge.device)[edge]
            for (kind, template), edge in zip(sides, labels, strict=True)
        ]
    )
    return rows[:, (rows >= 0).all(0)]


def _template_row(node: Tensor, template: Tensor) -> Tensor:
    """Return the template row of every node, -1 where it is no template."""
    row = node.new_full((int(node.max()) + 1,), -1)
    row[template] = torch.arange(len(template), device=node.device)
    return row[node]
