"""The journal: additions and removals that outlive the process.

SQLite in WAL mode; a commit has reached the disk (``synchronous=FULL``). Vectors of
new items lie beside it as safetensors, each file written whole before the rows that
name it are committed. Removed rows are overwritten with zeros (``secure_delete``) and
the file is written anew without them. What of that fails is tried again later.
"""

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path

import polars as pl

from micrec_pyg.schema import InputError, StorageError
from micrec_pyg.serve.additions import (
    ITEM,
    USER,
    Additions,
    NewItems,
    Spaces,
    id_digest,
)
from micrec_pyg.serve.database import (
    SECONDS,
    check,
    compact,
    connect,
    empty_log,
    patience,
    told,
    transaction,
)
from micrec_pyg.serve.lock import lock
from micrec_pyg.serve.tables import (
    FORMAT,
    has_spaces,
    prepare,
    read_spaces,
    write_spaces,
)
from micrec_pyg.serve.vectors import Vectors

logger = logging.getLogger(__name__)

FILE = "journal.sqlite"


class Journal:
    """What was added to one artefact; only one thread may write at a time."""

    def __init__(self, folder: Path, digest: str, *, writable: bool) -> None:
        """Open the journal of a folder; ``writable`` makes it if it is not there.

        Args:
            folder: Of the journal and its vectors.
            digest: Of the artefact that a new journal belongs to.
            writable: Whether it is made and written, by no other process meanwhile.

        Raises:
            InputError: Another process writes there.
            DamagedFileError: The file is no journal, or a damaged one.
            StorageError: The disk refuses.
        """
        self.path = folder / FILE
        self._vectors = Vectors(folder)
        self._traces: list[Callable[[], None]] = []
        with ExitStack() as undo:
            if writable:
                undo.callback(os.close, lock(folder))
            with told(self.path):
                self._base = connect(self.path, "rwc" if writable else "ro")
                undo.callback(self._base.close)
                check(self._base, self.path)
                if writable:
                    prepare(self._base, digest)
                self._about: dict[str, str] = dict(
                    self._base.execute("SELECT key, value FROM about")
                )
            if self._about.get("format") != str(FORMAT):
                raise InputError(
                    f"{self.path}: format {self._about.get('format')} was found, this "
                    f"version reads {FORMAT}; use the version that wrote it"
                )
            self.digest = str(self._about["artefact"])
            """Of the artefact that the rows belong to."""
            if writable:
                # what a kill left there may hold rows that were removed
                self._traces = [self._drop_vectors, self._empty_log]
                try:
                    self.clean(seconds=SECONDS)
                except StorageError as error:
                    logger.warning("traces of what was removed may be left (%s)", error)
            self._close = undo.pop_all()

    def read(self) -> Additions:
        """Return everything that is in it.

        Raises:
            DamagedFileError: Rows or vectors are not what was written.
        """
        with told(self.path), transaction(self._base, "DEFERRED") as base:
            removed = base.execute("SELECT kind, domain, digest FROM removed")
            return Additions(
                removed=frozenset(removed.fetchall()),
                salt=self._about["salt"],
                items=self._items(base),
                interactions=self._interactions(base),
                spaces=read_spaces(base),
            )

    def add(
        self,
        domain: str,
        *,
        items: NewItems | None = None,
        interactions: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Write additions to a domain; they are on the disk when this returns.

        Args:
            domain: Name.
            items: New ones, with vectors of the artefact that the rows belong to.
            interactions: (user, item) pairs; those that are there change nothing.

        Raises:
            StorageError: The disk refuses; nothing is written.
        """
        now = int(time.time())
        with told(self.path):
            file = None if items is None else self._vectors.write(items.features)
            with transaction(self._base, "IMMEDIATE") as base:
                if items is not None:
                    rows = zip(items.item, items.text, strict=True)
                    base.executemany(
                        "INSERT INTO item "
                        "(time, domain, item, text, file, place, artefact) "
                        "VALUES (?, ?, ?, ?, ?, ?, ?)",
                        [
                            (now, domain, *row, file, n, self.digest)
                            for n, row in enumerate(rows)
                        ],
                    )
                base.executemany(
                    "INSERT OR IGNORE INTO interaction (time, domain, user, item) "
                    "VALUES (?, ?, ?, ?)",
                    [(now, domain, *pair) for pair in interactions],
                )

    def remove(
        self, users: Mapping[str, Sequence[str]], items: Mapping[str, Sequence[str]]
    ) -> None:
        """Delete all rows of some users and items; of each a digest stays.

        Traces are in the files until ``clean`` has come to its end.

        Args:
            users: Raw ids by domain.
            items: Likewise.

        Raises:
            StorageError: The disk refuses; nothing is removed.
        """
        salt = self._about["salt"]
        with told(self.path):
            with transaction(self._base, "IMMEDIATE") as base:
                for kind, ids in ((USER, users), (ITEM, items)):
                    rows = [(name, raw) for name, some in ids.items() for raw in some]
                    base.executemany(
                        f"DELETE FROM interaction WHERE domain = ? AND {kind} = ?", rows
                    )
                    base.executemany(
                        "INSERT OR IGNORE INTO removed VALUES (?, ?, ?)",
                        [(kind, d, id_digest(salt, kind, d, raw)) for d, raw in rows],
                    )
                    if kind == ITEM:
                        self._drop_items(base, rows)
        self._traces = [self._compact, self._drop_vectors, self._empty_log]

    def clean(self, *, seconds: float) -> bool:
        """Take the traces of what was removed out of all files.

        Args:
            seconds: For which another process that reads is waited for.

        Returns:
            Whether there were any.

        Raises:
            StorageError: Some are left; call again later.
        """
        there = bool(self._traces)
        while self._traces:
            with told(self.path), patience(self._base, seconds):
                self._traces[0]()
            del self._traces[0]
        return there

    def bind(
        self,
        digest: str,
        spaces: Mapping[str, Spaces],
        anew: Mapping[str, Sequence[NewItems]],
    ) -> None:
        """Let the rows belong to another artefact from now on.

        Args:
            digest: Of it.
            spaces: Of its vectors, by domain.
            anew: Items whose vectors take the place of those that are there.
        """
        with told(self.path):
            parts = [
                (domain, part, self._vectors.write(part.features))
                for domain, some in anew.items()
                for part in some
            ]
            with transaction(self._base, "IMMEDIATE") as base:
                base.execute(
                    "UPDATE about SET value = ? WHERE key = 'artefact'", (digest,)
                )
                base.execute(
                    "UPDATE item SET artefact = ? WHERE artefact IS NULL", (digest,)
                )
                for domain, part, file in parts:
                    base.executemany(
                        "UPDATE item SET file = ?, place = ?, artefact = ? "
                        "WHERE domain = ? AND item = ?",
                        [(file, n, digest, domain, i) for n, i in enumerate(part.item)],
                    )
                write_spaces(base, digest, spaces)
        self.digest = digest

    def close(self) -> None:
        """Close the file, in which everything is already, and end the lock."""
        self._close.close()

    def _compact(self) -> None:
        compact(self._base)

    def _empty_log(self) -> None:
        empty_log(self._base, self.path)

    def _drop_vectors(self) -> None:
        self._vectors.keep_only(self._files())

    def _files(self) -> set[str]:
        return {name for (name,) in self._base.execute("SELECT file FROM item")}

    def _items(self, base: sqlite3.Connection) -> dict[str, list[NewItems]]:
        of = "artefact" if has_spaces(base) else "NULL"
        rows = base.execute(
            f"SELECT domain, file, {of}, item, text, place FROM item ORDER BY seq"
        )
        found: dict[str, list[NewItems]] = {}
        for (domain, file, artefact), group in groupby(rows, key=lambda row: row[:3]):
            _, _, _, item, text, place = zip(*group, strict=True)
            vectors = self._vectors.read(file, place)
            part = NewItems(item, text, vectors, artefact or self.digest)
            found.setdefault(domain, []).append(part)
        return found

    def _interactions(self, base: sqlite3.Connection) -> dict[str, pl.DataFrame]:
        rows = base.execute("SELECT domain, user, item FROM interaction ORDER BY seq")
        schema = {"domain": pl.String, "user": pl.String, "item": pl.String}
        table = pl.DataFrame(rows.fetchall(), schema=schema, orient="row")
        parts = table.partition_by("domain", as_dict=True, include_key=False)
        return {str(domain): part for (domain,), part in parts.items()}

    def _drop_items(
        self, base: sqlite3.Connection, rows: Sequence[tuple[str, str]]
    ) -> None:
        """Delete items, and write the files that had their vectors without them."""
        files = set()
        for row in rows:
            found = base.execute(
                "SELECT file FROM item WHERE domain = ? AND item = ?", row
            )
            files |= {name for (name,) in found}
        base.executemany("DELETE FROM item WHERE domain = ? AND item = ?", rows)
        for old in sorted(files):
            left = base.execute(
                "SELECT seq, place FROM item WHERE file = ? ORDER BY seq", (old,)
            ).fetchall()
            if left:
                kept = self._vectors.read(old, [place for _, place in left])
                new = self._vectors.write(kept)
                base.executemany(
                    "UPDATE item SET file = ?, place = ? WHERE seq = ?",
                    [(new, place, seq) for place, (seq, _) in enumerate(left)],
                )
