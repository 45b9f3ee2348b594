"""What a run works on: catalogues, domains, splits and stages."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from torch import Tensor

from micrec_pyg.data.describe.card import data_card, section
from micrec_pyg.features.coverage import HEAD, coverage
from micrec_pyg.graph.build import GraphOptions, train_stage, true_overlap
from micrec_pyg.runs.device import set_compute
from micrec_pyg.runs.experiment import Experiment, cut_off
from micrec_pyg.runs.memory import check_memory
from micrec_pyg.runs.progress import step
from micrec_pyg.schema import (
    IMAGE,
    ITEM,
    TEXT,
    Domain,
    DomainCatalogue,
    EdgeSplit,
    InputError,
    Pair,
    TrainStage,
)
from micrec_pyg.storage.digests import json_digest

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Inputs:
    """Everything that is there before a model is made; on the CPU."""

    domains: Mapping[str, Domain]
    splits: Mapping[str, EdgeSplit]
    options: GraphOptions
    train: TrainStage
    """What the model is trained on; the other stages follow from it."""
    data_card: str
    """A page about the data as it was read."""
    texts: Mapping[str, pl.Series]
    """By domain: the text of every item, null where there is none."""
    images: Mapping[str, pl.Series] = field(default_factory=dict)
    """By domain with any: the path of every item's image, null where there is none."""

    @property
    def digests(self) -> dict[str, str]:
        """Return the digest of each domain's inputs and encoders."""
        return {name: domain.digest for name, domain in self.domains.items()}


def read_data(experiment: Experiment) -> Mapping[str, DomainCatalogue]:
    """Return the catalogue of every domain, before any encoder ran.

    Raises:
        InputError: The data cannot be used.
    """
    with step("data"):
        return experiment.load_data()


def data_digests(
    catalogues: Mapping[str, DomainCatalogue], features: Mapping[str, Any]
) -> dict[str, str]:
    """Return the digest of each domain's content and reading options.

    Where facts make features, those of domains that ``data.only`` leaves out count too.

    Args:
        catalogues: By domain name.
        features: The settings of this name.
    """
    found = {name: each.digest for name, each in catalogues.items()}
    if features.get("kg") is None:
        return found
    for name, each in catalogues.items():
        if each.others:
            others = {n: other.digest for n, other in each.others.items()}
            found[name] = json_digest([each.digest, others])
    return found


def load(experiment: Experiment) -> Inputs:
    """Return all that an experiment works on.

    Raises:
        InputError: The data cannot be used, or not with these settings.
    """
    return make_inputs(experiment, read_data(experiment))


def make_inputs(
    experiment: Experiment, catalogues: Mapping[str, DomainCatalogue]
) -> Inputs:
    """Return the features, the split and the training stage of some data.

    Raises:
        InputError: The data cannot be used with these settings.
    """
    set_compute(experiment.precision, experiment.spmm, experiment.blas)
    with step("features"):
        domains = experiment.encode(catalogues)
    splits = experiment.divide(domains)
    covered = _tell_coverage(domains, splits)
    check_memory(experiment, domains, splits)
    with step("training graphs and neighbours"):
        train = train_stage(domains, splits, experiment.graph)
    _check_overlap(experiment, domains, train)
    _check_cut_offs(experiment, train)
    _tell_overlap(experiment, train)
    card = data_card(catalogues) + covered
    texts = {name: each.content[TEXT] for name, each in catalogues.items()}
    images = {name: each.content[IMAGE] for name, each in catalogues.items()}
    shown = {n: i for n, i in images.items() if experiment.thumbnails and i.count()}
    return Inputs(domains, splits, experiment.graph, train, card, texts, shown)


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


def _check_overlap(
    experiment: Experiment, domains: Mapping[str, Domain], train: TrainStage
) -> None:
    """Refuse a contrastive loss between domains that share no user."""
    shared = _count(true_overlap(domains, train.tasks))
    if experiment.aligns and len(domains) > 1 and not shared:
        raise InputError(
            f"gamma is not 0, but the domains {', '.join(domains)} share no user "
            "id in training; give gamma=0, or data whose domains share users"
        )


def _tell_overlap(experiment: Experiment, train: TrainStage) -> None:
    """Say why a contrastive loss that was asked for is off."""
    if not experiment.aligns or _count(train.overlap):
        return
    if len(train.tasks) == 1:
        reason = "one domain"
    elif len(train.graphs) == 1:
        reason = "one graph of all domains"
    else:
        reason = "no link between the domains is left"
    logger.info("%s: the contrastive loss between domains is off", reason)


def _count(overlap: Mapping[Pair, Tensor]) -> int:
    """Return the number of links between the domains."""
    return sum(rows.shape[1] for rows in overlap.values())


def _check_cut_offs(experiment: Experiment, train: TrainStage) -> None:
    """Refuse before training what no evaluation after it could do."""
    given = {
        f"rank.ks={experiment.ks}": max(experiment.ks),
        f"fit.metric={experiment.fit.metric}": cut_off(experiment.fit.metric),
    }
    for name, task in train.tasks.items():
        num_items = task.data[ITEM].num_nodes
        beyond = [text for text, k in given.items() if k > num_items]
        if beyond:
            raise InputError(
                f"{', '.join(beyond)}: domain {name} has {num_items} items in "
                "training; give cut-offs up to that number"
            )
