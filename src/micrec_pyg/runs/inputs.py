"""What a run works on: catalogues, domains, splits and stages."""

import copy
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.data.describe.card import data_card, section
from micrec_pyg.features.coverage import HEAD, coverage
from micrec_pyg.graph.build import GraphOptions, train_stage
from micrec_pyg.graph.fit_stage import fit_stage
from micrec_pyg.graph.node_rows import places
from micrec_pyg.graph.share_memory import share_equal
from micrec_pyg.graph.union import UnionGraphs
from micrec_pyg.runs.device import set_compute
from micrec_pyg.runs.experiment import Experiment
from micrec_pyg.runs.memory import check_memory
from micrec_pyg.runs.progress import step
from micrec_pyg.schema import (
    ITEM,
    USER,
    Catalogue,
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
    """Everything that is there before a model is made; on the CPU."""

    domains: Mapping[str, Domain]
    splits: Mapping[str, EdgeSplit]
    options: GraphOptions
    train: TrainStage
    """Every domain's own graph; the other stages follow from it."""
    fitted: TrainStage
    """What the model is trained on: ``train``, unless a control changes it."""
    data_card: str
    """A page about the data as it was read."""

    @property
    def digests(self) -> dict[str, str]:
        """Return the digest of each domain's inputs and encoders."""
        return {name: domain.digest for name, domain in self.domains.items()}


def read_data(experiment: Experiment) -> Mapping[str, Catalogue]:
    """Return the catalogue of every domain, before any encoder ran.

    Raises:
        InputError: The data cannot be used.
    """
    with step("data"):
        return experiment.load_data()


def data_digests(catalogues: Mapping[str, Catalogue]) -> dict[str, str]:
    """Return the digest of each domain's content and reading options."""
    return {name: each.digest for name, each in catalogues.items()}


def load(experiment: Experiment) -> Inputs:
    """Return all that an experiment works on.

    Raises:
        InputError: The data cannot be used, or not with these settings.
    """
    return make_inputs(experiment, read_data(experiment))


def make_inputs(experiment: Experiment, catalogues: Mapping[str, Catalogue]) -> Inputs:
    """Return the features, the split and the training stage of some data.

    Raises:
        InputError: The data cannot be used with these settings.
    """
    set_compute(experiment.precision, experiment.spmm)
    with step("features"):
        domains = experiment.encode(catalogues)
    splits = experiment.divide(domains)
    covered = _tell_coverage(domains, splits)
    check_memory(experiment, splits)
    with step("training graphs and neighbours"):
        train = train_stage(domains, splits, experiment.graph)
    _check_overlap(experiment, train)
    _check_cut_offs(experiment, train)
    fitted = fit_stage(train, domains, experiment.graph)
    _tell_overlap(experiment, train, fitted)
    card = data_card(catalogues) + covered
    return Inputs(domains, splits, experiment.graph, train, fitted, card)


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


def to_device(stage: Stage, device: str) -> Stage:
    """Return a stage whose graphs and pairs lie on a device."""
    if torch.device(device).type == "cpu":
        return stage

    def move(data: HeteroData) -> HeteroData:
        # a graph moves in place, and stages share graphs: move a copy
        return share_equal(copy.copy(data).to(device))

    graphs: Mapping[str, HeteroData]
    if isinstance(stage.graphs, UnionGraphs):
        graphs = stage.graphs.moved(move)
    else:
        graphs = {name: move(data) for name, data in stage.graphs.items()}
    pairs = {
        part: {key: edges.to(device) for key, edges in getattr(stage, part).items()}
        for part in ("labels", "known", "hidden", "overlap")
        if hasattr(stage, part)
    }
    return replace(stage, graphs=graphs, **pairs)


def fitted_rows(inputs: Inputs, domain: str, node: str) -> Tensor:
    """Return for each node of a domain's training graph its row in the fitted one."""
    graphs = inputs.train.graphs
    if isinstance(graphs, UnionGraphs):
        return graphs.place[domain][node]
    return torch.arange(graphs[domain][node].num_nodes)


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
        every = [split.train, split.support, split.silent, split.val]
        known[name] = _seen_rows(torch.cat(every, dim=1), user, item)
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


def _check_overlap(experiment: Experiment, train: TrainStage) -> None:
    """Refuse a contrastive loss between domains that share no user."""
    if experiment.aligns and len(train.graphs) > 1 and not _links(train):
        raise InputError(
            f"gamma is not 0, but the domains {', '.join(train.graphs)} share no user "
            "id in training; give gamma=0, or data whose domains share users"
        )


def _tell_overlap(
    experiment: Experiment, train: TrainStage, fitted: TrainStage
) -> None:
    """Say why a contrastive loss that was asked for is off."""
    if not experiment.aligns or _links(fitted):
        return
    if len(train.graphs) == 1:
        reason = "one domain"
    elif len(fitted.graphs) == 1:
        reason = "one graph of all domains"
    else:
        reason = "no link between the domains is left"
    logger.info("%s: the contrastive loss between domains is off", reason)


def _links(stage: TrainStage) -> int:
    """Return the number of links between the domains of a stage."""
    return sum(rows.shape[1] for rows in stage.overlap.values())


def _check_cut_offs(experiment: Experiment, train: TrainStage) -> None:
    """Refuse before training what no evaluation after it could do."""
    for name, data in train.graphs.items():
        if max(experiment.ks) > data[ITEM].num_nodes:
            raise InputError(
                f"rank.ks={experiment.ks}: domain {name} has {data[ITEM].num_nodes} "
                "items in training; give cut-offs up to that number"
            )
