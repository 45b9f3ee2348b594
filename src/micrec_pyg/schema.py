"""The nouns of the project: graph names, the value types that flow, and errors.

Everything else imports this module and this module imports nothing of ours.
The flow is one type in and one type out::

    path -> Catalogue -> Domain -> EdgeSplit -> stages -> Batch -> Embeddings
         -> RankedLists -> per-user metrics
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

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


class UnseenNodeError(ValueError):
    """A model was asked about nodes that it cannot represent."""


@dataclass(frozen=True, eq=False)
class Vocab:
    """The raw ids of one node type; a node's index is its place in ``ids``."""

    ids: pl.Series
    """Unique raw ids as strings."""

    def __len__(self) -> int:
        """Return the number of ids."""
        return len(self.ids)

    def index(self, raw: pl.Series) -> Int[Tensor, " n"]:
        """Return the index of each raw id, -1 where it is unknown."""
        places = pl.DataFrame({"id": self.ids}).with_row_index("place")
        asked = pl.DataFrame({"id": raw.cast(pl.String)})
        found = asked.join(places, on="id", how="left", maintain_order="left")
        return torch.from_numpy(
            found["place"].cast(pl.Int64).fill_null(-1).to_numpy(writable=True)
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
class Catalogue:
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
    facts: pl.DataFrame | None = None
    """item (index), relation, entity: distinct triples of a knowledge graph."""


@dataclass(frozen=True, eq=False)
class Domain:
    """One domain, ready for graphs: interactions and encoded item features."""

    name: str
    interactions: Interactions
    features: Mapping[str, Feature]
    """By modality (``text``, ``image``, ...); empty if there is none."""
    digest: str
    """sha256 of the inputs, the encoders and their options."""


@dataclass(frozen=True, eq=False)
class EdgeSplit:
    """The interactions of one domain, divided; disjoint, in vocabulary indices."""

    train: Int[Tensor, "2 _train"]
    """Supervision and message edges of training; both ends are seen nodes."""
    support: Int[Tensor, "2 _support"]
    """Edges known only at inference: what new users and items bring with them."""
    val: Int[Tensor, "2 _val"]
    """For selection; training ranks those whose two ends are seen nodes."""
    test: Int[Tensor, "2 _test"]
    """Sealed: read by evaluation only."""
    seen_user: Bool[Tensor, " users"]
    """True for users of the training graph."""
    seen_item: Bool[Tensor, " items"]
    """True for items of the training graph."""
    silent: Int[Tensor, "2 _silent"] = field(
        default_factory=lambda: torch.zeros(2, 0, dtype=torch.int64)
    )
    """Known at inference and so never recommended, but in no graph."""


@dataclass(frozen=True, eq=False)
class TrainStage:
    """What training sees: compact graphs of seen nodes only."""

    graphs: Mapping[str, HeteroData]
    labels: Mapping[str, Int[Tensor, "2 _"]]
    """Positive pairs per domain, in graph rows."""
    overlap: Mapping[Pair, Int[Tensor, "2 _"]]
    """Graph rows of the users that two domains share."""


@dataclass(frozen=True, eq=False)
class ValidStage:
    """A ranking task for selection; holds no test edge."""

    graphs: Mapping[str, HeteroData]
    known: Mapping[str, Int[Tensor, "2 _"]]
    """Pairs in graph rows that are never recommended."""
    hidden: Mapping[str, Int[Tensor, "2 _"]]
    """Pairs in graph rows that a good ranking finds."""
    overlap: Mapping[Pair, Int[Tensor, "2 _"]]


@dataclass(frozen=True, eq=False)
class TestStage:
    """The sealed ranking task; a type of its own, so that ``fit`` cannot take it."""

    __test__ = False  # not a pytest class

    graphs: Mapping[str, HeteroData]
    known: Mapping[str, Int[Tensor, "2 _"]]
    hidden: Mapping[str, Int[Tensor, "2 _"]]
    overlap: Mapping[Pair, Int[Tensor, "2 _"]]


RankingStage = ValidStage | TestStage


@dataclass(frozen=True, eq=False)
class Triplets:
    """One supervision batch: ``user`` prefers ``pos`` to ``neg``."""

    user: Int[Tensor, " batch"]
    pos: Int[Tensor, " batch"]
    neg: Int[Tensor, " batch"]


@dataclass(frozen=True, eq=False)
class Batch:
    """One step's samples; a part that no loss asks for is an empty mapping."""

    triplets: Mapping[str, Triplets]
    """Per domain, in graph rows."""
    template_triplets: Mapping[str, Triplets]
    """Per domain, in template rows."""
    overlap: Mapping[Pair, Int[Tensor, "2 _"]]
    """A sample of shared users per pair of domains, in graph rows."""


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Final representations (z) of one domain, of all its nodes or of those asked."""

    user: Float[Tensor, "users dim"]
    item: Float[Tensor, "items dim"]


Score = Callable[[Int[Tensor, " rows"]], Float[Tensor, "rows items"]]
"""User rows of a graph -> the score of every item, in memory that may be changed."""


@dataclass(frozen=True, eq=False)
class RankedLists:
    """The best k items of each ranked user, ties broken by item index."""

    user: Int[Tensor, " rows"]
    """Graph rows."""
    item: Int[Tensor, "rows k"]
    """Graph rows, best first; -1 pads where fewer than k items were left."""
    score: Float[Tensor, "rows k"]


class RandomStreams:
    """Independent random generators by name, all derived from one seed.

    A stream depends on the seed and its own name alone: adding a domain or a
    loss never shifts the numbers that another one draws.
    """

    def __init__(self, seed: int, device: str | torch.device = "cpu") -> None:
        """Start with no stream; each is ``made`` when first asked for."""
        self.seed, self.device = seed, torch.device(device)
        self.made: dict[str, torch.Generator] = {}

    def __call__(self, *name: str) -> torch.Generator:
        """Return the generator of this name, the same object every time."""
        key = "/".join(name)
        if key not in self.made:
            digest = hashlib.sha256(f"{self.seed}/{key}".encode()).digest()
            generator = torch.Generator(self.device)
            generator.manual_seed(int.from_bytes(digest[:7], "little"))
            self.made[key] = generator
        return self.made[key]

    def state(self) -> dict[str, Tensor]:
        """Return the state of every stream (bytes), for a checkpoint."""
        return {key: g.get_state() for key, g in self.made.items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Continue every stream from a saved state; what it lacks starts anew."""
        start = RandomStreams(self.seed, self.device)
        for key in {**self.made, **state}:
            name = key.split("/")
            self(*name).set_state(state.get(key, start(*name).get_state()))


@dataclass(frozen=True)
class DomainSize:
    """How many nodes one domain's training graph has; a model's shapes follow."""

    num_users: int
    num_items: int
    num_user_templates: int
    num_item_templates: int
