"""The arithmetic of the synthetic data: tastes, looks and choices, no files."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from micrec_pyg.schema import InputError

TOPICS = {
    "kitchen": "pan kettle knife oven recipe spoon plate baking".split(),
    "garden": "rose seed soil lawn rake hedge tulip compost".split(),
    "music": "guitar violin melody drum concert chord piano song".split(),
    "football": "goal referee striker league stadium penalty coach match".split(),
    "ocean": "whale coral tide sailor reef harbour wave dolphin".split(),
    "space": "rocket planet orbit comet galaxy telescope moon astronaut".split(),
    "winter": "snow ski glacier frost scarf sledge blizzard ice".split(),
    "hospital": "nurse doctor surgery vaccine patient ambulance clinic pill".split(),
}
"""Words by topic; a title draws on the words of its item's topic alone."""

COLORS = ("red", "green", "blue", "yellow", "purple", "orange", "black", "cyan")
"""Names that the drawing library knows."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What shapes the generated data; keys of ``conf/data/synthetic.yaml``.

    Every item has a topic (its title's words), a colour (its image) and a hidden
    group (shown nowhere); the three are independent. Every user likes one topic, one
    colour and one group per domain. For each interaction three coins fall, with the
    probabilities ``text_signal``, ``image_signal`` and ``interaction_signal``: the
    first decides whether the item must be of the user's topic, the second of the
    colour, the third of the group. Among the new items that miss the fewest of these
    demands one is drawn uniformly. So a signal of 1 means that the user never leaves
    the topic (while it has unused items that meet the other demands), and 0 that the
    choice does not depend on it.
    """

    num_domains: int
    """At least 1."""
    num_users: int
    """Per domain."""
    num_items: int
    """Per domain."""
    interactions_per_user: int
    """On average; a user has between half and 1.5 times that."""
    overlap: int | float
    """Share of a domain's users who are in every domain, in [0, 1]."""
    num_topics: int
    """1 to 8."""
    num_colors: int
    """1 to 8."""
    num_groups: int
    """At least 1."""
    text_signal: int | float
    """See above, in [0, 1], as for the other signals."""
    image_signal: int | float
    interaction_signal: int | float
    overlap_signal: int | float
    """Probability that a shared user's topic is the same in all domains, not drawn
    anew in each; likewise the colour, and the group."""
    with_images: bool
    """Whether images are drawn at all."""
    seed: int
    """Of everything."""

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            InputError: a value outside; names the value and the range.
        """
        ranges: dict[str, tuple[float, float]] = {
            "num_topics": (1, len(TOPICS)),
            "num_colors": (1, len(COLORS)),
            "interactions_per_user": (1, 2 * self.num_items // 3),
        }
        for name in ("num_domains", "num_users", "num_items", "num_groups"):
            ranges[name] = (1, float("inf"))
        for name in ("overlap", "text_signal", "image_signal", "interaction_signal"):
            ranges[name] = (0, 1)
        ranges["overlap_signal"] = (0, 1)
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                per_item = name == "interactions_per_user"
                why = f", with num_items={self.num_items}" if per_item else ""
                raise InputError(f"{name}={value}; needed: {low:g} to {high:g}{why}")

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Return how many topics, colours and hidden groups there are."""
        return self.num_topics, self.num_colors, self.num_groups

    @property
    def signals(self) -> Float[Tensor, "3"]:
        """Return how strongly topic, colour and hidden group are followed."""
        order = (self.text_signal, self.image_signal, self.interaction_signal)
        return torch.tensor(order, dtype=torch.float32)

    @property
    def num_shared(self) -> int:
        """Return how many users are in every domain; they come first in each."""
        return round(self.overlap * self.num_users)


def draw_tastes(
    plan: Plan, shared: torch.Generator, own: torch.Generator
) -> Int[Tensor, "users 3"]:
    """Return topic, colour and group that each user of one domain likes.

    ``shared`` must start alike for every domain: it draws the tastes of users in all
    domains, and whether they hold everywhere (probability ``overlap_signal``).
    """
    sizes = torch.tensor(plan.sizes)
    tastes = (torch.rand(plan.num_users, 3, generator=own) * sizes).long()
    base = (torch.rand(plan.num_shared, 3, generator=shared) * sizes).long()
    holds = torch.rand(plan.num_shared, 3, generator=shared) < plan.overlap_signal
    tastes[: plan.num_shared] = torch.where(holds, base, tastes[: plan.num_shared])
    return tastes


def draw_looks(plan: Plan, generator: torch.Generator) -> Int[Tensor, "items 3"]:
    """Return topic, colour and group of each item, every combination equally often.

    Equally often means up to one item, and the combinations are in random order.
    """
    topics, colors, _ = plan.sizes
    place = torch.randperm(plan.num_items, generator=generator)
    look = [place, place // topics, place // (topics * colors)]
    return torch.stack(look, dim=1) % torch.tensor(plan.sizes)


def draw_interactions(
    plan: Plan,
    tastes: Int[Tensor, "users 3"],
    looks: Int[Tensor, "items 3"],
    generator: torch.Generator,
) -> Int[Tensor, "3 edges"]:
    """Return user, item and place in the user's sequence of every interaction."""
    users, items = len(tastes), len(looks)
    misfit = tastes[:, None, :] != looks[None, :, :]
    low, high = -(-plan.interactions_per_user // 2), 3 * plan.interactions_per_user // 2
    length = torch.randint(low, high + 1, (users,), generator=generator)
    everyone = torch.arange(users)
    taken = torch.zeros(users, items, dtype=torch.bool)
    edges = []
    for step in range(int(length.max())):
        asked = torch.rand(users, 3, generator=generator) < plan.signals
        misses = (misfit & asked[:, None, :]).sum(dim=2)
        # whole numbers decide, the fraction draws uniformly among equals
        cost = misses + torch.rand(users, items, generator=generator) * 0.99
        best = cost.masked_fill(taken, float("inf")).argmin(dim=1)
        active = everyone[length > step]
        taken[active, best[active]] = True
        edges.append(torch.stack([active, best[active], torch.full_like(active, step)]))
    return torch.cat(edges, dim=1)


def draw_words(
    topics: Int[Tensor, " items"], count: int, generator: torch.Generator
) -> list[str]:
    """Return a title per item: words of its topic, drawn with repetition."""
    vocabularies = list(TOPICS.values())
    places = torch.randint(
        len(vocabularies[0]), (len(topics), count), generator=generator
    )
    return [
        " ".join(vocabularies[topic][place] for place in row)
        for topic, row in zip(topics.tolist(), places.tolist(), strict=True)
    ]
