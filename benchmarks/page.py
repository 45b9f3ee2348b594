"""From rows to text: for a terminal, and as ``docs/performance.md``."""

import datetime
import importlib.metadata
import json
import math
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks import (
    answers,
    epoch,
    gpu,
    growth,
    knn,
    propagation,
    published,
    ranking,
    sampler,
    serve,
    startup,
)
from benchmarks.harness import ROOT, Row
from benchmarks.plots import growth_plot, ratio_plot
from micrec_pyg.blas import cpu_name
from micrec_pyg.storage.writing import write_text

PAGE = ROOT / "docs" / "performance.md"
FOLDER = ROOT / "docs" / "performance"
PARTS = {
    "propagation": ("Propagation", propagation),
    "epoch": ("Training epoch", epoch),
    "published": ("Published code", published),
    "sampler": ("Sampling", sampler),
    "ranking": ("Ranking", ranking),
    "answers": ("Answers", answers),
    "serve": ("Service", serve),
    "knn": ("Nearest neighbours", knn),
    "gpu": ("One GPU", gpu),
    "growth": ("Growth", growth),
    "startup": ("Start-up", startup),
}
PACKAGES = (
    "torch",
    "torch-geometric",
    "torch-sparse",
    "torch-scatter",
    "faiss-cpu",
    "numpy",
)

TEMPLATE = """# Performance

Written by `micrec bench`; do not edit. The numbers behind it: [rows.json](performance/rows.json).

{summary}

![Ratio of every comparison and its target](performance/ratios.svg)

## How it was measured

{machines}

- A number is that of the machine which stands above its table; a ratio is of one run on one machine.
- Contenders of one comparison run in turns on the same machine and data, with the same number of threads, after warming up; numbers are
  medians, in brackets the smallest and largest. **Ratio > 1: ours is better.**
- Every contender is a process of its own, except under *Propagation* and *Sampling*. Our epochs are those of `micrec train`, validation left out.
- RecBole 1.2.1 and DGL 1.1.3 are installed, unchanged, into an environment of their own (`benchmarks/peers.txt`), with numpy, scipy and
  pandas of their time. PyG and faiss are those of the project's environment.
- The official INMO code has no licence and is not part of this project: give a clone of yours with `--inmo PATH`. Before it is measured, ten
  steps each decide whether DGL's or `torch.sparse`'s kernel, with or without loader processes, is its fastest way.
- Nor are MMRec and the other codes of *Published code*: give a folder of your clones with `--clones PATH`, each with the name that the row asks for.

Commands:

    make bench                            # everything, and this page
    micrec bench --inmo ../igcn_cf        # the same, with the official INMO code
    micrec bench --clones ../clones       # the same, with the published codes
    micrec bench epoch --json rows.json   # one part; micrec bench --help lists them
    micrec bench epoch --page             # one part, put into this page

{parts}
"""  # noqa: E501


def lines(rows: Sequence[Row]) -> str:
    """Return rows for a terminal."""
    return "\n".join(f"  {row['name']}\n    {_sentence(row)}" for row in rows)


def as_json(rows: Sequence[Row]) -> str:
    """Return rows as a JSON array."""
    return json.dumps(rows, indent=1) + "\n"


def machine() -> dict[str, str]:
    """Return what the numbers depend on, before anything runs."""
    load = os.getloadavg()[0]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    gpu_name = {}
    if torch.cuda.is_available():
        gpu_name = {"GPU": torch.cuda.get_device_name()}
    threads = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    versions = [f"{name} {found}" for name in PACKAGES if (found := _version(name))]
    return {
        "CPU": f"{cpu_name()}, {threads}",
        "Memory": f"{memory:.0f} GiB",
        "System": f"{platform.system()} {platform.machine()}",
        "Versions": ", ".join([f"Python {platform.python_version()}", *versions]),
        "Date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        "Load average before": f"{load:.1f}",
        **gpu_name,
    }


def write(rows: Sequence[Row]) -> Path:
    """Write the page with its plots and rows; return where it is."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    ratio_plot(rows, FOLDER / "ratios.svg")
    if any(row["part"] == "growth" for row in rows):
        growth_plot(rows, FOLDER / "growth.svg")
    write_text(FOLDER / "rows.json", as_json(rows))
    write_text(PAGE, text(rows))
    return PAGE.relative_to(ROOT)


def with_others(rows: Sequence[Row], machine: dict[str, str]) -> list[Row]:
    """Return these rows and those of the page: of other parts, or other machines.

    Args:
        rows: Measured now.
        machine: Where.
    """
    path = FOLDER / "rows.json"
    before = json.loads(path.read_text()) if path.is_file() else []
    rows = [{**row, "machine": machine} for row in rows]
    new = {(row["part"], _device(row)) for row in rows}
    kept = [row for row in before if (row["part"], _device(row)) not in new]
    order = list(PARTS)
    return sorted([*kept, *rows], key=lambda row: order.index(row["part"]))


def _device(row: Row) -> str:
    """Return what a row was measured on: the GPU, in the part of that name."""
    machine = row["machine"]
    if row["part"] == "gpu" and "GPU" in machine:
        return str(machine["GPU"])
    return str(machine["CPU"])


def text(rows: Sequence[Row]) -> str:
    """Return the page."""
    machines = {_device(row): row["machine"] for row in rows}
    judged = [row["met"] for row in rows if row["met"] is not None]
    absent = sum(row["target"] is not None and row["met"] is None for row in rows)
    summary = f"{sum(judged)} of {len(judged)} measured targets are met"
    summary += f"; {absent} could not be measured." if absent else "."
    return TEMPLATE.format(
        summary=summary,
        machines="\n\n".join(map(_facts, machines.values())),
        parts="\n\n".join(_part(part, rows) for part in PARTS),
    )


def _facts(machine: dict[str, str]) -> str:
    facts = "\n".join(f"| {name} | {value} |" for name, value in machine.items())
    return f"| machine | |\n|---|---|\n{facts}"


def _part(part: str, rows: Sequence[Row]) -> str:
    title, module = PARTS[part]
    _, _, about = (module.__doc__ or "").strip().partition("\n\n")
    about = about.replace("``", "`")
    tables: dict[str, list[str]] = {}
    for row in rows:
        if row["part"] == part:
            name = f"{_device(row)}; {row['machine'].get('Date', '')}"
            tables.setdefault(name, []).append(_cells(row))
    if not tables:
        return (
            f"## {title}\n\n{about}\n\nNot measured yet: `micrec bench {part} --page`."
        )
    plot = "\n\n![Time and memory](performance/growth.svg)" if part == "growth" else ""
    head = "| what | ours | peer | | ratio | target |\n|---|---|---|---|---|---|"
    body = "\n\n".join(
        "\n".join([f"**{name}**\n\n{head}", *cells]) for name, cells in tables.items()
    )
    return f"## {title}\n\n{about}\n\n{body}{plot}"


def _cells(row: Row) -> str:
    ratio = "" if row["ratio"] is None else f"**{row['ratio']:.2f}**"
    cells = [
        row["name"],
        _spread(row, "ours"),
        row["peer_name"],
        _spread(row, "peer"),
        ratio,
        _verdict(row),
    ]
    return f"| {' | '.join(cells)} |"


def _sentence(row: Row) -> str:
    parts = [f"ours {_spread(row, 'ours')}"]
    if row["peer_name"]:
        parts.append(f"{row['peer_name']} {_spread(row, 'peer')}".strip())
    if row["ratio"] is not None:
        parts.append(f"ratio {row['ratio']:.2f}")
    if row["target"]:
        parts.append(_verdict(row))
    return "; ".join(parts)


def _verdict(row: Row) -> str:
    if row["target"] is None:
        return ""
    word = {True: "met", False: "missed", None: "not measured"}[row["met"]]
    return f"{row['target']}: {word}"


def _spread(row: Row, side: str) -> str:
    """Return the median with its unit, and the range if there is one."""
    value, low, high = (row[f"{side}{end}"] for end in ("", "_low", "_high"))
    if value is None:
        return ""
    shown = _value(value, row["unit"])
    if low == high:
        return shown
    return f"{shown} ({_value(low, row['unit'])} to {_value(high, row['unit'])})"


def _value(value: float, unit: str) -> str:
    """Return a number with three digits, in the unit that suits it."""
    scales = {"s": ((0.1, 1e3, "ms"),)}.get(unit, ())
    for limit, factor, small in scales:
        if value < limit:
            return f"{_digits(factor * value)} {small}"
    if value >= 1e6:
        return f"{_digits(value / 1e6)} M {unit}"
    return f"{_digits(value)} {unit}"


def _digits(value: float) -> str:
    """Return three significant digits, never an exponent."""
    places = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{round(value, places):,.{max(0, places)}f}"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
