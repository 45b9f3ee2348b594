"""The picture of results: which panels it has, and where its points stand."""

import re
from pathlib import Path

import polars as pl
import pytest

from micrec_pyg.report.collect import COLUMNS
from micrec_pyg.report.figure import Panel, draw, draw_study
from micrec_pyg.schema import InputError

RECALL = "recall@20"
NAMES = {"low": "Low model", "high": "High model", "none": "Silent model"}


def _results() -> pl.DataFrame:
    values = {("low", 0): 0.1, ("low", 1): 0.2, ("high", 0): 0.6, ("high", 1): 0.6}
    rows = [
        {
            "dataset": "toy",
            "split": "random",
            "part": "test",
            "metric": RECALL,
            "label": label,
            "seed": seed,
            "domain": domain,
            "group": "all",
            "value": value,
        }
        for (label, seed), value in values.items()
        for domain in ("a", "b")
    ]
    return pl.DataFrame(rows, schema_overrides=dict(COLUMNS))


def _points(svg: str) -> dict[str, tuple[float, float]]:
    """Return the place of every point by its model."""
    shape = r'<g id="point {}">.*?<use [^>]*x="([\d.]+)" y="([\d.]+)"'
    found = {}
    for name in NAMES.values():
        match = re.search(shape.format(re.escape(name)), svg, re.DOTALL)
        if match:
            found[name] = (float(match[1]), float(match[2]))
    return found


def test_points_stand_by_value_and_in_the_order_of_the_names(tmp_path: Path) -> None:
    path = tmp_path / "r.svg"
    draw(_results(), path, panels=[Panel("random", "all", RECALL)], names=NAMES)
    svg = path.read_text()
    points = _points(svg)
    assert set(points) == {"Low model", "High model"}  # no result, no point
    assert points["Low model"][0] < points["High model"][0]
    assert points["Low model"][1] < points["High model"][1]  # y grows downwards
    assert "Silent model" in svg


def test_panels_without_a_value_are_left_out(tmp_path: Path) -> None:
    panels = [Panel("random", "all", RECALL), Panel("random", "new_user", RECALL)]
    assert (
        draw(_results(), tmp_path / "r.png", panels=panels, names=NAMES) == panels[:1]
    )


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        draw(
            _results(),
            tmp_path / name,
            panels=[Panel("random", "all", RECALL)],
            names=NAMES,
        )
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.svg", "b.svg"]


def test_what_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.svg, \.png or \.pdf"):
        draw(_results(), tmp_path / "r.gif", panels=[], names=NAMES)
    other = [Panel("global_time", "all", RECALL)]
    with pytest.raises(InputError, match="no model has a value"):
        draw(_results(), tmp_path / "r.svg", panels=other, names=NAMES)


def test_no_two_data_sets_share_a_picture(tmp_path: Path) -> None:
    names = ["a b", "a-b", "店一", "店二"]
    results = pl.concat([_results().with_columns(dataset=pl.lit(n)) for n in names])
    found = draw_study(results, tmp_path / "r.md", metric=RECALL, part="test")
    assert [path.name for path in found[::2]] == [
        "r-a-b-all.svg",
        "r-a-b-all-2.svg",
        "r-店一-all.svg",
        "r-店二-all.svg",
    ]


def test_a_study_has_a_picture_per_group_with_letters_inside(tmp_path: Path) -> None:
    new = _results().with_columns(group=pl.lit("new_item")).filter(label="high")
    results = pl.concat([_results(), new])
    found = draw_study(results, tmp_path / "r.md", metric=RECALL, part="test")
    assert [path.name for path in found] == [
        "r-toy-all.svg",
        "r-toy-all.pdf",
        "r-toy-new_item.svg",
        "r-toy-new_item.pdf",
    ]
    pdf = found[1].read_bytes()
    assert b"/FontFile2" in pdf  # TrueType within
    assert b"/Type3" not in pdf
