"""The nouns of the project: graph names, the value types that flow, and errors.

Everything else imports this module and this module imports nothing of ours.
The flow is one type in and one type out::

    path -> DomainCatalogue -> Domain -> EdgeSplit -> stages -> Batch -> Embeddings
         -> RankedLists -> per-user metrics
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch_geometric.data import HeteroData

USER = "user"
ITEM = "item"
USER_TEMPLATE = "user_template"
ITEM_TEMPLATE = "item_template"

EdgeType = tuple[str, str, str]
INTERACTS: EdgeType = (USER, "interacts", ITEM)
INTERACTED_BY: EdgeType = (ITEM, "interacted_by", USER)
DESCRIBES_USER: EdgeType = (ITEM_TEMPLATE, "describes", USER)
DESCRIBES_ITEM: EdgeType = (USER_TEMPLATE, "describes", ITEM)
SIMILAR_USER: EdgeType = (USER, "similar", USER)
SIMILAR_ITEM: EdgeType = (ITEM, "similar", ITEM)

TEXT, IMAGE = "text", "image"
"""The two modalities whose content every catalogue has a place for."""

Pair = tuple[str, str]
"""Two domain names, in alphabetical order."""


class InputError(ValueError):
    """What the user gave cannot be used; the message says what to do instead.

    The command line prints it as one sentence and exits with code 2.
    """


class DamagedFileError(InputError):
    """A file that this project wrote is not what it was; the message names it."""


class StorageError(OSError):
    """A disk refuses what is asked of it; the message says what to do about it.

    The command line prints it as one sentence and exits with code 1.
    """


class UnseenNodeError(ValueError):
    """A model was asked about nodes that it cannot represent."""


FEW_IDS = 1024
"""Up to so many are looked up one by one: a join reads the whole vocabulary."""


@dataclass(frozen=True, eq=False)
class Vocab:
    """The raw ids of one node type; a node's index is its place in ``ids``."""

    ids: pl.Series
    """Unique raw ids as strings."""

    def __len__(self) -> int:
        """Return the number of ids."""
        return len(self.ids)

    @cached_property
    def _place(self) -> dict[str, int]:
        return {raw: place for place, raw in enumerate(self.ids.to_list())}

    def index(self, raw: pl.Series) -> Int[Tensor, " n"]:
        """Return the index of each raw id, -1 where it is unknown."""
        if len(raw) <= FEW_IDS:
            few = [self._place.get(i, -1) for i in raw.cast(pl.String).to_list()]
            return torch.tensor(few, dtype=torch.int64)
        places = pl.DataFrame({"id": self.ids}).with_row_index("place")
        asked = pl.DataFrame({"id": raw.cast(pl.String)})
        joined = asked.join(places, on="id", how="left", maintain_order="left")
        return torch.from_numpy(
            joined["place"].cast(pl.Int64).fill_null(-1).to_numpy(writable=True)
        )


@dataclass(frozen=True, eq=False)
class Interactions:
    """Who interacted with what, in one domain; every (user, item) pair is unique."""

    user: Int[Tensor, " edges"]
    """Index into ``users``, int64."""
    item: Int[Tensor, " edges"]
    """Index into ``items``, int64."""
    users: Vocab
    items: Vocab
    """All items of the catalogue, also those nobody interacted with."""
    time: Int[Tensor, " edges"] | None = None
    """Unix seconds, or any increasing order; None where the data has neither."""
    part: Int[Tensor, " edges"] | None = None
    """A split that came with the data (0 train, 1 validation, 2 test)."""

    @property
    def edges(self) -> Int[Tensor, "2 edges"]:
        """Return the pairs as one tensor, users in row 0 and items in row 1."""
        return torch.stack([self.user, self.item])


@dataclass(frozen=True, eq=False)
class Feature:
    """One modality: a vector per item, and which items have one."""

    values: Float[Tensor, "items width"]
    """float32; rows without the modality are zero and must not be read."""
    mask: Bool[Tensor, " items"]
    """True where the item has the modality."""


@dataclass(frozen=True)
class FilterStep:
    """The sizes of a domain after it was read, or after one filter."""

    name: str
    interactions: int
    users: int
    """Users with an interaction."""
    items: int
    """Items of the catalogue, also those without an interaction."""

    def __str__(self) -> str:
        """Return the sizes in words."""
        sizes = f"{self.interactions:,} interactions, {self.users:,} users"
        return f"{sizes}, {self.items:,} items"


@dataclass(frozen=True, eq=False)
class OtherDomain:
    """What counts of a domain that was read, and that the run is not on."""

    digest: str
    """As in ``DomainCatalogue``, likewise the facts."""
    facts: pl.DataFrame | None


@dataclass(frozen=True, eq=False)
class DomainCatalogue:
    """One domain as read from files, before any encoder ran."""

    name: str
    interactions: Interactions
    content: Mapping[str, pl.Series]
    """By modality: a text, or the path of a file, per item (row = item index), null
    where there is none; ``text`` and ``image`` are always there."""
    vectors: Mapping[str, Feature]
    """Precomputed modalities."""
    digest: str
    """sha256 of the input files' content and of every option."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """How many rows each filter dropped, by reason."""
    clock: str | None = None
    """What ``interactions.time`` is: ``timestamp`` (Unix s), ``order``, or None."""
    steps: tuple[FilterStep, ...] = ()
    """Sizes as read and after every filter, in their order."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """sha256 of every file read, by its name in the domain's folder."""
    options: Mapping[str, object] = field(default_factory=dict)
    """The options it was read with."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """What lies in the folders and is not read, by its path there, and why."""
    facts: pl.DataFrame | None = None
    """item (index), relation, entity: distinct triples of a knowledge graph."""
    others: Mapping[str, OtherDomain] = field(default_factory=dict)
    """Where there are facts, by name: the domains that ``data.only`` leaves out. Facts
    are counted over all domains."""


@dataclass(frozen=True, eq=False)
class Domain:
    """One domain, ready for graphs: interactions and encoded item features."""

    name: str
    interactions: Interactions
    features: Mapping[str, Feature]
    """By modality (``text``, ``image``, ...); empty if there is none."""
    digest: str
    """sha256 of the inputs, the encoders and their options."""


def no_edges() -> Int[Tensor, "2 0"]:
    """Return an empty set of edges."""
    return torch.zeros(2, 0, dtype=torch.int64)


@dataclass(frozen=True, eq=False)
class EdgeSplit:
    """The interactions of one domain, divided; disjoint, in vocabulary indices."""

    train: Int[Tensor, "2 _train"]
    """Supervision and message edges of training; both ends are seen nodes."""
    support: Int[Tensor, "2 _support"]
    """Edges known only at the test: what new users and items bring with them."""
    val: Int[Tensor, "2 _val"]
    """For selection; under ``select`` seen those whose two ends are seen nodes."""
    test: Int[Tensor, "2 _test"]
    """Sealed: read by evaluation only."""
    seen_user: Bool[Tensor, " users"]
    """True for users of the training graph."""
    seen_item: Bool[Tensor, " items"]
    """True for items of the training graph."""
    silent: Int[Tensor, "2 _silent"] = field(default_factory=no_edges)
    """Known at inference and so never recommended, but in no graph."""
    val_support: Int[Tensor, "2 _val_support"] = field(default_factory=no_edges)
    """Edges known at validation and at the test, but not in training."""
    select: str = "seen"
    """What validation ranks: ``seen`` nodes on the graph of training, or also ``new``
    ones on a graph that has ``val_support``."""

    @property
    def known_at_validation(self) -> Int[Tensor, "2 _"]:
        """Return the edges on which messages flow at validation."""
        return torch.cat([self.train, self.val_support], dim=1)

    @property
    def known_at_test(self) -> Int[Tensor, "2 _"]:
        """Return the edges on which messages flow at the test."""
        return torch.cat([self.train, self.support, self.val_support], dim=1)


@dataclass(frozen=True, eq=False)
class Task:
    """The part of a stage that concerns one domain; pairs are in rows of ``data``."""

    graph: str
    """Name of the graph that has the domain's nodes, among those of the stage."""
    data: HeteroData
    """The domain's own graph: its nodes, their degrees and their content."""
    known: Int[Tensor, "2 _known"]
    """Pairs that are never recommended."""
    hidden: Int[Tensor, "2 _hidden"]
    """Pairs that a good ranking finds; none in training."""
    user: Int[Tensor, " users"] | None = None
    """The row in ``graph`` of each user of ``data``; None where it is the same."""
    item: Int[Tensor, " items"] | None = None
    """The row in ``graph`` of each item of ``data``; None where it is the same."""
    left_out: frozenset[str] = frozenset()
    """Kinds of nodes whose new ones are missing: the model has no answer for them."""


@dataclass(frozen=True, eq=False)
class TrainStage:
    """What training sees: compact graphs of seen nodes only."""

    graphs: Mapping[str, HeteroData]
    """By name, what the model reads: one per domain, or one of all domains."""
    labels: Mapping[str, Int[Tensor, "2 _"]]
    """Positive pairs per graph, in its rows."""
    overlap: Mapping[Pair, Int[Tensor, "2 _"]]
    """Rows of the users of two graphs who are one ``person`` there."""
    tasks: Mapping[str, Task] = field(default_factory=dict)
    """By domain; the known pairs are its training edges."""
    person: Mapping[str, Int[Tensor, " _"]] = field(default_factory=dict)
    """By domain: the person of every user of its vocabulary, as models are told at
    every stage."""


@dataclass(frozen=True, eq=False)
class RankingStage:
    """Graphs, and what is ranked on them; either for selection or for the test."""

    graphs: Mapping[str, HeteroData]
    """By name, what the model reads."""
    tasks: Mapping[str, Task]
    """By domain."""
    overlap: Mapping[Pair, Int[Tensor, "2 _"]]
    """Rows (of the tasks' data) of the users whom two domains truly share."""


@dataclass(frozen=True, eq=False)
class ValidStage(RankingStage):
    """The task of selection; holds no test edge."""

    rule: str = "seen"
    """What is ranked, the ``select`` of the split."""


@dataclass(frozen=True, eq=False)
class TestStage(RankingStage):
    """The sealed task; a type of its own, so that ``fit`` cannot take it."""

    __test__ = False  # not a pytest class


@dataclass(frozen=True, eq=False)
class Triplets:
    """One supervision batch: ``user`` prefers ``pos`` to ``neg``."""

    user: Int[Tensor, " batch"]
    pos: Int[Tensor, " batch"]
    neg: Int[Tensor, "batch *negatives"]
    """One for each positive, or a row of many."""


@dataclass(frozen=True, eq=False)
class Pool:
    """One supervision batch: ``user`` prefers ``pos`` to items that all share.

    The columns of ``taken`` are the items of ``neg`` and then, where the loss reads
    the positives of the other users too, those of ``pos``.
    """

    user: Int[Tensor, " batch"]
    pos: Int[Tensor, " batch"]
    neg: Int[Tensor, " pool"]
    """Distinct, drawn uniformly."""
    taken: Bool[Tensor, "batch columns"]
    """True where the user prefers the item, so that it is no negative."""
    log_q: Float[Tensor, " batch"]
    """Log of the chance of each positive to be drawn, times the number of items."""


@dataclass(frozen=True, eq=False)
class UserRows:
    """Distinct users, and 1 for every item that each of them prefers, else 0."""

    user: Int[Tensor, " batch"]
    interactions: Float[Tensor, "batch items"]


@dataclass(frozen=True, eq=False)
class Batch:
    """One step's samples; a part that no loss asks for is an empty mapping."""

    triplets: Mapping[str, Triplets] = field(default_factory=dict)
    """Per domain, in graph rows."""
    template_triplets: Mapping[str, Triplets] = field(default_factory=dict)
    """Per domain, in template rows."""
    overlap: Mapping[Pair, Int[Tensor, "2 _"]] = field(default_factory=dict)
    """A sample of shared users per pair of domains, in graph rows."""
    negatives: Mapping[str, Triplets] = field(default_factory=dict)
    """Per domain, in graph rows, with many negatives for each positive."""
    users: Mapping[str, UserRows] = field(default_factory=dict)
    """Per domain, in graph rows."""
    pool: Mapping[str, Pool] = field(default_factory=dict)
    """Per domain, in graph rows; drawn in place of ``triplets`` for a loss that
    compares with many items."""


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Final representations (z) of one domain, of all its nodes or of those asked."""

    user: Float[Tensor, "users dim"]
    item: Float[Tensor, "items dim"]


Score = Callable[[Int[Tensor, " rows"]], Float[Tensor, "rows items"]]
"""User rows of a graph -> the score of every item, in memory that may be changed.

On a CPU several threads call it at once.
"""


@dataclass(frozen=True, eq=False)
class RankedLists:
    """The best k items of each ranked user; of ties, see ``evaluation/rank.py``."""

    user: Int[Tensor, " rows"]
    """Graph rows."""
    item: Int[Tensor, "rows k"]
    """Graph rows, best first; -1 pads where fewer than k items were left."""
    score: Float[Tensor, "rows k"]


@dataclass(frozen=True)
class DomainSize:
    """How many nodes one domain's training graph has; a model's shapes follow."""

    num_users: int
    num_items: int
    num_user_templates: int
    num_item_templates: int
    widths: Mapping[str, int] = field(default_factory=dict)
    """Of the content of items, by modality."""
