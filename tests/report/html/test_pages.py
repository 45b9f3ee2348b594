"""What the files of pages hold, read as HTML; names in them try to break out."""

import base64
import io
import json
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise, product
from pathlib import Path
from statistics import fmean
from typing import Any

import polars as pl
import pytest
from PIL import Image
from reference.pages import DATASET, DOMAINS, EPOCHS, EVIL, EVIL_END, MODELS, SEEDS
from reference.runs import write_run
from scipy import stats

from micrec_pyg.cli import sweep
from micrec_pyg.report.collect import collect
from micrec_pyg.report.html import charts
from micrec_pyg.report.html.render import LARGEST
from micrec_pyg.report.html.single import run_page
from micrec_pyg.runs.read import read_run

KINDS = ("study", "single", "sweep")
VOID = {"meta", "link", "img", "br", "wbr", "input"}


class Reader(HTMLParser):
    """Tags with attributes and own text, and whether all are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[int] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs), []))
        if tag not in VOID:
            self._open.append(len(self.tags) - 1)

    def handle_endtag(self, tag: str) -> None:
        assert self.tags[self._open.pop()][0] == tag

    def handle_data(self, data: str) -> None:
        for place in self._open:
            self.tags[place][2].append(data)

    def texts(self, *names: str) -> list[str]:
        return ["".join(text).strip() for tag, _, text in self.tags if tag in names]


@pytest.fixture(scope="session")
def read(pages: dict[str, Path]) -> dict[str, Reader]:
    return {kind: Reader(path.read_text("utf-8")) for kind, path in pages.items()}


def _specs(reader: Reader) -> list[dict[str, Any]]:
    return [
        json.loads("".join(text))
        for tag, attributes, text in reader.tags
        if tag == "script" and attributes.get("type") == "application/json"
    ]


def _rows(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the data of a chart, wherever it stands in it."""
    named = list(spec.get("datasets", {}).values())
    found = [spec.get("data", {}).get("values", []), *named]
    found += [_rows(layer) for layer in spec.get("layer", [])]
    return max(found, key=len)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_loaded_and_the_file_is_small(
    kind: str, pages: dict[str, Path], read: dict[str, Reader]
) -> None:
    assert pages[kind].stat().st_size < LARGEST
    links = [
        value
        for _, attributes, _ in read[kind].tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data", "poster")
    ]
    assert links
    assert all(link and link.startswith(("#", "data:")) for link in links)
    (style,) = read[kind].texts("style")
    assert "url(" not in style
    assert "@import" not in style
    policies = [a.get("content") or "" for t, a, _ in read[kind].tags if t == "meta"]
    (policy,) = (text for text in policies if "default-src" in text)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policy.split(";")[1]


@pytest.mark.parametrize("kind", KINDS)
def test_names_stay_text(kind: str, read: dict[str, Reader]) -> None:
    tags = [tag for tag, _, _ in read[kind].tags]
    assert tags.count("img") == (kind == "single")  # the picture of an example
    scripts = [a for tag, a, _ in read[kind].tags if tag == "script"]
    assert sum("type" not in attributes for attributes in scripts) == 2  # our own
    assert any(EVIL in text for text in read[kind].texts("h1", "li", "td", "th"))
    assert not any(name.startswith("on") for _, a, _ in read[kind].tags for name in a)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_screen_reader_needs(kind: str, read: dict[str, Reader]) -> None:
    reader = read[kind]
    assert ("html", {"lang": "en"}) == reader.tags[0][:2]
    levels = [int(tag[1]) for tag, _, _ in reader.tags if tag in ("h1", "h2", "h3")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all("scope" in a for tag, a, _ in reader.tags if tag == "th")
    tables = sum(tag == "table" for tag, _, _ in reader.tags)
    assert len(reader.texts("caption")) == tables > 0
    assert all(reader.texts("caption", "figcaption"))
    names = [a["id"] for _, a, _ in reader.tags if "id" in a]
    assert len(names) == len({*names})
    targets = [a["href"] for tag, a, _ in reader.tags if tag == "a"]
    assert {f"#{name}" for name in names} >= {*targets}


def test_examples_have_titles_pictures_scores_and_reasons(
    read: dict[str, Reader],
) -> None:
    reader = read["single"]
    assert f"{DOMAINS[1]}, user u{EVIL}" in reader.texts("h3")
    tea, unnamed, pot = (t for t in reader.texts("li") if EVIL_END in t)
    assert f"Tea {EVIL}" in tea
    assert unnamed == f"i2{EVIL_END}"  # without a title the id stands alone
    assert f"Pot {EVIL}" in pot
    assert pot.endswith(f"i1{EVIL_END}, score 1.25, by history")
    (picture,) = (a["src"] for tag, a, _ in reader.tags if tag == "img")
    jpeg = base64.b64decode((picture or "").removeprefix("data:image/jpeg;base64,"))
    assert Image.open(io.BytesIO(jpeg)).size == (40, 60)


def test_numbers_are_those_of_the_tables(
    pages: dict[str, Path], read: dict[str, Reader]
) -> None:
    table = pl.read_csv(pages["study"].with_suffix(".csv"))
    cells = read["study"].texts("td")
    for row in table.iter_rows(named=True):
        half = stats.t.ppf(0.975, len(SEEDS) - 1) * row["sd"] / len(SEEDS) ** 0.5
        low, high = row["mean"] - half, row["mean"] + half
        text = f"{row['mean']:.4f} ± {row['sd']:.4f}"
        shown = [cell for cell in cells if cell.startswith(text)]
        assert shown
        assert any(f"[{low:.4f}, {high:.4f}]" in cell for cell in shown)


def test_headline_and_warnings(read: dict[str, Reader]) -> None:
    (line,) = (t for t in read["study"].texts("p") if "highest recall@20" in t)
    assert line.startswith(f"{DATASET}, split random: highest recall@20 is {MODELS[1]}")
    assert any("opened 2 times" in text for text in read["single"].texts("li"))
    assert any("failed: K=9 gamma=0" in text for text in read["sweep"].texts("li"))


def test_curves_have_every_epoch_of_every_run(read: dict[str, Reader]) -> None:
    (rows,) = (
        rows
        for rows in map(_rows, _specs(read["study"]))
        if rows and "epoch" in rows[0]
    )
    assert len(rows) == EPOCHS * len(SEEDS) * 5
    first = [r for r in rows if r["label"] == MODELS[0] and r["seed"] == 1]
    # the value of the run: 0.1 + 0.01 * seed + 0.003 * gamma
    expected = [0.113 + 0.01 * epoch for epoch in range(EPOCHS)]
    assert [row["y0"] for row in first] == pytest.approx(expected)
    assert [row["epoch"] for row in first if row["best"]] == [4]


def test_bars_have_the_means_of_the_groups(read: dict[str, Reader]) -> None:
    degree, history = (
        rows
        for rows in map(_rows, _specs(read["study"]))
        if rows and "group" in rows[0]
    )
    assert {row["group"] for row in degree} == {"0", "11 and more"}
    assert {row["group"] for row in history} == {"1-2"}
    (row,) = (r for r in degree if r["label"] == MODELS[0] and r["group"] == "0")
    per_user = [0.113 + 0.001 * user for user in range(4)]
    domains = [fmean(per_user) + 0.0001 * len("item_degree_0") + d for d in (0, 0.02)]
    assert row["y0"] == pytest.approx(fmean(domains))
    assert row["y0_sd"] == pytest.approx(0.01)


def test_heat_map_has_a_cell_per_pair(read: dict[str, Reader]) -> None:
    (rows,) = (
        rows for rows in map(_rows, _specs(read["sweep"])) if rows and "x" in rows[0]
    )
    found = {(row["y"], row["x"]): row for row in rows}
    assert {*found} == {("0", "0"), ("0", "1"), ("3", "0"), ("3", "1")}
    # jobs 0, 1, 2 are the seeds of K=0, gamma=0
    assert found["0", "0"]["value"] == pytest.approx(0.25 + 1 / 64)
    assert found["0", "0"]["runs"] == 3
    texts = [text for text in read["sweep"].texts("td") if text == "0.2656 ± 0.0156"]
    assert texts


def test_groups_that_do_not_compare_share_no_heat_map(tmp_path: Path) -> None:
    pairs = [(k, gamma) for k in "03" for gamma in "01"]
    values = {"error": 0.5, "mean": 0.25}
    for number, (unseen, (k, gamma)) in enumerate(product(values, pairs)):
        job = {"number": number, "metric": "ndcg@20", "seconds": 1.0, "error": None}
        job |= {"overrides": {"unseen": unseen, "K": k, "gamma": gamma}}
        job |= {"folder": str(tmp_path / "gone"), "value": values[unseen]}
        job |= {"group": "all" if unseen == "mean" else "old_user_old_item"}
        (tmp_path / f"job-{number}.json").write_text(json.dumps(job))
    assert sweep.main([str(tmp_path), "--html"]) == 0
    page = Reader((tmp_path / "sweep.html").read_text())
    heads = page.texts("h3")
    assert [head for head in heads if "group" in head] == [
        "group=old_user_old_item",
        "group=all",
    ]
    maps = [rows for rows in map(_rows, _specs(page)) if rows and "x" in rows[0]]
    assert [{row["value"] for row in rows} for rows in maps] == [{0.5}, {0.25}]


def test_one_run_has_its_curves_groups_and_settings(read: dict[str, Reader]) -> None:
    reader = read["single"]
    titles = [_rows(spec)[0] for spec in _specs(reader)]
    assert sum("epoch" in row for row in titles) == 2  # validation, loss terms
    assert sum("group" in row for row in titles) == 2
    assert any(EVIL[:30] in text for text in reader.texts("pre"))
    assert f"{DOMAINS[1]} new_item" in reader.texts("th")


@pytest.mark.parametrize(
    ("weights", "epochs", "name", "said"),
    [
        ({}, 1, "epochs", "none, the model has no loss to train with"),
        ({"ranking": 1.0}, 0, "epochs", "0, the start values were kept"),
        ({"ranking": 1.0}, 3, "best epoch", "1 of 3"),
    ],
)
def test_the_kept_epoch_is_named_where_there_is_one(
    weights: dict[str, float], epochs: int, name: str, said: str, tmp_path: Path
) -> None:
    config = {"model": {"weights": weights}}
    folder = write_run(tmp_path / "r", {"a": {"all": {"ndcg@5": [0.5]}}}, config=config)
    record = {**read_run(folder).record, "best_epoch": 0, "epochs": epochs}
    run = replace(read_run(folder), record=record)
    (folder / "history.jsonl").write_text("")
    facts = run_page(run, collect(str(folder)), metrics=["ndcg@5"], part="test").facts
    assert {key: fact for key, fact in facts.items() if "epoch" in key} == {name: said}


def test_a_run_without_its_history_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_run(tmp_path / "r", {"a": {"all": {"ndcg@5": [0.5]}}})
    table = collect(str(folder))
    run_page(read_run(folder), table, metrics=["ndcg@5"], part="test")
    (line,) = [each for each in caplog.messages if "history" in each]
    assert line == f"{folder} has no history.jsonl: its curves are missing"


@pytest.mark.parametrize(("low", "rules"), [(None, False), (0.4, True)])
def test_one_seed_has_no_line_for_an_interval(low: float | None, rules: bool) -> None:
    """A line without an end would be told as a fault by the page."""
    row = {"label": "a", "value": 0.5, "sd": None, "low": low, "high": low and 0.6}
    assert ('"rule"' in json.dumps(charts.points("", [row], name="x").spec)) == rules
