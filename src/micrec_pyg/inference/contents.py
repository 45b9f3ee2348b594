"""What people see of the items that a recommender knows."""

from micrec_pyg.inference.listing import Listing
from micrec_pyg.inference.people import check_domain, places_of


class Contents(Listing):
    """The pictures of items, by raw id."""

    def has_pictures(self, domain: str | None = None) -> bool:
        """Return whether any item of a domain has a picture.

        Args:
            domain: Name; None where there is only one.
        """
        pictures = self._world.pictures[check_domain(self._world, domain)]
        return pictures.null_count() < len(pictures)

    def picture(self, item: str, *, domain: str | None = None) -> bytes | None:
        """Return a small JPEG of an item, at most 160 pixels wide; None without one.

        Args:
            item: Raw id.
            domain: Of the item; None where there is only one.

        Raises:
            InputError: The item is unknown.
        """
        name = check_domain(self._world, domain)
        place = places_of(self._world, [name], "items", [item])[name]
        found: bytes | None = self._world.pictures[name][int(place[0])]
        return found
