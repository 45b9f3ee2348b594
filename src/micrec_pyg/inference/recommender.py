"""The public face of a trained model: questions and additions by raw id."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import Tensor

from micrec_pyg.inference.additions import with_interactions, with_items, without
from micrec_pyg.inference.artefact import read_artefact
from micrec_pyg.inference.content import features_of
from micrec_pyg.inference.domains import check_domain
from micrec_pyg.inference.explain import parts_of, user_rows
from micrec_pyg.inference.links import prepared_as, rows_of_guests
from micrec_pyg.inference.listing import Contents
from micrec_pyg.inference.lists import (
    Wanted,
    as_frame,
    check_exclude_seen,
    check_length,
    lists_of_people,
)
from micrec_pyg.inference.people import (
    History,
    chosen_items,
    item_row,
    known_people,
    new_people,
    places_of,
)
from micrec_pyg.inference.similar import MODEL, similar
from micrec_pyg.inference.tables import id_table, tables_by_domain
from micrec_pyg.inference.world import World, make_world
from micrec_pyg.runs.read import Run
from micrec_pyg.schema import ITEM, USER, Feature, InputError

logger = logging.getLogger(__name__)


class Recommender(Contents):
    """Answers of a trained model by raw id, for known and new people and items.

    Additions are kept in memory: the artefact stays as it is. One thread may add while
    others ask; a question sees everything before an addition or everything after it.
    """

    def recommend(
        self,
        *,
        users: Sequence[str] | pl.Series | None = None,
        history: History | Any = None,
        domain: str | None = None,
        k: int = 20,
        exclude_seen: bool = True,
        items: Sequence[str] | pl.Series | None = None,
    ) -> pl.DataFrame:
        """Return the best items of every person, a row each, best first.

        The columns are user, rank (from 1), item, score, title (the beginning of the
        item's text, null where there is none) and reason: which link of the chain
        answered, ``history``, ``other domain``, ``content`` or ``popularity``
        (docs/serving.md). A person has fewer than k rows where fewer items are left.

        Args:
            users: Raw ids of known users, of this or of another domain.
            history: In their place, people who are known by a history alone: of one,
                raw ids of items by domain, also none; of many, a frame with the
                columns user, item and, if there are several domains, domain.
            domain: Whose items are recommended; None where there is only one.
            k: Length of the lists.
            exclude_seen: Whether items that a person is known to have are left out.
            items: Raw ids of the items to choose from; None: all.

        Raises:
            InputError: An id or a domain is unknown; the message has the nearest. Or
                another argument is impossible.
        """
        world = self._world
        domain = check_domain(world, domain)
        if (users is None) == (history is None):
            raise InputError("recommend: give either users or history")
        k = check_length(k)
        if users is not None:
            people = known_people(world, domain, users)
        else:
            people = new_people(world, history)
        wanted = Wanted(
            domain=domain,
            # a list has no more rows, and k places are made for everybody
            k=min(k, max(1, world.tasks[domain].data[ITEM].num_nodes)),
            exclude_seen=check_exclude_seen(exclude_seen),
            candidates=chosen_items(world, domain, items),
        )
        lists = lists_of_people(world, people, wanted)
        return as_frame(world, domain, people.names, lists)

    def similar_items(
        self, item: str, *, domain: str | None = None, k: int = 20, by: str = MODEL
    ) -> pl.DataFrame:
        """Return the items most like one: rank, item, score, title, reason.

        Args:
            item: Raw id.
            domain: Of the item; None where there is only one.
            k: How many.
            by: ``model``, the cosine of the model's vectors; or ``content``, the
                weighted cosine of the features that the run compares.

        Raises:
            InputError: The item is unknown, or has nothing to compare; or k is below 1.
        """
        world, name = self._world, check_domain(self._world, domain)
        return similar(world, name, item, k=check_length(k), by=by)

    def explain(
        self, user: str | History, item: str, *, domain: str | None = None
    ) -> pl.DataFrame:
        """Return what a score is made of: kind, item, title, contribution.

        The contributions add up to the model's score. A kind is ``history item``,
        ``template item`` (a template that the history brings), ``similar people`` or
        ``the rest``, what the person has without any of these. ``what anybody gets``
        is the only part where the model knows nothing of the person.

        Args:
            user: Raw id of a known user, or a history: raw ids of items by domain.
            item: Raw id.
            domain: Of the item; None where there is only one.

        Raises:
            InputError: An id is unknown; the person has no history in the domain, so
                that another link answers; or the model has no such parts.
        """
        world, name = self._world, check_domain(self._world, domain)
        row = item_row(world, name, item)
        if isinstance(user, Mapping):
            if USER not in world.model.answers:
                raise InputError(
                    f"the model {world.name} has no answer for people it never saw, so "
                    "another link answers a history, and its score has no parts; give "
                    "the id of a user"
                )
            people = new_people(world, user)
            if not int(people.askers.degree(name)[0]):
                raise _no_history("the person", name)
            return parts_of(
                world, name, rows_of_guests(world, name, people.askers), row
            )
        people = known_people(world, name, [user])
        if not len(people.users):
            if USER not in world.model.answers and len(self.history(user)[name]):
                raise InputError(
                    f"user '{user}' has a history in domain {name}, but the model "
                    f"{world.name} has no vector for people it never saw, so another "
                    "link answers, and its score has no parts; recommend says in "
                    "reason which link"
                )
            raise _no_history(f"user '{user}'", name)
        task, place = world.tasks[name], int(people.users[0])
        place = place if task.user is None else int(task.user[place])
        return parts_of(world, name, user_rows(world, name, place), row)

    def add_items(self, items: Any, *, domain: str | None = None) -> None:
        """Add new items, which are recommended by their content from now on.

        Args:
            items: A frame: item (raw id), and any of text and the domain's modalities.
                A column of texts (or of paths of files) is encoded as the run encoded
                its own; a column of lists of numbers is taken as vectors. Then title
                has the text that people see.
            domain: Of the items; None where there is only one.

        Raises:
            InputError: An item is there already, or a column cannot be used.
        """
        world, name = self._world, check_domain(self._world, domain)
        table = id_table(items, "items", ["item"])
        more = prepared_as(world, with_items(world, name, table))
        _log_unheard(more, name, more.rows(name).item[-table.height :])
        self._world = more

    def encode_items(
        self, items: Any, *, domain: str | None = None
    ) -> dict[str, Feature]:
        """Return the vectors that ``add_items`` would give new items, by modality.

        Args:
            items: As for ``add_items``; nothing is added.
            domain: Of the items; None where there is only one.

        Raises:
            InputError: A column cannot be used.
        """
        world, name = self._world, check_domain(self._world, domain)
        return features_of(world, name, id_table(items, "items", ["item"]))

    def add_interactions(self, interactions: Any, *, domain: str | None = None) -> None:
        """Add what known or new users did with known items.

        Args:
            interactions: A frame: user, item (raw ids) and, where there are several
                domains and none is given, domain.
            domain: Of all rows; None: that of the column domain.

        Raises:
            InputError: An item or a domain is unknown, or an id is missing.
        """
        table = id_table(interactions, "interactions", ["user", "item"])
        tables = tables_by_domain(self._world, table, domain)
        world = self._world
        self._world = prepared_as(world, with_interactions(world, tables))

    def remove(
        self,
        *,
        users: Sequence[str] | pl.Series = (),
        items: Sequence[str] | pl.Series = (),
        domain: str | None = None,
    ) -> None:
        """Forget people and items: their interactions, their content and their ids.

        What training learnt from them stays in the weights until the next training.

        Args:
            users: Raw ids; without a domain they leave all of them.
            items: Raw ids, of the domain.
            domain: Name; None where there is only one, or where only users leave.

        Raises:
            InputError: An id or the domain is unknown.
        """
        world = self._world
        names = list(world.domains)
        if len(items) or domain is not None:
            names = [check_domain(world, domain)]
        less = without(
            world,
            places_of(world, names, "users", users),
            places_of(world, names[:1] if len(items) else [], "items", items),
        )
        self._world = prepared_as(world, less)


def _no_history(who: str, domain: str) -> InputError:
    return InputError(
        f"{who} has no history in domain {domain}, so another link than the model's "
        "own answers, and its score has no parts; recommend says in reason which link"
    )


def _log_unheard(world: World, domain: str, rows: Tensor) -> None:
    """Log how many items the model knows nothing of, of some rows; -1 is none."""
    unheard = world.rows(domain).unheard
    if unheard is not None:
        count = int(unheard[rows[rows >= 0]].sum())
        if count:
            logger.warning(
                "domain %s: new items of which the model %s knows nothing are left out "
                "of its lists: %d",
                domain,
                world.name,
                count,
            )


def load(run: Run | Path | str, *, device: str = "cpu") -> Recommender:
    """Return what answers from a finished run, or from its artefact alone.

    Args:
        run: A run, its folder, or the folder of an artefact, wherever it lies.
        device: Where the model computes.

    Raises:
        InputError: There is no artefact, or it is damaged; the file is named.
    """
    path = Path(run.path if isinstance(run, Run) else run)
    with torch.no_grad():
        world = make_world(read_artefact(path), device=device)
    for name in world.domains:
        _log_unheard(world, name, world.rows(name).item)
    return Recommender(world)
