"""The page in headless Chromium: from a search to a list, and what a change does."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser, chromium
from reference.contrast import contrast
from serve.running import running
from serve.shops import shelf_of_shops
from serve.visitor import DESK, Visitor

from micrec_pyg.serve.app import make_app
from micrec_pyg.serve.keys import Keys

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
]
PHONE = 360
BASKET = "/?domain=food&in.food=food1&in.food=food2"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(make_app(shelf_of_shops(tmp_path_factory.mktemp("shops")))) as address:
        yield address


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def visitor(browser: Browser, site: str) -> Iterator[Visitor]:
    found = Visitor(browser, site)
    yield found
    found.is_content()


def test_from_a_search_to_a_list_why_and_what_a_change_does(visitor: Visitor) -> None:
    visitor.open("/")
    assert len(visitor.items()) == 19
    assert "Nobody is chosen yet" in visitor.texts("#basket")[0]
    assert {*visitor.texts(".reason")} == {"by popularity"}
    visitor.presses("/")
    assert visitor.ask("document.activeElement.id") == "find-item"
    visitor.types("find-item", "tea 1")
    visitor.browser.wait_for("document.querySelectorAll('#items-found li').length > 2")
    assert visitor.texts("#items-found li")[0].startswith("tea 1")
    visitor.presses("ArrowDown")
    visitor.presses("ArrowUp")
    visitor.ask("document.querySelector('#lists ol').dataset.old = 'yes'")
    visitor.presses("Enter")
    visitor.browser.wait_for("!document.querySelector('#lists [data-old]')")
    assert visitor.texts("#basket .name") == ["tea 1"]
    assert "in.food=food1" in visitor.ask("location.search")
    before = visitor.items()
    assert "food1" not in before

    visitor.ask("document.querySelector('[data-do=why]').click()")
    visitor.browser.wait_for("!!document.querySelector('.parts')")
    *parts, total = visitor.texts(".parts .value")
    signed = [part.replace("\N{MINUS SIGN}", "-").replace(",", "") for part in parts]
    sum_of_parts = sum(map(float, signed))
    assert sum_of_parts == pytest.approx(float(total), abs=2e-3)
    assert total == visitor.texts(".card .score .value")[0]

    visitor.changes("document.querySelectorAll('.card .add')[2].click()")
    after = visitor.items()
    assert before[2] not in after
    places = {item: place for place, item in enumerate(before)}
    moved = [places[item] - place for place, item in enumerate(after)]
    assert any(moved)
    words = [
        "same place"
        if m == 0
        else f"{'▲ up' if m > 0 else '▼ down'} {abs(m)} place{'s' * (abs(m) != 1)}"
        for m in moved
    ]
    assert visitor.texts(".card .move") == words
    counts = [sum(m > 0 for m in moved), sum(m < 0 for m in moved), moved.count(0)]
    said = "0 new, {} up, {} down, {} in the same place.".format(*counts)
    assert visitor.texts("#said")[0].endswith(said)

    visitor.changes("document.getElementById('undo').click()")
    assert visitor.items() == before
    assert visitor.texts("#basket .name") == ["tea 1"]
    visitor.changes("document.querySelector('#basket .remove').click()")
    assert {*visitor.texts(".reason")} == {"by popularity"}


@pytest.mark.fuzz
def test_a_known_person_and_a_change_of_their_history(visitor: Visitor) -> None:
    visitor.open("/?domain=food&k=10")
    visitor.types("find-user", "u1")
    visitor.browser.wait_for("document.querySelectorAll('#users-found li').length > 1")
    assert visitor.texts("#users-found li")[0] == "u1"
    visitor.changes("document.querySelector('#users-found li').click()")
    assert visitor.ask("location.search") == "?domain=food&k=10&user=u1"
    assert visitor.texts("#who")[0].startswith("Person u1")
    had = visitor.texts("#basket .name")
    assert len(had) > 3
    assert {*visitor.texts(".reason")} == {"by history"}
    visitor.changes("document.querySelector('.card .add').click()")
    basket = "document.querySelector('#who').textContent.trim().startsWith('Basket')"
    visitor.browser.wait_for(basket)
    assert len(visitor.texts("#basket .name")) == len(had) + 1
    assert "user" not in visitor.ask("location.search")
    assert len(visitor.texts(".move")) == len(visitor.items())


def test_pasted_lines_become_a_basket_and_unknown_ones_are_named(
    visitor: Visitor,
) -> None:
    visitor.open("/?domain=food")
    lines = "food3\nTEA 12\n\nkitchen4\ncoffee\ntea\n"
    visitor.ask(f"document.getElementById('lines').value = {json.dumps(lines)}")
    visitor.changes("document.querySelector('#paste button').click()")
    assert visitor.texts("#unknown li") == [
        "“TEA 12” fits 2 items; write more of the title, or the id.",
        "“coffee” is no id and part of no title.",
        "“tea” fits 30 items; write more of the title, or the id.",
    ]
    assert visitor.texts("#basket h3") == ["food1", "kitchen1"]
    assert visitor.texts("#basket .name") == ["tea 3", "tea 4"]


def test_two_models_side_by_side(visitor: Visitor) -> None:
    visitor.open(f"{BASKET}&k=10")
    other = "document.getElementById('other')"
    visitor.changes(
        f"{other}.value = 'two', {other}.dispatchEvent(new Event('change', "
        "{bubbles: true}))"
    )
    assert "other=two" in visitor.ask("location.search")
    assert visitor.texts(".list h2") == ["one", "two"]
    one, two = visitor.items(0), visitor.items(1)
    assert one != two
    expected = [
        f"{name}: {there.index(item) + 1}" if item in there else f"not in {name}"
        for name, here, there in (("two", one, two), ("one", two, one))
        for item in here
    ]
    assert visitor.texts(".elsewhere") == expected
    both = len({*one} & {*two})
    assert visitor.texts("#agreement p") == [f"{both} of 10 items are in both lists."]
    left, right = visitor.ask(
        "[...document.querySelectorAll('.list')]"
        ".map(list => list.getBoundingClientRect().top)"
    )
    assert left == right
    visitor.changes("document.querySelector('.list .add').click()")
    assert len(visitor.texts(".move")) == 20
    assert "one: " in visitor.texts("#said")[0]
    assert " two: " in visitor.texts("#said")[0]


@pytest.mark.fuzz
def test_a_narrow_window_shows_one_list_at_a_time(visitor: Visitor) -> None:
    visitor.open(f"{BASKET}&other=two", PHONE)
    shown = (
        "[...document.querySelectorAll('.list')].filter(list => list.offsetHeight)"
        ".map(list => list.querySelector('h2').textContent)"
    )
    assert visitor.ask(shown) == ["one"]
    visitor.ask("document.querySelectorAll('.tabs button')[1].click()")
    assert visitor.ask(shown) == ["two"]
    visitor.changes(
        "document.querySelectorAll('.list')[1].querySelector('.add').click()"
    )
    assert visitor.ask(shown) == ["two"]


@pytest.mark.fuzz
def test_a_name_is_the_beginning_of_a_text(visitor: Visitor) -> None:
    visitor.open("/")
    texts = {
        "Contact. 1997. Drama": ["Contact", "1997. Drama"],
        "Mr. Holland's Opus (1995). Drama": ["Mr. Holland's Opus (1995)", "Drama"],
        "Raiders of the Lost Ark. 1981": ["Raiders of the Lost Ark", "1981"],
        "Apollo 13. 1995. Drama": ["Apollo 13", "1995. Drama"],
        "E.T. the Extra-Terrestrial": ["E.T. the Extra-Terrestrial", ""],
        "Tea, 100 ct. box": ["Tea, 100 ct. box", ""],
        None: ["id", ""],
    }
    rows = json.dumps([{"item": "id", "title": text} for text in texts])
    made = f"module => window.made = {rows}.map(module.divided)"
    visitor.ask(f"import('/titles.js').then({made}), window.made = 0")
    visitor.browser.wait_for("!!window.made")
    assert visitor.ask("window.made") == [*texts.values()]


def test_pictures_are_shown_and_drawn_where_there_are_none(visitor: Visitor) -> None:
    visitor.open("/?domain=food&in.food=food1")
    visitor.browser.wait_for(
        "document.querySelectorAll('.picture.loaded').length === 3"
    )
    shown = visitor.ask(
        "[...document.querySelectorAll('.card')]"
        ".filter(c => c.querySelector('.loaded')).map(c => c.dataset.item)"
    )
    assert {*shown} == {"food3", "food4"}
    assert visitor.ask("document.querySelector('.loaded img').naturalWidth") == 160
    assert "T2" in visitor.texts(".card .picture")


def test_what_the_service_refuses_is_told_in_a_sentence(visitor: Visitor) -> None:
    visitor.open("/?domain=food&in.food=nothing")
    for place in ("#basket", ".list"):
        (told,) = visitor.texts(f"{place} .error")
        assert "domain food has no item 'nothing'" in told
    visitor.browser.events.clear()  # Chromium logs the status of the answer
    visitor.changes("document.getElementById('clear').click()", of="#lists section")
    assert len(visitor.items()) == 19


@pytest.mark.parametrize(
    ("width", "dark"),
    [pytest.param(DESK, False, marks=pytest.mark.fuzz), (PHONE, True)],
)
def test_everything_fits_and_stands_out(
    visitor: Visitor, width: int, dark: bool
) -> None:
    visitor.open(f"{BASKET}&other=two", width, dark=dark)
    visitor.changes("document.querySelector('.card .add').click()")
    visitor.ask("document.querySelector('[data-do=why]').click()")
    visitor.ask("document.querySelector('details').open = true")
    visitor.browser.wait_for("!!document.querySelector('.parts')")
    assert visitor.ask("document.documentElement.scrollWidth") == width
    colors = visitor.ask(
        "(() => { const rgb = (e, p) => getComputedStyle(e)[p].match(/[\\d.]+/g)"
        ".slice(0, 3).map(Number);"
        "const behind = e => { for (; e; e = e.parentElement) {"
        "  if (!/, 0\\)$|transparent/.test(getComputedStyle(e).backgroundColor))"
        "    return rgb(e, 'backgroundColor'); } return [255, 255, 255]; };"
        "return [...document.querySelectorAll('body *')].filter(e => "
        "[...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))"
        ".map(e => [rgb(e, 'color'), behind(e), e.tagName + e.className]); })()"
    )
    assert len(colors) > 100
    # 4.5 to 1 is what WCAG 2 asks of small text
    assert [e for ink, paper, e in colors if contrast(ink, paper) < 4.5] == []
    paper = visitor.ask("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(20, 22, 27)" if dark else "rgb(246, 247, 249)")


def test_everything_has_a_name_for_those_who_listen(visitor: Visitor) -> None:
    visitor.open(f"{BASKET}&other=two")
    tree = visitor.browser.call("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "combobox", "textbox", "radio", "searchbox", "region", "list")
    nameless = [
        node["role"]["value"]
        for node in tree
        if not node["ignored"]
        and node["role"]["value"] in roles[:-1]
        and not node.get("name", {}).get("value")
    ]
    assert nameless == []
    assert sum(n["role"]["value"] == "button" for n in tree if not n["ignored"]) > 40
    ids = visitor.ask("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len({*ids})
    levels = visitor.ask(
        "[...document.querySelectorAll('h1, h2, h3')].map(e => Number(e.tagName[1]))"
    )
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))


@pytest.mark.fuzz
def test_a_service_with_a_key_asks_for_it(browser: Browser, tmp_path: Path) -> None:
    keys = Keys(read=["a key of sixteen"])
    with running(make_app(shelf_of_shops(tmp_path), keys=keys)) as address:
        visitor = Visitor(browser, address)
        page = f"{address}/?domain=food&in.food=food1"
        browser.open(page, width=DESK, height=900, dark=False)
        for key in ("wrong", "a key of sixteen"):
            browser.wait_for("document.querySelector('#key')?.value === ''")
            visitor.types("key", key)
            visitor.ask("document.querySelector('.key button').click()")
        browser.wait_for("document.documentElement.dataset.ready === 'yes'")
        assert len(visitor.items()) == 18
        browser.wait_for("document.querySelectorAll('.picture.loaded').length === 3")
        browser.ask("sessionStorage.clear()")
