"""What a user can choose about graphs; ``conf/graph`` holds the values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from micrec_pyg.allowed import Natural, PositiveShare, Seed, Share
from micrec_pyg.graph.templates import METRICS
from micrec_pyg.schema import USER, InputError

NEIGHBORS = ("features", "cooccurrence")
"""What makes two nodes similar: their features, or the edges that they share."""
OVERLAP = ("links", "random_pairs")
"""Whom the contrastive loss takes for one person: who is, or a random pair."""


@dataclass(frozen=True, kw_only=True)
class GraphOptions:
    """Options of every graph of one run.

    Raises:
        InputError: A value is impossible.
    """

    num_neighbors: Natural
    """K, similarity edges per node; 0 leaves them out."""
    max_user_neighbors: Natural | None
    """At most so many of a user, where K is more; None: as of items."""
    w: Share
    """Weight of text in the similarity of text and images; images have 1 - w."""
    modality_weights: Mapping[str, Share]
    """Weights of modalities other than text and image, each in [0, 1], together at
    most 1; what is left is divided between text and images by w."""
    knn_include_self: bool
    """Whether a node is among its own neighbours."""
    knn_lists: Natural
    """Neighbours per node that are computed and cached: the largest K of a sweep."""
    template_ratio: PositiveShare
    """Share of the training users and items that serve as templates, in (0, 1]."""
    template_metric: str
    """How templates are chosen: one of ``templates.METRICS``."""
    seed: Seed
    """Decides ``template_metric: random`` and the controls of the overlap."""
    neighbors: str
    """What makes two nodes neighbours: one of ``NEIGHBORS``."""
    overlap: str
    """How training pairs the users of two domains: one of ``OVERLAP``."""
    overlap_ratio: Share
    """Share of the users of several domains whom training knows as such, in [0, 1]."""
    union: bool
    """Whether the model sees all domains as one graph."""
    cache_dir: str | None
    """Folder of the neighbour lists; None computes them anew every time."""
    ann_from: Natural | None = None
    """Nodes of one kind from which on their neighbours by features are searched
    approximately, with measured recall (docs/scale.md); None always compares every
    pair, as runs of versions without this key did."""
    device: str = "cpu"
    """Where neighbours by features are searched: no choice about the graph, which is
    the same wherever, so the run sets it and not the yaml."""

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        for name, value in (
            ("K", self.num_neighbors),
            ("graph.knn_lists", self.knn_lists),
            ("graph.max_user_neighbors", self.max_user_neighbors or 0),
        ):
            if value < 0:
                raise InputError(f"{name}={value}: give 0 or more neighbours per node")
        if not 0 <= self.w <= 1:
            raise InputError(f"w={self.w}: the weight of text must lie in [0, 1]")
        if not 0 < self.template_ratio <= 1:
            raise InputError(
                f"graph.template_ratio={self.template_ratio}: give a share in (0, 1]; "
                "1 makes every training user and item a template"
            )
        for name, choice, valid in (
            ("graph.template_metric", self.template_metric, METRICS),
            ("neighbors", self.neighbors, NEIGHBORS),
            ("overlap", self.overlap, OVERLAP),
        ):
            if choice not in valid:
                raise InputError(f"{name}={choice}: give one of {', '.join(valid)}")
        self._check_overlap()
        self._check_modality_weights()

    def _check_overlap(self) -> None:
        ratio = self.overlap_ratio
        if not 0 <= ratio <= 1:
            raise InputError(
                f"overlap_ratio={ratio}: give a share in [0, 1]; 1 keeps all links "
                "between the domains, 0 hides them"
            )
        changed = self.overlap != OVERLAP[0] or ratio != 1
        if self.union and changed:
            raise InputError(
                f"graph.union=true with overlap={self.overlap} and overlap_ratio="
                f"{ratio}: the union merges every shared user; give overlap="
                f"{OVERLAP[0]} and overlap_ratio=1, or graph=default"
            )

    def _check_modality_weights(self) -> None:
        for name, weight in self.modality_weights.items():
            if name in ("text", "image"):
                raise InputError(
                    f"graph.modality_weights.{name}={weight}: text and image follow "
                    "from w (w and 1 - w); give w instead"
                )
            if not 0 <= weight <= 1:
                raise InputError(
                    f"graph.modality_weights.{name}={weight}: give a share in [0, 1]"
                )
        if self._rest < 0:
            given = ", ".join(f"{n}: {w}" for n, w in self.modality_weights.items())
            raise InputError(
                f"graph.modality_weights={{{given}}}: together at most 1; what is left "
                "goes to text and images"
            )

    def neighbors_of(self, kind: str) -> int:
        """Return the similarity edges of a node of this kind, user or item."""
        if kind != USER or self.max_user_neighbors is None:
            return self.num_neighbors
        return min(self.num_neighbors, self.max_user_neighbors)

    @property
    def weights(self) -> dict[str, float]:
        """Return the weight of every modality that has one; they sum to 1."""
        rest = self._rest
        return {
            "text": self.w * rest,
            "image": (1 - self.w) * rest,
            **self.modality_weights,
        }

    @property
    def _rest(self) -> float:
        """The share of text and images; rounded, as 0.7 + 0.2 + 0.1 is not 1."""
        return round(1 - math.fsum(self.modality_weights.values()), 9)
