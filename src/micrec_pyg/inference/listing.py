"""What a recommender knows, by raw id."""

from collections.abc import Sequence

import polars as pl
import torch

from micrec_pyg.inference.additions import is_anonymous
from micrec_pyg.inference.domains import check_domain
from micrec_pyg.inference.people import places_of
from micrec_pyg.inference.row_tables import TITLE
from micrec_pyg.inference.world import World
from micrec_pyg.schema import Feature


class Listing:
    """What a recommender knows, by raw id."""

    def __init__(self, world: World) -> None:
        """Stand on a world; ``load`` makes one of an artefact."""
        self._world = world

    @property
    def domains(self) -> list[str]:
        """Return the names of the domains."""
        return list(self._world.domains)

    def users(self, domain: str | None = None) -> pl.Series:
        """Return the raw ids of the users of a domain.

        Args:
            domain: Name; None where there is only one.
        """
        name = check_domain(self._world, domain)
        ids = self._world.domains[name].interactions.users.ids
        return ids.filter(~is_anonymous(ids))

    def items(self, domain: str | None = None) -> pl.Series:
        """Return the raw ids of the items of a domain.

        Args:
            domain: Name; None where there is only one.
        """
        name = check_domain(self._world, domain)
        ids = self._world.domains[name].interactions.items.ids
        return ids.filter(~is_anonymous(ids))

    def titles(self, domain: str | None = None) -> pl.DataFrame:
        """Return every item of a domain with its text: item, title.

        Args:
            domain: Name; None where there is only one.
        """
        world = self._world  # once: an addition may put another in its place
        name = check_domain(world, domain)
        ids = world.domains[name].interactions.items.ids
        texts = world.texts[name].cast(pl.String)
        frame = pl.DataFrame({"item": ids, "title": texts.str.slice(0, TITLE)})
        return frame.filter(~is_anonymous(ids))

    def history(self, user: str) -> dict[str, pl.Series]:
        """Return what is known of a user: by domain, the raw ids of the items.

        Args:
            user: Raw id, known in any domain.

        Raises:
            InputError: The id is unknown everywhere.
        """
        world, known = self._world, {}
        places = places_of(world, list(world.domains), "users", [user])
        for name, place in places.items():
            users, items = world.splits[name].known_at_test
            rows = items[torch.isin(users, place)].sort().values
            known[name] = world.domains[name].interactions.items.ids.gather(
                rows.numpy()
            )
        return known

    def features(
        self, items: Sequence[str] | pl.Series, *, domain: str | None = None
    ) -> dict[str, Feature]:
        """Return the vectors of items by modality, and which items have one.

        Args:
            items: Raw ids.
            domain: Of the items; None where there is only one.

        Raises:
            InputError: An id is unknown.
        """
        world = self._world
        name = check_domain(world, domain)
        rows = places_of(world, [name], "items", items)[name]
        return {
            modality: Feature(feature.values[rows], feature.mask[rows])
            for modality, feature in world.domains[name].features.items()
        }


class Contents(Listing):
    """The pictures of items, by raw id."""

    def has_pictures(self, domain: str | None = None) -> bool:
        """Return whether any item of a domain has a picture.

        Args:
            domain: Name; None where there is only one.
        """
        world = self._world
        pictures = world.pictures[check_domain(world, domain)]
        return pictures.null_count() < len(pictures)

    def picture(self, item: str, *, domain: str | None = None) -> bytes | None:
        """Return a small JPEG of an item, at most 160 pixels wide; None without one.

        Args:
            item: Raw id.
            domain: Of the item; None where there is only one.

        Raises:
            InputError: The item is unknown.
        """
        world = self._world
        name = check_domain(world, domain)
        place = places_of(world, [name], "items", [item])[name]
        found: bytes | None = world.pictures[name][int(place[0])]
        return found
