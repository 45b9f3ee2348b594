"""What the next size costs, from the sizes measured by ``micrec bench growth``.

    python -m benchmarks.scale                       # checked at the largest size
    python -m benchmarks.scale --interactions 1e9    # and what so many would take
    python -m benchmarks.scale --machine AMD         # of another one that was measured

Time of an epoch follows a power of the number of interactions, through the two largest
sizes that are known; memory follows a straight line through them. The check predicts
the largest measured size from the others.
"""

import argparse
import json
import math
from collections.abc import Mapping
from pathlib import Path

ROWS = Path(__file__).resolve().parent.parent / "docs" / "performance" / "rows.json"
UNITS = {"s": "time per epoch", "MB": "peak memory of the run"}


def measured(machine: str = "", path: Path = ROWS) -> dict[str, dict[int, float]]:
    """Return {unit: {interactions: value}} of the rows of ``micrec bench growth``.

    Args:
        machine: Part of what its CPU is called; of several, the first one counts.
        path: Of the rows.

    Raises:
        SystemExit: There is no such machine.
    """
    rows = [row for row in json.loads(path.read_text()) if row["part"] == "growth"]
    names = list(dict.fromkeys(row["machine"]["CPU"] for row in rows))
    chosen = [name for name in names if machine.lower() in name.lower()]
    if not chosen:
        raise SystemExit(f"--machine {machine}: measured were {'; '.join(names)}")
    found: dict[str, dict[int, float]] = {unit: {} for unit in UNITS}
    for row in rows:
        of_it = row["machine"]["CPU"] == chosen[0]
        if of_it and row["name"].startswith(UNITS[row["unit"]]):
            found[row["unit"]][row["interactions"]] = row["ours"]
    return found


def predicted(known: Mapping[int, float], unit: str, interactions: float) -> float:
    """Return the value at another size, from the two largest that are known.

    Args:
        known: By number of interactions, at least two.
        unit: s for a power, MB for a straight line.
        interactions: Of the size that is asked for.
    """
    (small, one), (large, two) = sorted(known.items())[-2:]
    if unit == "s":
        power = math.log(two / one) / math.log(large / small)
        return two * (interactions / large) ** power
    return two + (two - one) / (large - small) * (interactions - large)


def lines(interactions: float | None, machine: str = "") -> list[str]:
    """Return the check, and what a size would take."""
    told = []
    for unit, known in measured(machine).items():
        largest = max(known)
        before = {size: value for size, value in known.items() if size != largest}
        expected = predicted(before, unit, largest)
        off = expected / known[largest] - 1
        told.append(
            f"{UNITS[unit]}, {largest:,} interactions: predicted {expected:,.1f}, "
            f"measured {known[largest]:,.1f} {unit} ({off:+.0%})"
        )
        if interactions is not None:
            value = predicted(known, unit, interactions)
            told.append(
                f"{UNITS[unit]}, {interactions:,.0f} interactions: {value:,.0f} {unit}"
            )
    return told


def main() -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interactions", type=float)
    parser.add_argument("--machine", default="", help="part of the name of its CPU")
    given = parser.parse_args()
    print("\n".join(lines(given.interactions, given.machine)))


if __name__ == "__main__":
    main()
