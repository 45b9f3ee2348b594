"""Charts in Vega-Lite; the page gives them its colours.

Names from files of others are only ever values of the data here, never the name of a
field or a part of an expression.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from micrec_pyg.report.html.blocks import Chart

Row = Mapping[str, Any]

MOST_SVG = 1500
"""Rows of data; a chart of more is painted on a canvas, which is quicker."""

LINE_HEIGHT, BAR_HEIGHT, CELL_HEIGHT = 300, 13, 44
"""Pixels."""

NUMBER = ".4f"

PALETTE = (
    *("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd"),
    *("#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"),
    *("#aec7e8", "#ffbb78", "#98df8a", "#ff9896", "#c5b0d5"),
    *("#c49c94", "#f7b6d2", "#c7c7c7", "#dbdb8d", "#9edae5"),
)
"""Seen on white and on black; the second ten are paler."""
SCALE = alt.Scale(zero=False)


def colors_of(labels: Sequence[str]) -> dict[str, str]:
    """Return a colour per label; from the 21st on they repeat."""
    return {label: PALETTE[n % len(PALETTE)] for n, label in enumerate(labels)}


def curves(
    caption: str,
    rows: Sequence[Row],
    *,
    series: Mapping[str, str],
    colors: Mapping[str, str],
    name: str,
) -> Chart:
    """Return a line per run over epochs; the run chosen in the legend stands out.

    Args:
        caption: What is shown.
        rows: With ``label``, ``run``, ``seed``, ``epoch``, ``best`` (whether it is the
            selected epoch) and the fields of ``series``.
        series: Field -> its name; more than one gives a menu.
        colors: Of the labels.
        name: Of what the vertical axis shows.
    """
    pick = _menu("series", series)
    chosen = alt.selection_point(name="label", fields=["label"], bind="legend")
    near = alt.selection_point(
        name="near",
        nearest=True,
        on="pointerover",
        clear="pointerout",
        fields=["run", "epoch"],
        empty=False,
    )
    base = _data(rows, pick).encode(
        x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1, tickCount=8)),
        y=alt.Y("value:Q", title=name, scale=SCALE),
        color=_color(rows, colors),
        detail="run:N",
    )
    faded = alt.condition(chosen, alt.value(0.85), alt.value(0.06))
    lines = base.mark_line(strokeWidth=1.5).encode(opacity=faded)
    selected = base.mark_point(filled=True, size=45).encode(opacity=faded)
    points = base.mark_point(filled=True, size=70).encode(
        opacity=alt.condition(near, alt.value(1), alt.value(0)),
        tooltip=[
            alt.Tooltip("label:N", title="model"),
            alt.Tooltip("seed:N"),
            alt.Tooltip("epoch:Q"),
            alt.Tooltip("value:Q", format=NUMBER),
        ],
    )
    # points see what the legend chose, or those of faded lines would answer
    layers = alt.layer(
        lines.add_params(chosen),
        selected.transform_filter("datum.best"),
        points.transform_filter(chosen).add_params(near),
    )
    return _chart(caption, layers.add_params(pick), LINE_HEIGHT, rows)


def bars(
    caption: str,
    rows: Sequence[Row],
    *,
    series: Mapping[str, str],
    colors: Mapping[str, str],
    groups: Sequence[str],
    name: str,
) -> Chart:
    """Return horizontal bars: groups, and in each a bar per model.

    Args:
        caption: What is shown.
        rows: With ``label``, ``group``, and for every field f of ``series`` also
            ``f_sd``, its standard deviation.
        series: Field -> its name; more than one gives a menu.
        colors: Of the labels.
        groups: From top to bottom.
        name: Of what tells the groups apart.
    """
    pick = _menu("series", series)
    chosen = alt.selection_point(name="label", fields=["label"], bind="legend")
    base = _data(rows, pick).encode(
        y=alt.Y("group:N", sort=list(groups), title=name),
        yOffset=alt.YOffset("label:N", sort=_labels(rows)),
        opacity=alt.condition(chosen, alt.value(1), alt.value(0.15)),
    )
    drawn = base.mark_bar().encode(
        x=alt.X("value:Q", title=None, axis=alt.Axis(tickCount=6)),
        color=_color(rows, colors),
        tooltip=[
            alt.Tooltip("label:N", title="model"),
            alt.Tooltip("group:N"),
            alt.Tooltip("value:Q", format=NUMBER, title="mean"),
            alt.Tooltip("sd:Q", format=NUMBER),
        ],
    )
    spread = base.mark_rule().encode(x="low:Q", x2="high:Q")
    layers = alt.layer(drawn.add_params(chosen), spread)
    height = len(groups) * (len(_labels(rows)) * BAR_HEIGHT + 10)
    return _chart(caption, layers.add_params(pick), height, rows)


def points(caption: str, rows: Sequence[Row], *, name: str) -> Chart:
    """Return a point per model, with the interval of its mean over seeds.

    Args:
        caption: What is shown.
        rows: With ``label``, ``value``, ``sd``, ``low`` and ``high``.
        name: Of the value.
    """
    labels = _labels(rows)
    base = alt.Chart(_values(rows)).encode(
        y=alt.Y("label:N", sort=labels, title=None, axis=alt.Axis(labelLimit=220))
    )
    means = base.mark_point(filled=True, size=80, opacity=1).encode(
        x=alt.X("value:Q", title=name, scale=SCALE, axis=alt.Axis(tickCount=6)),
        tooltip=[
            alt.Tooltip("label:N", title="model"),
            alt.Tooltip("value:Q", format=NUMBER, title="mean"),
            alt.Tooltip("sd:Q", format=NUMBER),
            alt.Tooltip("low:Q", format=NUMBER),
            alt.Tooltip("high:Q", format=NUMBER),
        ],
    )
    layers = [means]
    if any(row["low"] is not None for row in rows):  # one seed has no interval
        layers.insert(0, base.mark_rule().encode(x="low:Q", x2="high:Q"))
    return _chart(caption, alt.layer(*layers), 24 * len(labels) + 20, rows)


def heat_map(
    caption: str,
    rows: Sequence[Row],
    *,
    names: tuple[str, str, str],
    orders: tuple[Sequence[str], Sequence[str]],
) -> Chart:
    """Return a cell per pair of values, with its mean.

    Args:
        caption: What is shown.
        rows: With ``x``, ``y``, ``value``, ``sd`` and ``runs``.
        names: Of what stands across, of what stands down, and of the value.
        orders: Values across and down.
    """
    across, down, value = names
    base = alt.Chart(_values(rows)).encode(
        x=alt.X("x:N", sort=list(orders[0]), title=across, axis=alt.Axis(labelAngle=0)),
        y=alt.Y("y:N", sort=list(orders[1]), title=down),
    )
    cells = base.mark_rect().encode(
        color=alt.Color(
            "value:Q",
            title=None,
            scale=alt.Scale(scheme="viridis", zero=False),
            legend=alt.Legend(
                orient="bottom", direction="horizontal", format=".3f", tickCount=3
            ),
        ),
        tooltip=[
            alt.Tooltip("x:N", title="across"),
            alt.Tooltip("y:N", title="down"),
            alt.Tooltip("value:Q", format=NUMBER, title=value),
            alt.Tooltip("sd:Q", format=NUMBER),
            alt.Tooltip("runs:Q"),
        ],
    )
    values = [row["value"] for row in rows]
    # the upper part of viridis is light
    light = f"datum.value > {min(values) + 0.6 * (max(values) - min(values))}"
    texts = base.mark_text(fontSize=12).encode(
        text=alt.Text("value:Q", format=NUMBER),
        color=alt.condition(light, alt.value("black"), alt.value("white")),
    )
    height = CELL_HEIGHT * len(orders[1])
    return _chart(caption, alt.layer(cells, texts), height, rows)


def _data(rows: Sequence[Row], pick: alt.Parameter) -> alt.Chart:
    """Return an empty chart whose field ``value`` is what the menu names."""
    deviation = "datum[series + '_sd']"
    return (
        alt.Chart(_values(rows))
        .transform_calculate(
            value="datum[series]",
            sd=deviation,
            low=f"max(0, datum[series] - {deviation})",
            high=f"datum[series] + {deviation}",
        )
        .transform_filter("isValid(datum.value)")
    )


def _menu(name: str, series: Mapping[str, str]) -> alt.Parameter:
    fields, names = list(series), list(series.values())
    if len(fields) == 1:
        return alt.param(name=name, value=fields[0])
    menu = alt.binding_select(options=fields, labels=names, name="show ")
    return alt.param(name=name, value=fields[0], bind=menu)


def _values(rows: Sequence[Row]) -> alt.InlineData:
    # altair refuses long tables, and copies short ones, unless they are of its own type
    return alt.InlineData(values=list(rows))


def _color(rows: Sequence[Row], colors: Mapping[str, str]) -> alt.Color:
    labels = _labels(rows)
    return alt.Color(
        "label:N",
        sort=labels,
        scale=alt.Scale(domain=labels, range=[colors[label] for label in labels]),
        legend=alt.Legend(title=None) if len(labels) > 1 else None,
    )


def _labels(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["label"] for row in rows))


def _chart(
    caption: str,
    chart: alt.LayerChart | alt.FacetChart,
    height: int,
    rows: Sequence[Row],
) -> Chart:
    finished = chart.properties(
        width="container",
        height=height,
        usermeta={"canvas": len(rows) > MOST_SVG},
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
    )
    spec = finished.to_dict()
    spec.pop("config", None)  # the page has its own
    spec.pop("$schema", None)
    return Chart(caption, spec)
