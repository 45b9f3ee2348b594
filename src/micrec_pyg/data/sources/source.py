"""What a source of data is: files of some layout, turned into the own format."""

import dataclasses
import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from micrec_pyg.data.catalogue.reader import read_tables
from micrec_pyg.data.catalogue.reading_options import ReadingOptions
from micrec_pyg.schema import DomainCatalogue, InputError, OtherDomain

log = logging.getLogger(__name__)

YOUNGER: Mapping[str, Any] = {"only": None}
"""Options that the settings of earlier runs lack, and the value they had."""


@dataclass(frozen=True, kw_only=True)
class OwnFormat:
    """Files in the own-catalogue format, and what is known about where they are from.

    ``origin`` and ``dropped`` are by the name of a domain's folder.
    """

    folder: Path
    """Has one subfolder per domain."""
    domains: Sequence[str] | None = None
    """The subfolders to read, in this order; None reads all."""
    columns: Mapping[str, str] | None = None
    """Names of columns where they are not ours, see ``read_tables``."""
    has_text: bool = True
    """Without texts the option ``text_fields`` has no effect."""
    links_in: Path | None = None
    """Folder in which the paths of link tables begin; None: ``folder``."""
    origin: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """sha256 of the files that were converted, by their names."""
    dropped: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """How much the conversion left out, by reason."""
    tell_unread: bool = False
    """Whether the folder is the user's own, so that what is not read there is named."""
    notes: Sequence[str] = ()
    """What was not taken of the files and of their folder, and why, for the log at
    every reading."""


class Source(ABC):
    """A layout of files. A subclass is a dataclass whose fields are its own options.

    ``conf/data/<name>.yaml`` holds these fields and, by ``_reading.yaml``, those of
    ``ReadingOptions``, side by side; its ``_target_`` is ``<subclass>.read``.
    """

    @abstractmethod
    def convert(self, domains: Sequence[str] | None) -> OwnFormat:
        """Return the files in the own-catalogue format, converted if they must be.

        Args:
            domains: which domains are wanted; None wants all.

        Raises:
            InputError: a file is missing or cannot be read, or an option does not fit.
        """

    def check_files(self, domains: Sequence[str] | None) -> None:  # noqa: B027
        """Refuse files that the user has to provide and that are not there.

        No file is opened and none is fetched. A source without such files has nothing
        to check.

        Args:
            domains: which domains are wanted; None wants all.

        Raises:
            InputError: what ``convert`` would say.
        """

    @classmethod
    def read(cls, **settings: Any) -> dict[str, DomainCatalogue]:
        """Return the catalogues by the name of the domain.

        Args:
            settings: the fields of the source and those of ``ReadingOptions``, all.

        Raises:
            InputError: files cannot be had or read, or an option does not fit.
        """
        return read(*cls.parse(**settings))

    @classmethod
    def parse(cls, **settings: Any) -> tuple["Source", ReadingOptions]:
        """Return the source and how it is read; no file is opened.

        Args:
            settings: as for ``read``.

        Raises:
            InputError: an option is impossible.
        """
        shared = {each.name for each in dataclasses.fields(ReadingOptions)}
        options = {name: settings.pop(name) for name in shared & settings.keys()}
        options = {**YOUNGER, **options}
        return cls(**settings), ReadingOptions(**options)


def read(source: Source, options: ReadingOptions) -> dict[str, DomainCatalogue]:
    """Return the catalogues of a source; each names the files it was converted from.

    Raises:
        InputError: files cannot be had or read, or an option does not fit.
    """
    files = source.convert(options.domains)
    for note in files.notes:
        log.warning("%s", note)
    changed: dict[str, Any] = {}
    if options.domains is None:
        changed["domains"] = files.domains
    if not files.has_text:
        changed["text_fields"] = []
    catalogues = read_tables(
        files.folder,
        dataclasses.replace(options, **changed),
        columns=files.columns,
        links_in=files.links_in,
        tell_unread=files.tell_unread,
    )
    names = _chosen(list(catalogues), options.only)
    chosen = {name: _with_origin(catalogues[name], files) for name in names}
    return _with_others(chosen, catalogues)


def _chosen(found: Sequence[str], only: Sequence[str] | None) -> Sequence[str]:
    """Return the domains that a run is on.

    Raises:
        InputError: One of those that are wanted is not there, or none is wanted.
    """
    if only is None:
        return found
    if not only or not {*only} <= {*found}:
        raise InputError(f"only={list(only)}: give some of {', '.join(found)}")
    return [name for name in found if name in only]


def _with_others(
    chosen: Mapping[str, DomainCatalogue], every: Mapping[str, DomainCatalogue]
) -> dict[str, DomainCatalogue]:
    """Return catalogues that also know the facts of the domains that are left out."""
    others = {
        name: OtherDomain(each.digest, each.facts)
        for name, each in every.items()
        if name not in chosen
    }
    return {
        name: each if each.facts is None else dataclasses.replace(each, others=others)
        for name, each in chosen.items()
    }


def _with_origin(catalogue: DomainCatalogue, files: OwnFormat) -> DomainCatalogue:
    """Return a catalogue that also says where its files are from."""
    # a domain of another name is a part of a folder: it may be from any of the files
    every = {name: sha for each in files.origin.values() for name, sha in each.items()}
    dropped = files.dropped.get(catalogue.name, {})
    if found := {reason: count for reason, count in dropped.items() if count}:
        log.info("domain %s: left out by the conversion: %s", catalogue.name, found)
    return dataclasses.replace(
        catalogue,
        dropped={**dropped, **catalogue.dropped},
        sources={**files.origin.get(catalogue.name, every), **catalogue.sources},
    )
