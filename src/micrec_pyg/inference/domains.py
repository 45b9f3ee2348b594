"""Which domain is meant, where one is named and where none is."""

from collections.abc import Collection

import polars as pl

from micrec_pyg.inference.world import World
from micrec_pyg.schema import InputError


def domain_of(names: Collection[str], given: object) -> str:
    """Return the one of some domains that is meant.

    Raises:
        InputError: It is unknown or no text, or none was given and there are several.
    """
    if given is None and len(names) == 1:
        return next(iter(names))
    if not isinstance(given, str) or given not in names:
        what = "no domain was given" if given is None else f"domain {given!r}"
        raise InputError(f"{what}; give one of {', '.join(names)}")
    return given


def check_domain(world: World, domain: object) -> str:
    """Return the domain of a world that is meant; see ``domain_of``."""
    return domain_of(world.domains, domain)


def with_domain(world: World, table: pl.DataFrame) -> pl.DataFrame:
    """Return a table whose rows all name their domain, where there is only one."""
    if len(world.domains) > 1:
        return table
    given = ["domain"] if "domain" in table.columns else []
    only = pl.lit(next(iter(world.domains)))
    return table.with_columns(domain=pl.coalesce(*given, only))
