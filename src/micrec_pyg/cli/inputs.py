"""What a run works on: domains, splits and stages, on the run's device."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from micrec_pyg.cli.config import Config, build
from micrec_pyg.cli.memory import check_memory
from micrec_pyg.cli.progress import step
from micrec_pyg.data.describe.card import data_card, section
from micrec_pyg.features.coverage import HEAD, coverage
from micrec_pyg.graph.build import GraphOptions, train_stage, true_overlap
from micrec_pyg.nn.spmm import PRECISIONS, configure
from micrec_pyg.schema import (
    ITEM,
    Domain,
    EdgeSplit,
    InputError,
    Pair,
    TrainStage,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Inputs:
    """Everything that a configuration says before a model is made; on the CPU."""

    domains: Mapping[str, Domain]
    splits: Mapping[str, EdgeSplit]
    options: GraphOptions
    train: TrainStage
    """What the model is trained on; the other stages follow from it."""
    data_card: str
    """A page about the data as it was read."""

    @property
    def digests(self) -> dict[str, str]:
        """Return the digest of each domain's inputs and encoders."""
        return {name: domain.digest for name, domain in self.domains.items()}


def load(config: Config) -> Inputs:
    """Return the data, its features and split, and the training stage.

    Raises:
        InputError: The data cannot be used, or not with these settings.
    """
    _set_compute(config)
    options: GraphOptions = replace(build(config["graph"]), device=config["device"])
    with step("data"):
        catalogues = build(config["data"])
    with step("features"):
        domains = build(config["features"])(catalogues)
    splits = build(config["split"])(domains)
    covered = _tell_coverage(domains, splits)
    check_memory(config, splits)
    with step("training graphs and neighbours"):
        train = train_stage(domains, splits, options)
    _check_overlap(config, domains, train)
    _check_cut_offs(config, train)
    _tell_overlap(config, train)
    card = data_card(catalogues) + covered
    return Inputs(domains, splits, options, train, card)


def _tell_coverage(
    domains: Mapping[str, Domain], splits: Mapping[str, EdgeSplit]
) -> str:
    """Say which items and users have features; return it as a part of the card."""
    rows = [each.cells for each in coverage(domains, splits)]
    for domain, modality, items, train_users, users in rows:
        logger.info(
            "domain %s: %s of items %s, of users in training %s, at inference %s",
            domain,
            modality,
            items,
            train_users,
            users,
        )
    nothing = [["-"] * len(HEAD)]
    return section("Features that similarities use", HEAD, rows or nothing)


def _set_compute(config: Config) -> None:
    """Set how this process computes products, sparse and dense."""
    precision = config["precision"]
    if precision not in ("tf32", *PRECISIONS):
        raise InputError(
            f"precision={precision}: give one of {', '.join(PRECISIONS)}, tf32"
        )
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    configure(
        kernel=config["spmm"],
        precision="float32" if precision == "tf32" else precision,
    )


def _check_overlap(
    config: Config, domains: Mapping[str, Domain], train: TrainStage
) -> None:
    """Refuse a contrastive loss between domains that share no user."""
    shared = _links(true_overlap(domains, train.tasks))
    if _aligns(config) and len(domains) > 1 and not shared:
        raise InputError(
            f"gamma={config['gamma']}, but the domains {', '.join(domains)} share "
            "no user id in training; give gamma=0, or data whose domains share users"
        )


def _tell_overlap(config: Config, train: TrainStage) -> None:
    """Say why a contrastive loss that was asked for is off."""
    if not _aligns(config) or _links(train.overlap):
        return
    if len(train.tasks) == 1:
        reason = "one domain"
    elif len(train.graphs) == 1:
        reason = "one graph of all domains"
    else:
        reason = "no link between the domains is left"
    logger.info("%s: the contrastive loss between domains is off", reason)


def _aligns(config: Config) -> bool:
    """Return whether the settings ask for a contrastive loss between domains."""
    weight = config["model"]["weights"].get("contrastive")
    return bool(config["gamma"] != 0 and weight)


def _links(overlap: Mapping[Pair, Tensor]) -> int:
    """Return the number of links between the domains."""
    return sum(rows.shape[1] for rows in overlap.values())


def _check_cut_offs(config: Config, train: TrainStage) -> None:
    """Refuse before training what no evaluation after it could do."""
    ks = config["rank"]["ks"]
    for name, task in train.tasks.items():
        num_items = task.data[ITEM].num_nodes
        if max(ks) > num_items:
            raise InputError(
                f"rank.ks={ks}: domain {name} has {num_items} items in "
                "training; give cut-offs up to that number"
            )
