"""The files of the page: complete, small, and from nowhere else."""

import io
import re

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from serve.shops import PICTURED, shelf_of_shops

from micrec_pyg.serve.app import make_app
from micrec_pyg.serve.pages import PAGE

FILES = sorted(path.name for path in PAGE.iterdir())


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return TestClient(make_app(shelf_of_shops(tmp_path_factory.mktemp("shops"))))


def test_the_page_stands_at_the_root(shop):
    index = shop.get("/")
    assert index.headers["content-type"].startswith("text/html")
    assert index.text == (PAGE / "index.html").read_text("utf-8")
    assert shop.get("/?domain=food&in.food=food1").text == index.text


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_served_and_may_load_nothing_from_elsewhere(shop, name):
    answer = shop.get(f"/{name}")
    kind = {"js": "javascript", "css": "text/css", "svg": "svg", "html": "html"}
    assert kind[name.rpartition(".")[2]] in answer.headers["content-type"]
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    text = answer.text.replace("http://www.w3.org/2000/svg", "")
    assert "//" not in re.sub(r"(?m)^\s*//.*$", "", text)  # no address, but comments
    assert len(text.splitlines()) <= 300
    assert " style=" not in text
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", text
    )


def test_every_file_that_is_named_is_there_and_every_other_is_not():
    named = {"index.html"}
    for name in FILES:
        text = (PAGE / name).read_text("utf-8")
        named |= {*re.findall(r'from "\./([\w.]+)"', text)}
        named |= {*re.findall(r'(?:src|href)="([\w.]+)"', text)}
    assert named == {*FILES}


def test_a_picture_is_a_small_jpeg(shop):
    for item in PICTURED:
        answer = shop.get(f"/v1/image/food/{item}")
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["cache-control"] == "private, max-age=600"
        assert Image.open(io.BytesIO(answer.content)).size == (160, 200)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("food/tea", "food has no item 'tea'"),
        ("food/a/b%20c", "food has no item 'a/b c'"),
        ("tools/food1", "give one of food, kitchen"),
        ("food/food1?model=three", "give one of one, two"),
        ("food/food1?size=9", "give any of model"),
    ],
)
def test_what_is_no_item_is_refused(shop, path, message):
    answer = shop.get(f"/v1/image/{path}")
    assert answer.status_code == 422
    assert message in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["food/food2", "food/food1?model=two"])
def test_an_item_without_a_picture_has_none(shop, path):
    answer = shop.get(f"/v1/image/{path}")
    assert answer.status_code == 204
    assert answer.content == b""


def test_a_search_finds_the_best_titles_first(shop):
    found = shop.get("/v1/items?domain=food&q=TEA 1&limit=3").json()
    titles = [item["title"] for item in found["items"]]
    assert titles[0] == "tea 1"
    assert found["total"] == 8  # and tea 11 to tea 18 but 15, which has no title
    by_id = shop.get("/v1/items?domain=food&q=food5&limit=3").json()
    assert by_id["items"] == [{"item": "food5", "title": None}]


def test_models_say_which_domains_have_pictures(shop):
    found = {
        model["name"]: {each["name"]: each["images"] for each in model["domains"]}
        for model in shop.get("/v1/models").json()["models"]
    }
    assert found["one"] == {"food": True, "kitchen": False}
    assert found["two"] == {"food": False, "kitchen": False}
