"""The tables of a journal, and those that journals of earlier versions lack."""

import json
import secrets
import sqlite3
from collections.abc import Mapping

from micrec_pyg.serve.additions import Spaces
from micrec_pyg.serve.database import transaction

FORMAT = 1
TABLES = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE item (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL,
    domain TEXT NOT NULL, item TEXT NOT NULL, text TEXT,
    file TEXT NOT NULL, place INTEGER NOT NULL, UNIQUE (domain, item)
) STRICT;
CREATE TABLE interaction (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL,
    domain TEXT NOT NULL, user TEXT NOT NULL, item TEXT NOT NULL,
    UNIQUE (domain, user, item)
) STRICT;
CREATE TABLE removed (
    kind TEXT NOT NULL, domain TEXT NOT NULL, digest TEXT NOT NULL,
    PRIMARY KEY (kind, domain, digest)
) STRICT;
"""
LATER = """
ALTER TABLE item ADD COLUMN artefact TEXT;
CREATE TABLE space (
    artefact TEXT NOT NULL, domain TEXT NOT NULL, content TEXT NOT NULL,
    PRIMARY KEY (artefact, domain)
) STRICT;
"""
"""What earlier versions of this format lack, and do not mind."""


def prepare(base: sqlite3.Connection, digest: str) -> None:
    """Make the tables that are not there, all or none.

    Args:
        base: A journal, or an empty file.
        digest: Of the artefact that a new journal belongs to.
    """
    made = base.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if made == (0,):
        about = {"format": FORMAT, "artefact": digest, "salt": secrets.token_hex()}
        with transaction(base, "IMMEDIATE"):
            for statement in TABLES.split(";"):
                base.execute(statement)
            base.executemany(
                "INSERT INTO about VALUES (?, ?)",
                [(key, str(value)) for key, value in about.items()],
            )
    form = base.execute("SELECT value FROM about WHERE key = 'format'").fetchone()
    if form == (str(FORMAT),) and not has_spaces(base):
        with transaction(base, "IMMEDIATE"):
            for statement in LATER.split(";"):
                base.execute(statement)


def has_spaces(base: sqlite3.Connection) -> bool:
    """Return whether a journal knows of which artefact its vectors are."""
    found = base.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'space'")
    return bool(found.fetchone() == (1,))


def read_spaces(base: sqlite3.Connection) -> dict[tuple[str, str], Spaces]:
    """Return the spaces of vectors by artefact and domain."""
    if not has_spaces(base):
        return {}
    rows = base.execute("SELECT artefact, domain, content FROM space")
    return {(artefact, domain): json.loads(text) for artefact, domain, text in rows}


def write_spaces(
    base: sqlite3.Connection, digest: str, spaces: Mapping[str, Spaces]
) -> None:
    """Write the spaces of an artefact; those that no item is of are deleted.

    Args:
        base: A journal, in a transaction.
        digest: Of the artefact.
        spaces: By domain.
    """
    base.execute(
        "DELETE FROM space WHERE artefact NOT IN "
        "(SELECT artefact FROM item WHERE artefact IS NOT NULL)"
    )
    base.executemany(
        "INSERT OR REPLACE INTO space VALUES (?, ?, ?)",
        [(digest, domain, json.dumps(each)) for domain, each in spaces.items()],
    )
