"""Users of several domains made one person by link tables instead of equal ids."""

import itertools
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from micrec_pyg.data.files.cells import ids
from micrec_pyg.data.files.problems import STRICT, Problem, Problems
from micrec_pyg.data.files.table_names import SUFFIXES, stem_of
from micrec_pyg.data.files.tables import ROW, add_cells, read_table
from micrec_pyg.schema import InputError
from micrec_pyg.storage.digests import file_digest

log = logging.getLogger(__name__)

Users = Mapping[str, pl.Series]
"""The user ids of every domain's rows."""


def link_users(
    users: Users, links: Sequence[str], root: Path, problems: Problems = STRICT
) -> tuple[dict[str, pl.Series], dict[str, int], str]:
    """Return the users under common ids, links of unknown users, and a digest.

    With link tables the ids of a domain are its own: two users are one person if a
    table says so, and in no other case. A person has the id of the first of its
    domains in alphabetical order; where another person of an earlier domain has that
    id already, the domain's name and a colon stand before it.

    Args:
        users: what to rename.
        links: tables of two columns, each named as a domain, that hold user ids; a
            path that is not absolute begins at ``root``.
        root: folder of the data set.
        problems: where to note what is wrong; by default it is raised.

    Raises:
        InputError: a table cannot be read, names an unknown domain, or makes two
            users of one domain the same person.
    """
    nodes = pl.concat(
        [
            ids.unique().sort().to_frame("id").select(domain=pl.lit(name), id="id")
            for name, ids in sorted(users.items())
        ]
    ).with_row_index("node")
    edges, strange, digests = [], 0, []
    for path in (root / Path(link).expanduser() for link in links):
        table = _read(path, sorted(users), problems)
        if table is None:
            continue
        ends = [
            table.select(domain=pl.lit(name), id=name).join(
                nodes, on=["domain", "id"], how="left", maintain_order="left"
            )["node"]
            for name in table.columns
        ]
        known = ends[0].is_not_null() & ends[1].is_not_null()
        strange += int((~known).sum())
        edges.append(np.stack([end.filter(known).to_numpy() for end in ends]))
        digests.append(file_digest(path))
    person = _components(np.concatenate([np.zeros((2, 0), int), *edges], 1), len(nodes))
    named = _names(nodes.with_columns(person=pl.Series(person)), root, problems)
    if strange:
        log.info("%s: %d links of users without interactions", root, strange)
    renamed = {
        name: each.to_frame("id")
        .join(
            named.filter(pl.col("domain") == name),
            on="id",
            how="left",
            maintain_order="left",
        )["name"]
        .rename("user")
        for name, each in users.items()
    }
    return renamed, {"links_of_unknown_users": strange}, "".join(digests)


def _read(
    path: Path, domains: Sequence[str], problems: Problems
) -> pl.DataFrame | None:
    """Return a link table: two columns of ids, named as domains."""
    if stem_of(path.name) is None:
        fault = f"a link table must be one of {', '.join(SUFFIXES)}"
        problems.add(Problem(path, fault))
        return None
    table = read_table(path, problems)
    if table is None:
        return None
    names = [name for name in table.columns if name != ROW]
    if len(names) != 2 or not set(names) <= set(domains):
        problems.add(
            Problem(
                path,
                f"the header is {', '.join(names)}, needed: the names of two of the "
                f"domains {', '.join(domains)}",
                "name each column of user ids as its domain",
                place="line 1",
            )
        )
        return None
    columns = [ids(table, name, path, problems) for name in names]
    table = table.with_columns(columns).drop_nulls()
    table = table.unique(names, keep="first", maintain_order=True)
    for name, other in itertools.permutations(names):
        twice = table[name].is_duplicated()
        need = f"a user linked to several users of {other}; one is needed"
        add_cells(table, table[name], twice, path, problems, need=need)
    return table.drop(ROW)


def _components(edges: np.ndarray, count: int) -> np.ndarray:
    """Return for every node the lowest node that it is connected with."""
    lowest = np.arange(count)
    while True:
        before = lowest.copy()
        least = np.minimum(lowest[edges[0]], lowest[edges[1]])
        np.minimum.at(lowest, edges[0], least)
        np.minimum.at(lowest, edges[1], least)
        if (lowest == before).all():
            return lowest


def _names(nodes: pl.DataFrame, root: Path, problems: Problems) -> pl.DataFrame:
    """Return domain, id and name of every user; a person has one name."""
    twice = nodes.filter(pl.struct("domain", "person").is_duplicated())
    if not twice.is_empty():
        one, other = twice.sort("person", "domain").head(2).rows()
        raise_at = Problem(
            root,
            f"the link tables together make '{one[2]}' and '{other[2]}' of "
            f"{one[1]} the same person",
            "correct the links: a person is one user of a domain",
        )
        problems.add(raise_at)
    # nodes are in the order of domains: the lowest node is of the first domain
    heads = nodes.filter(pl.col("node") == pl.col("person")).with_columns(
        name=pl.when(pl.col("id").is_first_distinct())
        .then("id")
        .otherwise(pl.concat_str("domain", pl.lit(":"), "id"))
    )
    if heads["name"].is_duplicated().any():
        name = heads.filter(heads["name"].is_duplicated())["name"][0]
        raise InputError(f"{root}: user '{name}' would be two persons; rename it")
    changed = int((heads["name"] != heads["id"]).sum())
    if changed:
        log.info("%s: %d users get their domain's name before their id", root, changed)
    return nodes.join(heads.select("person", "name"), on="person")
