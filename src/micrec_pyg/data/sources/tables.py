"""A data set in the own-catalogue format already (``docs/own_catalogue.md``)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from micrec_pyg.data.catalogue.reader import domain_folders
from micrec_pyg.data.sources.source import OwnFormat, Source


@dataclass(frozen=True, kw_only=True)
class Tables(Source):
    """A folder with one subfolder per domain."""

    path: str
    columns: Mapping[str, str] | None
    """{user, item, rating, timestamp, order, x_label: name of the column} where the
    tables use other names; None takes these and guesses the rest."""

    def convert(self, domains: Sequence[str] | None) -> OwnFormat:
        """Return the folder as it is."""
        return OwnFormat(folder=self._folder, columns=self.columns, tell_unread=True)

    def check_files(self, domains: Sequence[str] | None) -> None:
        """Refuse a folder without the wanted domains."""
        domain_folders(self._folder, domains)

    @property
    def _folder(self) -> Path:
        return Path(self.path).expanduser()
