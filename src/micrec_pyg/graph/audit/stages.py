"""An audit of finished stages: nothing hidden flows in a graph, at any stage.

Everything is compared with the split alone. Messages, labels and degrees must come
from the edges that the stage may know; similarity edges must follow from the item
features and from these edges (``audit_neighbors``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl
import torch
from jaxtyping import Int
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.data.audit.finding import PAIR, Finding, by_domain
from micrec_pyg.graph.audit.neighbors import check_neighbors
from micrec_pyg.graph.options import GraphOptions
from micrec_pyg.graph.union import merge
from micrec_pyg.schema import (
    DESCRIBES_ITEM,
    DESCRIBES_USER,
    INTERACTED_BY,
    INTERACTS,
    ITEM,
    ITEM_TEMPLATE,
    USER,
    USER_TEMPLATE,
    Domain,
    EdgeSplit,
    TestStage,
    TrainStage,
    ValidStage,
)

MESSAGES = (
    (INTERACTED_BY, USER, ITEM),
    (INTERACTS, ITEM, USER),
    (DESCRIBES_USER, USER, ITEM_TEMPLATE),
    (DESCRIBES_ITEM, ITEM, USER_TEMPLATE),
)
"""Edge types that carry interactions, with the node types of rows and columns."""


@dataclass(frozen=True, eq=False)
class Case:
    """One graph of one stage, and what it may know."""

    stage: str
    domain: Domain
    data: HeteroData
    allowed: Int[Tensor, "2 _"]
    """Edges in vocabulary indices."""
    new_nodes: bool
    """Whether it may have nodes that training has not."""

    @property
    def where(self) -> str:
        """Return what a finding names: domain and stage."""
        return f"{self.domain.name} ({self.stage} graph)"

    def keys(self, edges: Int[Tensor, "2 edges"]) -> Int[Tensor, " edges"]:
        """Return one number per pair of vocabulary indices."""
        return edges[0] * len(self.domain.interactions.items) + edges[1]

    def vocabulary(self, rows: Int[Tensor, "2 edges"]) -> Int[Tensor, "2 edges"]:
        """Return pairs of graph rows in vocabulary indices."""
        user, item = self.data[USER].n_id, self.data[ITEM].n_id
        return torch.stack([user[rows[0]], item[rows[1]]])

    def raw(self, edges: Int[Tensor, "2 edges"]) -> pl.DataFrame:
        """Return pairs of vocabulary indices as raw ids, for a finding."""
        vocabulary = self.domain.interactions
        user, item = edges
        return pl.DataFrame(
            {
                "user": vocabulary.users.ids.gather(user.numpy()),
                "item": vocabulary.items.ids.gather(item.numpy()),
            }
        ).select(pl.lit(self.where).alias("domain"), "user", "item")


def audit_stages(
    domains: Mapping[str, Domain],
    splits: Mapping[str, EdgeSplit],
    options: GraphOptions,
    stages: tuple[TrainStage, ValidStage, TestStage],
) -> list[Finding]:
    """Return what the graphs of a run know and must not.

    Args:
        domains: With the features that the graphs were built from.
        splits: By domain.
        options: With which the graphs were built.
        stages: Of training, validation and test, before any control of the overlap.
    """
    train, valid, test = stages
    own = replace(options, num_neighbors=0) if options.union else options
    found: list[Finding] = []
    for name, split in splits.items():
        graphs = [
            stage.tasks[name].data if options.union else stage.graphs[name]
            for stage in stages
        ]
        cases = _cases(domains[name], split, graphs, valid.rule)
        found += _distinct(cases, split, own)
        if not options.union:
            found += _labels(cases[0], train.labels[name])
        found += _asked(cases[1], valid.tasks[name].hidden)
        found += _asked(cases[2], test.tasks[name].hidden)
    if options.union:
        merged = merge(domains, splits)
        name = merged.domain.name
        graphs = [stage.graphs[name] for stage in stages]
        cases = _cases(merged.domain, merged.split, graphs, valid.rule)
        found += _distinct(cases, merged.split, options)
        found += _labels(cases[0], train.labels[name])
    return found


def _cases(
    domain: Domain, split: EdgeSplit, graphs: Sequence[HeteroData], rule: str
) -> list[Case]:
    """Return what training, validation and test may know of a domain."""
    before, validation, after = graphs
    grown = rule == "new"
    early = Case("training", domain, before, split.train, new_nodes=False)
    allowed = split.known_at_validation if grown else split.train
    middle = Case("validation", domain, validation, allowed, new_nodes=grown)
    late = Case("test", domain, after, split.known_at_test, new_nodes=True)
    return [early, early if validation is before else middle, late]


def _distinct(
    cases: Sequence[Case], split: EdgeSplit, options: GraphOptions
) -> list[Finding]:
    """Return what the graphs know and must not, looking at each graph once."""
    once = {id(case): case for case in cases}.values()
    return [finding for case in once for finding in _case(case, split, options)]


def _case(case: Case, split: EdgeSplit, options: GraphOptions) -> list[Finding]:
    """Return what one graph knows and must not."""
    return [
        *_messages(case),
        *_degrees(case),
        *_unseen(case, split),
        *check_neighbors(case.where, case.domain, case.data, case.allowed, options),
    ]


def _messages(case: Case) -> list[Finding]:
    """Return a finding about edges that carry what the graph must not know."""
    allowed = case.keys(case.allowed)
    wrong = []
    for edge_type, row_type, col_type in MESSAGES:
        matrix = case.data[edge_type].adj_t
        row = torch.repeat_interleave(
            torch.arange(matrix.shape[0]), matrix.crow_indices().diff().long()
        )
        ends = [
            case.data[row_type].n_id[row],
            case.data[col_type].n_id[matrix.col_indices().long()],
        ]
        pair = torch.stack(ends if row_type == USER else ends[::-1])
        wrong.append(pair[:, ~torch.isin(case.keys(pair), allowed)])
    return by_domain(
        "hidden_messages",
        case.raw(torch.cat(wrong, dim=1)).unique(maintain_order=True),
        "interactions carry messages that this stage must not know",
        PAIR,
        error=True,
    )


def _degrees(case: Case) -> list[Finding]:
    """Return findings about nodes whose degree counts other edges than allowed."""
    found = []
    vocabulary = case.domain.interactions
    for kind, ends, vocab in (
        (USER, case.allowed[0], vocabulary.users),
        (ITEM, case.allowed[1], vocabulary.items),
    ):
        n_id = case.data[kind].n_id
        right = torch.bincount(ends, minlength=len(vocab))[n_id]
        wrong = n_id[case.data[kind].degree != right]
        if len(wrong):
            raw = vocab.ids.gather(wrong[:3].numpy())
            message = f"{kind}s have a degree that does not count their known edges"
            examples = tuple(f"{kind} {each}" for each in raw)
            found.append(
                Finding(
                    "hidden_messages", True, case.where, len(wrong), message, examples
                )
            )
    return found


def _labels(case: Case, labels: Int[Tensor, "2 _"]) -> list[Finding]:
    pairs = case.vocabulary(labels)
    wrong = ~torch.isin(case.keys(pairs), case.keys(case.allowed))
    return by_domain(
        "hidden_messages",
        case.raw(pairs[:, wrong]),
        "training labels are not training edges",
        PAIR,
        error=True,
    )


def _asked(case: Case, hidden: Int[Tensor, "2 _"]) -> list[Finding]:
    pairs = case.vocabulary(hidden)
    wrong = torch.isin(case.keys(pairs), case.keys(case.allowed))
    return by_domain(
        "overlap",
        case.raw(pairs[:, wrong]),
        "pairs to be ranked are among the edges that the graph knows",
        PAIR,
        error=True,
    )


def _unseen(case: Case, split: EdgeSplit) -> list[Finding]:
    """Return findings about new nodes where only old ones may be."""
    found = []
    vocabulary = case.domain.interactions
    for kind, template, seen, vocab in (
        (USER, USER_TEMPLATE, split.seen_user, vocabulary.users),
        (ITEM, ITEM_TEMPLATE, split.seen_item, vocabulary.items),
    ):
        nodes = case.data[template].n_id
        if not case.new_nodes:
            nodes = torch.cat([nodes, case.data[kind].n_id])
        wrong = nodes[~seen[nodes]].unique()
        if len(wrong):
            raw = vocab.ids.gather(wrong[:3].numpy())
            message = f"new {kind}s are nodes or templates of training"
            examples = tuple(f"{kind} {each}" for each in raw)
            found.append(
                Finding("unseen_nodes", True, case.where, len(wrong), message, examples)
            )
    return found
