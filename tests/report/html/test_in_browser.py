"""Pages in headless Chromium: charts are drawn, tables sort, nothing runs away."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser, chromium
from reference.contrast import contrast
from reference.pages import EVIL

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
]
CHARTS = "[...document.querySelectorAll('.chart')]"
PHONE, DESK = 390, 1100


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


def _open(browser: Browser, page: Path, width: int, *, dark: bool = False) -> None:
    # so high that every chart is about to be seen
    browser.open(page, width=width, height=20_000, dark=dark)
    browser.wait_for(f"{CHARTS}.every(chart => chart.dataset.drawn)")


@pytest.mark.parametrize("kind", ["study", "single", "sweep"])
@pytest.mark.parametrize(("width", "dark"), [(DESK, False), (PHONE, True)])
def test_charts_are_drawn_and_nothing_fits_badly(
    browser: Browser, pages: dict[str, Path], kind: str, width: int, dark: bool
) -> None:
    _open(browser, pages[kind], width, dark=dark)
    marks = browser.ask(
        f"{CHARTS}.map(c => c.querySelectorAll("
        "'.mark-line path, .mark-rect path, .mark-symbol path').length)"
    )
    assert marks
    assert all(marks)
    assert browser.ask("document.documentElement.scrollWidth") == width
    wide = browser.ask(
        f"{CHARTS}.filter(c => c.scrollWidth > c.clientWidth + 1).length"
    )
    assert wide == 0
    assert browser.complaints() == []
    assert browser.requests() == []
    assert browser.ask("window.broken === undefined")


def test_a_name_in_a_tooltip_and_a_menu_stays_text(
    browser: Browser, pages: dict[str, Path]
) -> None:
    _open(browser, pages["study"], DESK)
    browser.ask(
        "window.mark = [...document.querySelectorAll('.mark-symbol path')].find("
        f"m => (m.getAttribute('aria-label') ?? '').includes({json.dumps(EVIL)}))"
        ".getBoundingClientRect(), 0"
    )
    place = browser.ask("[mark.x + mark.width / 2, mark.y + mark.height / 2]")
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=place[0], y=place[1])
    browser.wait_for("!!document.querySelector('#vg-tooltip-element.visible')")
    shown = browser.ask("document.querySelector('#vg-tooltip-element').textContent")
    assert EVIL[:8] in shown
    assert (
        browser.ask("document.querySelectorAll('#vg-tooltip-element img').length") == 0
    )
    assert browser.ask("window.broken === undefined")


def test_a_script_in_the_page_does_not_run(
    browser: Browser, pages: dict[str, Path], tmp_path: Path
) -> None:
    """The second wall: even where a name got through, the policy stops it."""
    text = pages["single"].read_text(encoding="utf-8")
    page = tmp_path / "broken.html"
    page.write_text(text.replace("<main>", f"<main>{EVIL}"), encoding="utf-8")
    browser.open(page, width=DESK, height=800, dark=False)
    assert browser.ask("window.broken === undefined")
    assert browser.complaints() != []


def test_tables_sort(browser: Browser, pages: dict[str, Path]) -> None:
    _open(browser, pages["study"], DESK)
    column = (
        "[...document.querySelector('table').tBodies[0].rows]"
        ".map(row => Number(row.cells[1].dataset.value))"
    )
    click = "document.querySelectorAll('table thead button')[1].click()"
    before = browser.ask(column)
    browser.ask(click)
    assert browser.ask(column) == sorted(before, reverse=True)
    head = "document.querySelectorAll('table thead th')[1].getAttribute('aria-sort')"
    assert browser.ask(head) == "descending"
    browser.ask(click)
    assert browser.ask(column) == sorted(before)
    assert browser.ask(head) == "ascending"


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out(browser: Browser, pages: dict[str, Path], dark: bool) -> None:
    _open(browser, pages["study"], DESK, dark=dark)
    colors = browser.ask(
        "(() => { const rgb = (e, p) => getComputedStyle(e)[p].match(/[\\d.]+/g)"
        ".slice(0, 3).map(Number);"
        "const behind = e => { for (; e; e = e.parentElement) {"
        "  if (!/, 0\\)$|transparent/.test(getComputedStyle(e).backgroundColor))"
        "    return rgb(e, 'backgroundColor'); } return [255, 255, 255]; };"
        "return [...document.querySelectorAll('p, li, a, h1, h2, h3, dt, dd, td, th, "
        "small, caption span, figcaption, summary, thead button, .place1')]"
        ".map(e => [rgb(e, 'color'), behind(e), e.tagName]); })()"
    )
    assert len(colors) > 50
    # 4.5 to 1 is what WCAG 2 asks of small text
    assert min(contrast(ink, paper) for ink, paper, _ in colors) >= 4.5
    paper = browser.ask("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(22, 24, 29)" if dark else "rgb(255, 255, 255)")


def test_the_button_turns_light_to_dark(
    browser: Browser, pages: dict[str, Path]
) -> None:
    _open(browser, pages["single"], DESK)
    label = "getComputedStyle(document.querySelector('.chart text')).fill"
    before = browser.ask(label)
    browser.ask("document.getElementById('theme').click()")
    browser.wait_for(f"document.querySelector('.chart text') && {label} !== '{before}'")
    paper = browser.ask("getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(22, 24, 29)"
