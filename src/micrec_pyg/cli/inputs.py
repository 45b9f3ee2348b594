"""What a run works on: domains, splits and stages, on the run's device."""

import copy
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from micrec_pyg.cli.config import Config, build
from micrec_pyg.cli.progress import step
from micrec_pyg.graph.build import GraphOptions, train_stage
from micrec_pyg.graph.rows import places
from micrec_pyg.schema import (
    ITEM,
    USER,
    Domain,
    EdgeSplit,
    InputError,
    TestStage,
    TrainStage,
    ValidStage,
)

logger = logging.getLogger(__name__)

Stage = TypeVar("Stage", TrainStage, ValidStage, TestStage)


@dataclass(frozen=True, eq=False)
class Inputs:
    """Everything that a configuration says before a model is made; on the CPU."""

    domains: Mapping[str, Domain]
    splits: Mapping[str, EdgeSplit]
    options: GraphOptions
    train: TrainStage

    @property
    def digests(self) -> dict[str, str]:
        """Return the digest of each domain's inputs and encoders."""
        return {name: domain.digest for name, domain in self.domains.items()}


def load(config: Config) -> Inputs:
    """Return the data, its features and split, and the training stage.

    Raises:
        InputError: The data cannot be used, or not with these settings.
    """
    with step("data"):
        catalogues = build(config["data"])
    with step("features"):
        domains = build(config["features"])(catalogues)
    splits = build(config["split"])(domains)
    options = build(config["graph"])
    with step("training graphs and neighbours"):
        train = train_stage(domains, splits, options)
    _check_overlap(config, train)
    _check_cut_offs(config, train)
    return Inputs(domains, splits, options, train)


def to_device(stage: Stage, device: str) -> Stage:
    """Return a stage whose graphs and pairs lie on a device."""
    if torch.device(device).type == "cpu":
        return stage
    # a graph moves in place, and stages share graphs: move copies
    graphs = {name: copy.copy(data).to(device) for name, data in stage.graphs.items()}
    pairs = {
        part: {key: edges.to(device) for key, edges in getattr(stage, part).items()}
        for part in ("labels", "known", "hidden", "overlap")
        if hasattr(stage, part)
    }
    return replace(stage, graphs=graphs, **pairs)


def seen_only(inputs: Inputs) -> TestStage:
    """Return the test reduced to the nodes and graphs of training.

    For models that have no answer for new nodes: pairs with a new end are left out,
    neither known nor hidden.
    """
    known, hidden = {}, {}
    for name, data in inputs.train.graphs.items():
        split = inputs.splits[name]
        user = places(data[USER].n_id, len(split.seen_user))
        item = places(data[ITEM].n_id, len(split.seen_item))
        known[name] = _seen_rows(torch.cat([split.train, split.val], 1), user, item)
        hidden[name] = _seen_rows(split.test, user, item)
    return TestStage(
        graphs=inputs.train.graphs,
        known=known,
        hidden=hidden,
        overlap=inputs.train.overlap,
    )


def _seen_rows(pairs: Tensor, user: Tensor, item: Tensor) -> Tensor:
    """Return pairs of vocabulary indices in graph rows; -1 rows are dropped."""
    rows = torch.stack([user[pairs[0]], item[pairs[1]]])
    return rows[:, (rows >= 0).all(0)]


def _check_overlap(config: Config, train: TrainStage) -> None:
    """Refuse a contrastive loss between domains that share no user."""
    if config["gamma"] == 0 or not config["model"]["weights"].get("contrastive"):
        return
    if len(train.graphs) == 1:
        logger.info("one domain: the contrastive loss between domains is off")
    elif not any(rows.shape[1] for rows in train.overlap.values()):
        raise InputError(
            f"gamma={config['gamma']}, but the domains {', '.join(train.graphs)} share "
            "no user id in training; give gamma=0, or data whose domains share users"
        )


def _check_cut_offs(config: Config, train: TrainStage) -> None:
    """Refuse before training what no evaluation after it could do."""
    ks = config["rank"]["ks"]
    for name, data in train.graphs.items():
        if max(ks) > data[ITEM].num_nodes:
            raise InputError(
                f"rank.ks={ks}: domain {name} has {data[ITEM].num_nodes} items in "
                "training; give cut-offs up to that number"
            )
