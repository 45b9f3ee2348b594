"""A data card: where a data set comes from, what was done to it, what it holds."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from micrec_pyg.data.describe.statistics import QUANTILES, measure_catalogues
from micrec_pyg.grid import aligned, markdown
from micrec_pyg.schema import DomainCatalogue


def data_card(catalogues: Mapping[str, DomainCatalogue]) -> str:
    """Return a Markdown page about catalogues as they were read.

    Sizes and degrees, counts after every step, what was dropped, coverage of the
    modalities, overlap, options, the sha256 of every source, and what lies there
    and was not read. No path of the
    machine is in it, so that the page of the same data is the same everywhere.
    """
    numbers = measure_catalogues(catalogues)
    lines = ["# Data card"]
    for title, (head, rows) in _tables(numbers).items():
        lines += ["", f"## {title}", "", *markdown([head, *rows])]
    for name, catalogue in catalogues.items():
        lines += ["", f"## {name}", "", *_origin(catalogue, numbers["domains"][name])]
    left = {name: why for c in catalogues.values() for name, why in c.left_out.items()}
    rows = [[name, why] for name, why in left.items()] or [["nothing", "-"]]
    lines += ["", "## Left out", "", *markdown([["file or folder", "why"], *rows])]
    given = {json.dumps(dict(c.options)): c.options for c in catalogues.values()}
    for options in given.values():
        rows = [[key, f"`{json.dumps(value)}`"] for key, value in options.items()]
        lines += ["", "## Options", "", *markdown([["option", "value"], *rows])]
    return "\n".join(lines) + "\n"


def section(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a further section of a data card: a title and a table."""
    return "\n".join(["", f"## {title}", "", *markdown([head, *rows]), ""])


def summarize(catalogues: Mapping[str, DomainCatalogue]) -> str:
    """Return the sizes, degrees, overlap and coverage as aligned text."""
    lines: list[str] = []
    for title, (head, rows) in _tables(measure_catalogues(catalogues)).items():
        last = rows[-1] if rows else head
        numbers = {place for place, cell in enumerate(last) if _is_number(cell)}
        table = aligned([head, *rows], right=numbers)
        lines += ["", title, *(f"  {line.rstrip()}" for line in table)]
    return "\n".join([*lines[1:], ""])


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").rstrip("%").isdecimal()


Table = tuple[Sequence[str], Sequence[Sequence[str]]]


def _tables(numbers: Mapping[str, Any]) -> dict[str, Table]:
    """Return the tables about all domains, by title."""
    domains = numbers["domains"]
    return {
        "Sizes": _sizes(domains),
        "Interactions per node": _degrees(domains),
        "Shared users": _overlap(numbers),
        "Items with each modality": _coverage(domains),
    }


def _sizes(domains: Mapping[str, Any]) -> Table:
    head = ["domain", "users", "items", "interactions", "density", "time", "digest"]
    rows = []
    for name, each in domains.items():
        counts = [f"{each[key]:,}" for key in ("users", "items", "interactions")]
        density = f"{each['density']:.4%}"
        rows.append([name, *counts, density, span(each), each["digest"][:16]])
    return head, rows


def span(numbers: Mapping[str, Any]) -> str:
    """Return the time span of one domain of ``measure_catalogues`` in words."""
    time = numbers["time"]
    if time["is"] == "timestamp":
        return f"{time['first'][:10]} to {time['last'][:10]}"
    return "order alone" if time["is"] else "none"


def _degrees(domains: Mapping[str, Any]) -> Table:
    rows = [
        [name, node, *_degree(each[f"{node}_degree"])]
        for name, each in domains.items()
        for node in ("user", "item")
    ]
    return ["domain", "node", "mean", *QUANTILES], rows


def _degree(summary: Mapping[str, float]) -> list[str]:
    return [f"{summary['mean']:.1f}", *(f"{summary[name]:,}" for name in QUANTILES)]


def _overlap(numbers: Mapping[str, Any]) -> Table:
    rows = []
    for pair, each in numbers["overlap"].items():
        shares = [f"{v:.1%} {k[6:]}" for k, v in each.items() if k != "users"]
        rows.append([pair, f"{each['users']:,}", "; ".join(shares)])
    return ["domains", "users", "share"], rows or [["one domain", "-", "-"]]


def _coverage(domains: Mapping[str, Any]) -> Table:
    rows = [
        [name, modality, f"{count:,}", f"{count / each['items']:.1%}"]
        for name, each in domains.items()
        for modality, count in each["coverage"].items()
    ]
    return ["domain", "modality", "items", "share"], rows


def _origin(catalogue: DomainCatalogue, numbers: Mapping[str, Any]) -> list[str]:
    """Return the steps, losses and sources of one domain."""
    steps = [
        [s.name, f"{s.interactions:,}", f"{s.users:,}", f"{s.items:,}"]
        for s in catalogue.steps
    ]
    dropped = [[reason, f"{n:,}"] for reason, n in catalogue.dropped.items() if n]
    dropped = dropped or [["nothing", "0"]]
    sources = [[name, f"`{digest}`"] for name, digest in catalogue.sources.items()]
    parts = numbers["parts"]
    split = [f"ready split: {parts}", ""] if parts else []
    empty = numbers["items_without_interactions"]
    return [
        *split,
        f"Items without an interaction: {empty:,}.",
        "",
        *markdown([["after step", "interactions", "users", "items"], *steps]),
        "",
        *markdown([["dropped or incomplete", "count"], *dropped]),
        "",
        *markdown([["source", "sha256"], *sources]),
    ]
