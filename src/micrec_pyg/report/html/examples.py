"""Examples of lists -> blocks: what a person has, and what the model gives them."""

import base64

import polars as pl

from micrec_pyg.report.html.blocks import Block, Heading, Shelf, Tile

KINDS = {"history": "has, among others", "recommended": "is given"}
"""What stands above the items of a kind."""


def example_blocks(examples: pl.DataFrame) -> list[Block]:
    """Return a heading and two rows of items per person.

    Args:
        examples: domain, user, kind, rank, item, title, score, reason, picture.
    """
    blocks: list[Block] = []
    for (domain, user), rows in examples.group_by(
        "domain", "user", maintain_order=True
    ):
        blocks.append(Heading(f"{domain}, user {user}"))
        blocks += [
            Shelf(words, [_tile(row) for row in found.iter_rows(named=True)])
            for kind, words in KINDS.items()
            if len(found := rows.filter(kind=kind).sort("rank"))
        ]
    return blocks


def _tile(row: dict[str, object]) -> Tile:
    jpeg, title, score = row["picture"], row["title"], row["score"]
    picture = None
    if isinstance(jpeg, bytes):
        picture = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    below = str(row["item"]) if title else ""
    if isinstance(score, float):
        notes = [below, f"score {score:.3g}", f"by {row['reason']}"]
        below = ", ".join(filter(None, notes))
    return Tile(str(title or row["item"]), below, picture)
