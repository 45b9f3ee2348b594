"""MovieLens-100K from the wheel: converted once, and offline from then on."""

import hashlib
import os
import zipfile
from pathlib import Path

import pytest
from reference.reading import READING

from micrec_pyg.data.sources import movielens
from micrec_pyg.data.sources.movielens import MovieLens
from micrec_pyg.schema import InputError

OPTIONS = {
    "wheel_url": None,
    "kg": False,
    **READING,
    "text_fields": ["title", "year", "genres"],
    "rating_min": 4,
    "split_by": {
        "field": "genres",
        "sep": " ",
        "domains": {"A": ["Action", "Sci-Fi"], "B": None},
    },
}
INTER = """user_id:token\titem_id:token\trating:float\ttimestamp:float
1\t10\t5\t881250949
1\t20\t4\t881250950
2\t10\t3\t881250951
2\t30\t4\t881250952
"""
ITEM = """item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq
10\tToy "Story"\t1995\tAnimation Children's
20\tBlade Runner\t1982\tSci-Fi Thriller
30\tSpeed\t1994\tAction
40\tNobody's\t1950\tDrama
"""
KG = """head_id:token\trelation_id:token\ttail_id:token
m.20\tfilm.film.actor\tm.ford
m.ford\tfilm.actor.film\tm.20
m.30\tfilm.film.genre\tm.thriller
"""
LINK = """item_id:token\tentity_id:token
20\tm.20
30\tm.30
"""


def small_wheel(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{movielens.INSIDE}.inter", INTER)
        archive.writestr(f"{movielens.INSIDE}.item", ITEM)
        archive.writestr(f"{movielens.INSIDE}.kg", KG)
        archive.writestr(f"{movielens.INSIDE}.link", LINK)
    return path


@pytest.fixture
def pinned(tmp_path, monkeypatch):
    """A wheel of the same form and two handfuls of bytes, in place of the real one."""
    wheel = small_wheel(tmp_path / "elsewhere" / movielens.WHEEL)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    monkeypatch.setattr(movielens, "SHA256", digest)
    monkeypatch.setattr(movielens, "SIZE", wheel.stat().st_size)
    # pip finds nothing, whatever the machine has configured
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "empty"))
    return wheel


def test_a_wheel_placed_by_hand_is_converted_and_then_not_needed(pinned, tmp_path):
    root = tmp_path / "data"
    placed = root / "raw" / movielens.WHEEL
    placed.parent.mkdir(parents=True)
    placed.write_bytes(pinned.read_bytes())
    first = MovieLens.read(root=str(root), **OPTIONS)
    placed.unlink()
    second = MovieLens.read(root=str(root), **OPTIONS)
    for parts in (first, second):
        a, b = parts["A"], parts["B"]
        assert a.interactions.users.ids.to_list() == ["1", "2"]
        assert a.interactions.items.ids.to_list() == ["20", "30"]
        assert a.interactions.time.tolist() == [881250950, 881250952]
        assert a.content["text"][0] == "Blade Runner. 1982. Sci-Fi Thriller"
        assert b.interactions.users.ids.to_list() == ["1"]
        assert b.interactions.items.ids.to_list() == ["10", "40"]
        assert b.content["text"][0] == 'Toy "Story". 1995. Animation Children\'s'
        assert b.dropped["rating_below_min"] == 1
    assert [c.digest for c in first.values()] == [c.digest for c in second.values()]


def test_the_wheel_can_come_from_an_address(pinned, tmp_path):
    options = {**OPTIONS, "wheel_url": pinned.as_uri()}
    parts = MovieLens.read(root=str(tmp_path / "data"), **options)
    assert list(parts) == ["A", "B"]


def test_facts_are_read_if_asked_for_and_change_nothing_if_not(pinned, tmp_path):
    options = {**OPTIONS, "wheel_url": pinned.as_uri(), "root": str(tmp_path / "data")}
    before = MovieLens.read(**options)
    found = MovieLens.read(**{**options, "kg": True})
    after = MovieLens.read(**options)
    # A has the films 20 and 30, B those without a link
    assert found["A"].facts.rows() == [
        (0, "film.film.actor", "m.ford"),
        (1, "film.film.genre", "m.thriller"),
    ]
    assert found["B"].facts.rows() == []
    for name in ("A", "B"):
        assert before[name].facts is None
        assert before[name].digest == after[name].digest != found[name].digest


def test_without_network_the_error_says_how_to_place_the_file(pinned, tmp_path):
    with pytest.raises(InputError, match="by hand") as caught:
        MovieLens.read(root=str(tmp_path / "data"), **OPTIONS)
    assert str(tmp_path / "data" / "raw" / movielens.WHEEL) in str(caught.value)


def test_another_file_of_that_name_is_not_unpacked(tmp_path):
    small_wheel(tmp_path / "raw" / movielens.WHEEL)
    with pytest.raises(InputError, match=movielens.SHA256):
        MovieLens.read(root=str(tmp_path), **OPTIONS)
    assert not [*tmp_path.glob("processed/*")]


def real_root():
    root = Path(os.environ.get("MICREC_DATA", "data"))
    ready = root / "raw" / movielens.WHEEL
    return root if ready.exists() else None


@pytest.mark.skipif(real_root() is None, reason="MovieLens-100K was never fetched")
def test_the_real_data_has_the_published_size():
    options = {**OPTIONS, "rating_min": None, "split_by": None}
    movies = MovieLens.read(root=str(real_root()), **options)["movies"].interactions
    # GroupLens: 100,000 ratings of 943 users for 1,682 films
    size = len(movies.users), len(movies.items), len(movies.user)
    assert size == (943, 1682, 100_000)


@pytest.mark.skipif(real_root() is None, reason="MovieLens-100K was never fetched")
def test_the_real_facts_are_as_many_as_documented(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / movielens.WHEEL).symlink_to(
        (real_root() / "raw" / movielens.WHEEL).resolve()
    )
    options = {**OPTIONS, "kg": True, "split_by": None}
    facts = MovieLens.read(root=str(tmp_path), **options)["movies"].facts
    assert (facts.height, facts["item"].n_unique()) == (72_592, 1598)
