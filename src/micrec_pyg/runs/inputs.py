"""What a run works on: domains, splits and stages, on the run's device."""

import copy
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.cli.config import Config, build
from micrec_pyg.runs.memory import check_memory
from micrec_pyg.runs.progress import step
from micrec_pyg.data.describe.card import data_card, section
from micrec_pyg.features.coverage import HEAD, coverage
from micrec_pyg.graph.build import GraphOptions, train_stage
from micrec_pyg.graph.fit_stage import fit_stage
from micrec_pyg.graph.node_rows import places
from micrec_pyg.graph.share_memory import share_equal
from micrec_pyg.graph.union import UnionGraphs
from micrec_pyg.nn.spmm import PRECISIONS, configure
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
    """Every domain's own graph; the other stages follow from it."""
    fitted: TrainStage
    """What the model is trained on: ``train``, unless a control changes it."""
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
    _check_overlap(config, train)
    _check_cut_offs(config, train)
    fitted = fit_stage(train, domains, options)
    _tell_overlap(config, train, fitted)
    card = data_card(catalogues) + covered
    return Inputs(domains, splits, options, train, fitted, card)


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


def _check_overlap(config: Config, train: TrainStage) -> None:
    """Refuse a contrastive loss between domains that share no user."""
    if _aligns(config) and len(train.graphs) > 1 and not _links(train):
        raise InputError(
            f"gamma={config['gamma']}, but the domains {', '.join(train.graphs)} share "
            "no user id in training; give gamma=0, or data whose domains share users"
        )


def _tell_overlap(config: Config, train: TrainStage, fitted: TrainStage) -> None:
    """Say why a contrastive loss that was asked for is off."""
    if not _aligns(config) or _links(fitted):
        return
    if len(train.graphs) == 1:
        reason = "one domain"
    elif len(fitted.graphs) == 1:
        reason = "one graph of all domains"
    else:
        reason = "no link between the domains is left"
    logger.info("%s: the contrastive loss between domains is off", reason)


def _aligns(config: Config) -> bool:
    """Return whether the settings ask for a contrastive loss between domains."""
    weight = config["model"]["weights"].get("contrastive")
    return bool(config["gamma"] != 0 and weight)


def _links(stage: TrainStage) -> int:
    """Return the number of links between the domains of a stage."""
    return sum(rows.shape[1] for rows in stage.overlap.values())


def _check_cut_offs(config: Config, train: TrainStage) -> None:
    """Refuse before training what no evaluation after it could do."""
    ks = config["rank"]["ks"]
    for name, data in train.graphs.items():
        if max(ks) > data[ITEM].num_nodes:
            raise InputError(
                f"rank.ks={ks}: domain {name} has {data[ITEM].num_nodes} items in "
                "training; give cut-offs up to that number"
            )
