"""Additions and removals: tried, written to the journal, then seen by everybody.

One thread does it for each artefact. Those that wait and are of one kind are done
together, since each makes the graph of the domain anew. Nobody sees what the journal
does not have: the recommender is replaced after the commit. Traces of what was removed
are taken out of the files after that, and again after later changes where it fails.
"""

import asyncio
import copy
import logging
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, TypeAlias

import polars as pl

from micrec_pyg.inference.recommender import Recommender
from micrec_pyg.schema import DamagedFileError, StorageError
from micrec_pyg.serve import answers
from micrec_pyg.serve.additions import NewItems, check_new, item_tables, warm
from micrec_pyg.serve.batches import Batches
from micrec_pyg.serve.database import SECONDS
from micrec_pyg.serve.errors import FieldError, RefusedError
from micrec_pyg.serve.journal import Journal
from micrec_pyg.serve.questions import AddInteractions, AddItems, Remove
from micrec_pyg.serve.shelf import Served, journal_in, reloaded, tell_again

logger = logging.getLogger(__name__)

TRACES = (
    "it is removed and stays so, but traces are left in the files of the journal; each "
    "later change, and each start, takes them out as soon as it can; the log says why "
    "and when"
)
MOST = 256
"""Requests that are done together."""


class Reload:
    """Ask for the artefact that lies at the same place now."""

    domain = None

    def __init__(self, fresh: Served) -> None:
        """Take the place of the artefact that answers, with what was added to it."""
        self.fresh = fresh


Change: TypeAlias = AddItems | AddInteractions | Remove | Reload


class Writer:
    """The one who changes an artefact that answers."""

    def __init__(self, served: Served) -> None:
        """Change this artefact; only one writer may."""
        self._served = served
        self._queue = Batches[Change, answers.Done](self._answer, most=MOST)
        self._reloading = asyncio.Lock()

    async def do(self, change: AddItems | AddInteractions | Remove) -> answers.Done:
        """Return when a change is on the disk and seen by every later question.

        Raises:
            InputError: It cannot be done; nothing is written.
            StorageError: The disk refuses; nothing is written.
            RefusedError: Something was removed, and traces are left in the files.
        """
        return await self._queue.ask(change)

    async def reload(self) -> None:
        """Return when what lies at the artefact's place now answers, with additions.

        One reload at a time: of two, the later has what lies there later.

        Raises:
            InputError: It cannot be loaded, or what was added does not fit it; the old
                one goes on.
        """
        async with self._reloading:
            fresh = await asyncio.to_thread(reloaded, self._served)
            await self._queue.ask(Reload(fresh))

    def _answer(self, changes: Sequence[Change]) -> list[answers.Done | Exception]:
        def alike(change: Change) -> tuple[Any, ...]:
            alone = None if isinstance(change, AddInteractions) else id(change)
            return (type(change).__name__, change.domain, alone)

        groups = (list(group) for _, group in groupby(changes, alike))
        return [done for group in groups for done in self._group(group)]

    def _group(self, changes: Sequence[Change]) -> Iterator[answers.Done | Exception]:
        """Yield what became of each; one that cannot be done spoils no other."""
        try:
            self._do(changes)
        except Exception as error:  # an unexpected one is no other change's either
            if len(changes) == 1:
                yield error
            else:
                for change in changes:
                    yield from self._group([change])
            return
        for change in changes:
            yield answers.Done(model=self._served.name, rows=_rows(change))

    def _do(self, changes: Sequence[Change]) -> None:
        served, first = self._served, changes[0]
        if isinstance(first, Reload):
            _take_over(served, first.fresh)
            return
        journal, rec = served.journal, copy.copy(served.rec)
        assert journal is not None
        if isinstance(first, AddItems):
            _add_items(rec, journal, served.domain(first.domain), first)
        elif isinstance(first, Remove):
            _remove(rec, journal, served, first)
        else:
            pairs = [
                (each.user, each.item)
                for change in changes
                if isinstance(change, AddInteractions)
                for each in change.interactions
            ]
            domain = served.domain(first.domain)
            table = pl.DataFrame(pairs, schema=["user", "item"], orient="row")
            rec.add_interactions(table, domain=domain)
            warm(rec)
            journal.add(domain, interactions=pairs)
        served.rec = rec
        _clean(served.name, journal, told=isinstance(first, Remove))


def _rows(change: Change) -> int:
    if isinstance(change, AddItems):
        return len(change.items)
    if isinstance(change, AddInteractions):
        return len(change.interactions)
    return len(change.users) + len(change.items) if isinstance(change, Remove) else 0


def _add_items(
    rec: Recommender, journal: Journal, domain: str, change: AddItems
) -> None:
    check_new(rec, domain, change.items)
    texts = {item.item: item.text for item in change.items}
    tables = item_tables(change.items)
    for table in tables:
        rec.add_items(table, domain=domain)
    ids = [raw for table in tables for raw in table["item"]]
    new = NewItems(ids, [texts[i] for i in ids], rec.features(ids, domain=domain))
    warm(rec)
    journal.add(domain, items=new)


def _remove(rec: Recommender, journal: Journal, served: Served, change: Remove) -> None:
    if not (change.users or change.items):
        raise FieldError("users", "give users or items")
    if change.items or change.domain is not None:
        names = [served.domain(change.domain)]
    else:
        names = rec.domains
    rec.remove(users=change.users, items=change.items, domain=change.domain)
    warm(rec)
    items = {names[0]: change.items} if change.items else {}
    journal.remove({name: change.users for name in names}, items)


def _clean(name: str, journal: Journal, *, told: bool) -> None:
    """Take traces of what was removed out of the files; what fails is tried later.

    Args:
        name: Of the artefact.
        journal: Of which the change is on the disk.
        told: Whether a client who removed something is told what is left.

    Raises:
        RefusedError: Traces are left.
    """
    try:
        if journal.clean(seconds=SECONDS if told else 0) and not told:
            logger.info("%s: no traces of what was removed are left", name)
    except (DamagedFileError, StorageError) as error:
        if told:
            logger.warning("%s: traces of what was removed are left (%s)", name, error)
            raise RefusedError(503, TRACES) from error


def _take_over(served: Served, fresh: Served) -> None:
    """Let another artefact answer, with what was added to the one before."""
    if served.journal is None:
        # a process that only reads may have begun before anything was added
        served.journal = journal_in(served.state, served.digest, writable=False)
    if served.journal is None:
        warm(fresh.rec)
    else:
        found, writable = served.journal.read(), served.writable
        tell_again(fresh, served.journal, found, writable=writable)
    served.record, served.digest, served.rec = fresh.record, fresh.digest, fresh.rec
    logger.info("%s: artefact %s answers now", served.name, fresh.digest[:12])
