"""Which raw files of an Amazon release are wanted, and where they lie or come from."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from micrec_pyg.data.download.fetch import Remote, fetch_all
from micrec_pyg.schema import InputError

log = logging.getLogger(__name__)

METADATA = "metadata"


@dataclass(frozen=True)
class RawFiles:
    """The raw files of one domain."""

    interactions: Path
    metadata: Path | None


@dataclass(frozen=True, kw_only=True)
class AmazonFiles:
    """Which raw files of a release are wanted; keys of ``conf/data/amazon*.yaml``."""

    root: str
    """Data folder; downloads lie in ``<root>/raw/amazon<release>``."""
    path: str | None
    """Folder with the raw files; None downloads what is missing."""
    base_url: str
    """What stands before the names of ``files`` on the web."""
    release: str
    pair: str | Sequence[str] | None
    """A name of ``pairs``, or two or more categories."""
    pairs: Mapping[str, Mapping[str, str]]
    """Name -> {domain: category}."""
    files: Mapping[str, str]
    """Kind -> name with ``{category}``; the kind metadata and kinds of reviews."""
    source: str | None
    """Kind of reviews; None takes the one that lies in ``path``, else the first."""
    metadata: bool
    """Whether text and images are wanted."""
    sha256: Mapping[str, str]
    """Name of a file -> its checksum, where it is known."""

    @property
    def folder(self) -> Path:
        """Return the folder of the raw files."""
        if self.path is not None:
            return Path(self.path).expanduser()
        return Path(self.root).expanduser() / "raw" / f"amazon{self.release}"

    def categories(self) -> dict[str, str]:
        """Return {domain: category}.

        Raises:
            InputError: there is no such pair, or it is none.
        """
        if isinstance(self.pair, str):
            if self.pair not in self.pairs:
                raise self._no_pair()
            return dict(self.pairs[self.pair])
        names = list(self.pair or [])
        if not names or not all(isinstance(n, str) and _is_name(n) for n in names):
            raise self._no_pair()
        if len(set(names)) < len(names):
            raise InputError(f"pair={names}: a category stands there twice")
        return {name: name for name in names}

    def remotes(self) -> list[Remote]:
        """Return the files that a download fetches, also those that are there.

        Raises:
            InputError: an option cannot be used.
        """
        kinds = [self._kind(), *([METADATA] if self.metadata else [])]
        return [
            self._remote(kind, category)
            for category in self.categories().values()
            for kind in kinds
        ]

    def raw_files(self) -> dict[str, RawFiles]:
        """Return the raw files of every domain; missing ones are downloaded first.

        Raises:
            InputError: files are missing or ambiguous in ``path``, or cannot be had.
        """
        categories = self.categories()
        if self.path is None:
            fetch_all(self.remotes())
        elif not self.folder.is_dir():
            raise InputError(
                f"{self.folder}: no such folder; give data.path=<folder of the raw "
                "files>, or data.path=null to download them"
            )
        return {domain: self._find(name) for domain, name in categories.items()}

    def _find(self, category: str) -> RawFiles:
        """Return the files of one category that lie in the folder."""
        kinds = self._kinds() if self.source is None else [self._kind()]
        if self.path is None:
            kinds = [self._kind()]
        found = {kind: self._lying(kind, category) for kind in kinds}
        files = {path for path in found.values() if path is not None}
        if not files:
            names = [Path(self._name(kind, category)).name for kind in kinds]
            raise InputError(
                f"{self.folder}: no reviews of {category} there; needed: "
                f"{' or '.join(names)}, with or without .gz"
            )
        if len(files) > 1:
            shown = ", ".join(f"{k} ({p.name})" for k, p in found.items() if p)
            raise InputError(
                f"{self.folder}: found several reviews of {category}: {shown}; choose "
                "one with data.source="
            )
        items = self._lying(METADATA, category) if self.metadata else None
        if self.metadata and items is None:
            name = Path(self._name(METADATA, category)).name
            raise InputError(
                f"{self.folder}: no metadata of {category} there; needed: {name}, with "
                "or without .gz; or data.metadata=false to go without text and images"
            )
        return RawFiles(files.pop(), items)

    def _lying(self, kind: str, category: str) -> Path | None:
        """Return a file that lies there, by its full or last name, .gz or not."""
        name = self._name(kind, category)
        for each in (name, Path(name).name):
            other = each.removesuffix(".gz") if each.endswith(".gz") else f"{each}.gz"
            for path in (self.folder / each, self.folder / other):
                if path.is_file():
                    return path
        return None

    def _remote(self, kind: str, category: str) -> Remote:
        name = self._name(kind, category)
        url = f"{self.base_url.rstrip('/')}/{name}"
        return Remote(url, self.folder / name, self.sha256.get(name))

    def pinned(self, path: Path) -> str | None:
        """Return the known checksum of a raw file."""
        known = {self.folder / name: digest for name, digest in self.sha256.items()}
        return known.get(path)

    def _name(self, kind: str, category: str) -> str:
        return self.files[kind].replace("{category}", category)

    def _kinds(self) -> list[str]:
        return [kind for kind in self.files if kind != METADATA]

    def _kind(self) -> str:
        """Return the chosen kind of reviews."""
        if self.source is None:
            return self._kinds()[0]
        if self.source not in self._kinds():
            raise InputError(
                f"data.source={self.source} is unknown; valid: "
                f"{', '.join(self._kinds())}"
            )
        return self.source

    def _no_pair(self) -> InputError:
        return InputError(
            f"pair={self.pair}: give one of {', '.join(self.pairs)}, or categories of "
            f"amazon{self.release} as pair=[Books,Movies_and_TV]"
        )


def _is_name(name: str) -> bool:
    """Return whether a category can be part of a file's name."""
    return name.replace("_", "").isalnum()
