"""Good data sets in every kind of file, and copies with damaged bytes."""

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

SUFFIXES = ("tsv", "csv", "jsonl", "parquet")
OPTIONS = {
    "domains": None,
    "only": None,
    "columns": None,
    "text_fields": None,
    "text_sep": " ",
    "rating_min": 1,
    "duplicates": "last",
    "filters": None,
    "links": None,
    "split_by": None,
}
ROWS = [
    {
        "user": f"u{k % 5}",
        "item": f"i{k % 7}",
        "rating": 1 + k % 5,
        "timestamp": 1_400_000_000 + 1000 * k,
        "x_label": k % 3,
    }
    for k in range(30)
]
ITEMS = [{"item": f"i{k}", "title": f'Gr\u00fcner, "guter" Tee {k}'} for k in range(7)]


@dataclass(frozen=True)
class Wrong:
    """A data set that must be refused, and what the refusal says."""

    name: str
    files: dict[str, bytes]
    """What lies in the domain's folder ``d`` instead of the good files."""
    fault: str
    """Pattern of the message."""
    options: dict[str, object] = field(default_factory=dict)


def tsv(*lines: str, header: str = "user\titem\trating") -> dict[str, bytes]:
    """Return interactions of these lines."""
    return {"interactions.tsv": "\n".join([header, *lines, ""]).encode()}


def csv(text: str) -> dict[str, bytes]:
    """Return interactions of this text."""
    return {"interactions.csv": text.encode()}


def content(rows: list[dict[str, object]], suffix: str) -> bytes:
    """Return a table as the bytes of one kind of file."""
    frame = pl.DataFrame(rows)
    out = io.BytesIO()
    if suffix == "tsv":
        frame.write_csv(out, separator="\t", quote_style="never")
    elif suffix == "csv":
        frame.write_csv(out)
    elif suffix == "jsonl":
        frame.write_ndjson(out)
    else:
        frame.write_parquet(out)
    return out.getvalue()


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """Write a data set with the domain ``d`` and return its folder."""
    for name, data in files.items():
        path = folder / "d" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def damaged(
    count: int, suffix: str, stem: str, seed: int
) -> Iterator[dict[str, bytes]]:
    """Yield data sets of which one file has random bytes changed."""
    draw = random.Random(f"{seed}/{suffix}/{stem}")
    rows = ROWS if stem == "interactions" else ITEMS
    good = {
        f"interactions.{suffix}": content(ROWS, suffix),
        f"items.{suffix}": content(ITEMS, suffix),
    }
    for _ in range(count):
        broken = bytearray(content(rows, suffix))
        for _ in range(draw.choice([1, 2, 5])):
            _damage(broken, draw)
        yield {**good, f"{stem}.{suffix}": bytes(broken)}


def _damage(data: bytearray, draw: random.Random) -> None:
    """Change, remove, insert, repeat or cut off bytes at a random place."""
    at = draw.randrange(max(1, len(data)))
    end = at + draw.choice([1, 2, 5, 20])
    kind = draw.randrange(6)
    if kind == 0:
        data[at:end] = draw.randbytes(end - at)
    elif kind == 1:
        del data[at:end]
    elif kind == 2:
        data[at:at] = draw.randbytes(end - at)
    elif kind == 3:
        data[at:at] = data[at:end]
    elif kind == 4:
        data[at:at] = draw.choice([b"\n", b"\t", b",", b'"', b"\0", b"\xff", b"{"])
    else:
        del data[at:]
