"""How a folder in the own-catalogue format is read; ``conf/data/_reading.yaml``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from micrec_pyg.data.catalogue.divide_items import ItemSplit, read_item_split
from micrec_pyg.data.catalogue.filter_options import Filters, read_filters
from micrec_pyg.data.files.columns import check_texts


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """The options that every source of data has, whatever its files look like.

    Raises:
        InputError: A value is impossible.
    """

    domains: Sequence[str] | None
    """Which domains to read; None reads all, in alphabetical order."""
    text_fields: Sequence[str] | None
    """Columns of the items table that make an item's text, joined in this order; None
    takes all text columns in file order, [] takes none."""
    text_sep: str
    """What stands between two fields; empty fields are left out."""
    rating_min: int | float | None
    """Least rating that counts as an interaction; None keeps all and needs no rating
    column."""
    duplicates: str
    """Which row of a repeated (user, item) pair stays: ``first``, ``last`` (by time,
    then by place in the file), or ``error``."""
    filters: Mapping[str, object] | None
    """{time_from, time_to, min_text, user_core, item_core, core_of, users}, see
    ``filters``; None filters nothing."""
    links: Sequence[str] | None
    """Tables that say which users of two domains are one person, see ``link_users``;
    None: those with the same id."""
    split_by: Mapping[str, object] | None
    """{field, sep, domains: {name: [values] or None}} divides the items of every folder
    into several domains by a column (see ``ItemSplit``); None divides nothing."""
    only: Sequence[str] | None
    """The domains that a run is on, of those that were read, divided and filtered;
    None: all. Each is the same as with the others."""

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_texts(text_sep=[self.text_sep])
        check_texts(
            domains=self.domains,
            only=self.only,
            text_fields=self.text_fields,
            links=self.links,
        )
        self.key()  # reads filters and split_by: refused here, before any file is read

    @cached_property
    def chosen(self) -> Filters:
        """Return what stays of the interactions and items."""
        return read_filters(
            self.filters, rating_min=self.rating_min, duplicates=self.duplicates
        )

    @cached_property
    def division(self) -> ItemSplit | None:
        """Return how the items of a folder become several domains."""
        return None if self.split_by is None else read_item_split(self.split_by)

    def key(self) -> dict[str, object]:
        """Return all that decides the result, for a digest and a data card.

        ``domains`` and ``only`` are not in it: each catalogue has a digest of its own.
        """
        fields, links = self.text_fields, self.links
        return {
            "text_fields": None if fields is None else list(fields),
            "text_sep": self.text_sep,
            **self.chosen.key(),
            "links": None if links is None else [Path(link).name for link in links],
            # a list, not a mapping: the order of the domains has a meaning here
            "split_by": None if self.division is None else self.division.key(),
        }
