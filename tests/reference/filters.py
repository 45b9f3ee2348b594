"""Which interactions and items stay, by plain loops over lists of dicts."""

from collections import Counter

Rows = list[dict[str, object]]


def window(rows: Rows, start: int | None, end: int | None) -> Rows:
    return [
        row
        for row in rows
        if (start is None or row["time"] >= start)
        and (end is None or row["time"] < end)
    ]


def duplicates(rows: Rows, policy: str) -> Rows:
    best: dict[tuple[object, object], int] = {}
    for place, row in enumerate(rows):
        pair = row["user"], row["item"]
        if pair not in best:
            best[pair] = place
            continue
        earlier = row["time"] < rows[best[pair]]["time"]
        if earlier if policy == "first" else not earlier:
            best[pair] = place
    return [rows[place] for place in sorted(best.values())]


def core(
    domains: dict[str, Rows], user_core: int, item_core: int, *, union: bool
) -> dict[str, Rows]:
    """Remove one row at a time that has an end with too few, until there is none."""
    domains = {name: list(rows) for name, rows in domains.items()}
    changed = True
    while changed:
        changed = False
        for rows in domains.values():
            mine = [row for each in domains.values() for row in each] if union else rows
            users = Counter(row["user"] for row in mine)
            items = Counter(row["item"] for row in rows)
            for row in rows:
                if users[row["user"]] < user_core or items[row["item"]] < item_core:
                    rows.remove(row)
                    changed = True
                    break
    return domains
