"""Checks of raw ids: exchanged columns, spellings, and what domains share."""

from collections.abc import Iterator, Mapping
from itertools import combinations

import polars as pl

from micrec_pyg.data.audit.finding import PAIR, Finding, by_domain, examples
from micrec_pyg.schema import DomainCatalogue, EdgeSplit

NUMBER = r"^[0-9]+(\.0)?$"
"""Plain numbers: equal ones in two columns need not mean one thing."""
PRODUCT = r"^(B[0-9A-Z]{9}|[0-9]{9}[0-9X])$"
"""Amazon's item ids; most begin with B."""
REVIEWER = r"^A[0-9A-Z]{11,}$"
"""Amazon's user ids."""
MOST = 0.5
SHARE = 0.05
"""Share of a domain's items that are users elsewhere, from which it is no chance."""


def check_id_columns(table: pl.DataFrame) -> list[Finding]:
    """Return domains or rows in which user and item seem exchanged.

    Ids that are plain numbers say nothing here: users and items may both count on
    from 1. Where there is an items table, ``audit_files`` compares these with it.

    Args:
        table: An ``edge_table``; column ``part`` is not read.
    """
    rows = table.filter(~pl.any_horizontal(pl.col("user", "item").str.contains(NUMBER)))
    found = list(_patterns(table))
    named = {finding.where for finding in found}
    for finding in _exchanged(rows):
        if finding.where not in named:
            found.append(finding)
    return found


def check_domains(
    catalogues: Mapping[str, DomainCatalogue],
    splits: Mapping[str, EdgeSplit],
    table: pl.DataFrame,
) -> list[Finding]:
    """Return pairs of domains without common users, and pairs that share items."""
    found: list[Finding] = []
    for pair in combinations(sorted(splits), 2):
        found += _overlap(pair, catalogues, splits)
    return found + _shared(table, _texts(catalogues))


def check_spelling(
    catalogues: Mapping[str, DomainCatalogue], table: pl.DataFrame
) -> list[Finding]:
    """Return pairs that are equal but for spelling, and copies of known items."""
    plain = table.with_columns(
        u=normal(pl.col("user")), i=normal(pl.col("item"))
    ).filter(pl.struct("domain", "u", "i").is_duplicated())
    # exact repeats have a check of their own
    near = plain.filter(
        pl.struct("user", "item").n_unique().over("domain", "u", "i") > 1
    )
    found = by_domain(
        "near_duplicates",
        near.sort("domain", "u", "i"),
        "pairs occur again with other case, blanks, leading zeros or a trailing .0",
        pl.format("user '{}', item '{}' ({})", "user", "item", "part"),
        error=True,
    )
    return found + list(_copies(table, _texts(catalogues)))


def normal(raw: pl.Expr) -> pl.Expr:
    """Return ids without what export and import tend to change."""
    return (
        raw.str.strip_chars()
        .str.to_lowercase()
        .str.replace(r"\.0$", "")
        .str.strip_chars_start("0")
    )


def _texts(catalogues: Mapping[str, DomainCatalogue]) -> pl.DataFrame:
    """Return domain, item (raw id) and text of every item."""
    return pl.concat(
        [
            pl.DataFrame(
                {"item": c.interactions.items.ids, "text": c.content["text"]}
            ).select(
                pl.lit(name).alias("domain"), "item", pl.col("text").cast(pl.String)
            )
            for name, c in catalogues.items()
        ]
    )


def _patterns(table: pl.DataFrame) -> Iterator[Finding]:
    """Return domains whose users look like Amazon's items."""
    ids = table.group_by("domain", maintain_order=True).agg(
        pl.col("user").unique(maintain_order=True).alias("users"),
        pl.col("item").unique(maintain_order=True).alias("items"),
    )
    for domain, users, items in ids.iter_rows():
        user, item = pl.Series("id", users), pl.Series("id", items)
        product = _share(user, PRODUCT) > MOST >= _share(item, PRODUCT)
        # ten digits alone may be anybody's own numbering
        lettered = (user.str.starts_with("B") & user.str.contains(PRODUCT)).any()
        if product and (lettered or _share(item, REVIEWER) > MOST):
            yield Finding(
                check="swapped_columns",
                error=True,
                where=domain,
                count=len(user),
                message="most users have ids of Amazon's items, and most items do "
                "not: user and item columns are exchanged (the ratings files of 2018 "
                "have the item first)",
                examples=tuple(f"user {raw}" for raw in user.head(3)),
            )


def _exchanged(rows: pl.DataFrame) -> Iterator[Finding]:
    """Return rows, then whole domains, whose ids stand in the other column."""
    users, items = rows["user"].unique(), rows["item"].unique()
    is_item = pl.col("user").is_in(items.implode())
    is_user = pl.col("item").is_in(users.implode())
    yield from by_domain(
        "swapped_columns",
        rows.filter(is_item & is_user),
        "rows name a user that is an item elsewhere, and an item that is a user: "
        "their columns are exchanged",
        PAIR,
        error=True,
    )
    for (domain,), mine in rows.group_by("domain", maintain_order=True):
        others = rows.filter(pl.col("domain") != domain)
        asked = mine.select("item").unique(maintain_order=True)
        strange = asked.filter(pl.col("item").is_in(others["user"].implode()))
        if strange.height > SHARE * asked.height:
            yield Finding(
                check="swapped_columns",
                error=True,
                where=str(domain),
                count=strange.height,
                message=f"of {asked.height} items are users of another domain: user "
                "and item columns of one of the two are exchanged",
                examples=tuple(f"item {raw}" for raw in strange["item"].head(3)),
            )


def _share(ids: pl.Series, pattern: str) -> float:
    return float(ids.str.contains(pattern).sum()) / max(1, len(ids))


def _overlap(
    pair: tuple[str, str],
    catalogues: Mapping[str, DomainCatalogue],
    splits: Mapping[str, EdgeSplit],
) -> Iterator[Finding]:
    """Return a finding if nothing links the two domains in training."""
    a, b = (catalogues[name].interactions.users.ids.rename("id") for name in pair)
    seen_a, seen_b = (pl.Series(splits[name].seen_user.numpy()) for name in pair)
    if a.filter(seen_a).is_in(b.filter(seen_b).implode()).any():
        return
    common = int(a.is_in(b.implode()).sum())
    message = f"all {common} common users are new in training: nothing links the two"
    if not common:
        alike = a.to_frame().select(normal(pl.col("id")).unique())
        near = b.to_frame().select(normal(pl.col("id")).unique())
        possible = alike.join(near, on="id").height
        hint = f"; {possible} would match without case, blanks and zeros"
        message = f"the domains share no user id{hint if possible else ''}"
    yield Finding(
        check="no_overlap",
        error=True,
        where=" + ".join(pair),
        count=1,
        message=message,
        examples=tuple(
            f"{name}: {', '.join(ids.head(3))}"
            for name, ids in zip(pair, (a, b), strict=True)
        ),
    )


def _shared(table: pl.DataFrame, texts: pl.DataFrame) -> list[Finding]:
    """Return items that two domains have, by id and text."""
    edges = table.join(texts, on=["domain", "item"], how="left")
    known = edges.filter(pl.col("part") != "test").select(
        "user", "item", pl.col("domain").alias("other"), pl.col("text").alias("same")
    )
    tests = edges.filter(pl.col("part") == "test")
    both = tests.join(
        known.select("item", "other", "same").unique(), on="item", maintain_order="left"
    ).filter(pl.col("domain") != pl.col("other"))
    both = both.filter(_one_item(pl.col("text"), pl.col("same")))
    leaked = both.join(known, on=["user", "item", "other"], how="semi")
    found = by_domain(
        "cross_domain_pairs",
        leaked,
        "test pairs are known in another domain",
        pl.format("user {}, item {}: known in {}", "user", "item", "other"),
        error=True,
    )
    items = both.unique(["domain", "item"], maintain_order=True)
    return found + by_domain(
        "shared_items",
        items,
        "items with test edges have known edges in another domain; domains are taken "
        "as having different items",
        pl.format("item {}: also in {}", "item", "other"),
        error=False,
    )


def _one_item(one: pl.Expr, other: pl.Expr) -> pl.Expr:
    """Return whether rows of one ``item`` id and two texts mean the same item.

    Equal texts are evidence and different ones counter-evidence. A missing text is
    neither, nor is one that goes on where the other ends: a domain may have fewer
    fields. Then the id decides, unless it is a bare number, which any two domains use.
    """
    apart = one.str.starts_with(other) | other.str.starts_with(one)
    unlike = ~apart.fill_null(True)
    equal = (one == other).fill_null(False)
    return equal | (~unlike & ~pl.col("item").str.contains(NUMBER))


def _copies(table: pl.DataFrame, texts: pl.DataFrame) -> Iterator[Finding]:
    """Return test items whose text the user knows under another id, in any domain.

    Neighbours by text find these, so above one half they decide the result: an error.
    """
    tests = table.filter(pl.col("part") == "test")
    every = dict(tests.group_by("domain").len().iter_rows())
    common = texts.drop_nulls("text").filter(pl.col("text").is_duplicated())
    edges = table.join(common, on=["domain", "item"], maintain_order="left")
    known = edges.filter(pl.col("part") != "test").select(
        "user", "text", pl.col("item").alias("known")
    )
    pairs = edges.filter(pl.col("part") == "test").join(
        known.unique(), on=["user", "text"], maintain_order="left"
    )
    # one id in two domains is a finding of its own
    copied = pairs.filter(pl.col("item") != pl.col("known"))
    copied = copied.unique(["domain", "user", "item"], maintain_order=True)
    for (domain,), rows in copied.group_by("domain", maintain_order=True):
        share = rows.height / every[domain]
        yield Finding(
            check="copied_items",
            error=share > MOST,
            where=str(domain),
            count=rows.height,
            message=f"test edges ({share:.1%}) are of an item whose text the user "
            "knows under another id",
            examples=examples(
                rows,
                pl.format("user {}, item {}: known as {}", "user", "item", "known"),
            ),
        )
