"""What every source shares: one set of options, and a word about the origin."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from reference.raw import pairs
from reference.reading import READING

from micrec_pyg.data.catalogue.reading_options import ReadingOptions
from micrec_pyg.data.sources import OwnFormat, Source, read
from micrec_pyg.schema import InputError


@dataclass(frozen=True, kw_only=True)
class Letters(Source):
    """A domain per word: its letters are the users, who all have every item."""

    folder: Path
    words: tuple[str, ...]

    def convert(self, domains):
        wanted = self.words if domains is None else domains
        for word in wanted:
            rows = [f"{letter}\t{n}\t{n}" for letter in word for n in range(3)]
            table = self.folder / word / "interactions.tsv"
            table.parent.mkdir(parents=True, exist_ok=True)
            table.write_text("\n".join(["user\titem\trating", *rows, ""]))
        return OwnFormat(
            folder=self.folder,
            domains=wanted,
            origin={word: {f"{word}.raw": "sha of " + word} for word in wanted},
            dropped={
                word: {"vowels": len(set(word) & set("aeiou"))} for word in wanted
            },
        )


def letters(tmp_path, **options):
    own = {"folder": tmp_path / "words", "words": ("tea", "bun")}
    return Letters.read(**{**own, **READING, **options})


def test_own_fields_and_reading_options_stand_side_by_side(tmp_path):
    found = letters(tmp_path, rating_min=1)
    assert list(found) == ["tea", "bun"]  # the order of the source
    assert sorted(pairs(found["tea"].interactions)) == [
        (user, item) for user in "aet" for item in "12"
    ]
    source = Letters(folder=tmp_path / "words", words=("tea", "bun"))
    same = read(source, ReadingOptions(**{**READING, "rating_min": 1}))
    assert [c.digest for c in same.values()] == [c.digest for c in found.values()]


def test_only_wanted_domains_are_converted(tmp_path):
    assert list(letters(tmp_path, domains=["bun"])) == ["bun"]
    assert [path.name for path in (tmp_path / "words").iterdir()] == ["bun"]


def test_a_catalogue_says_what_was_converted_and_left_out(tmp_path):
    tea = letters(tmp_path)["tea"]
    assert tea.sources["tea.raw"] == "sha of tea"
    assert set(tea.sources) == {"tea.raw", "interactions.tsv"}
    assert tea.dropped["vowels"] == 2
    links = tmp_path / "words" / "who.tsv"
    links.write_text("tea\tbun\nt\tn\n")
    linked = letters(tmp_path, links=["who.tsv"])
    users = [set(c.interactions.users.ids) for c in linked.values()]
    assert len(users[0] & users[1]) == 1
    assert linked["tea"].digest != tea.digest


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"filters": {"usercore": 1}}, "filters.usercore is unknown"),
        ({"split_by": {"field": "x"}}, "split_by has the keys"),
        ({"text_fields": "title"}, "text_fields=title is one text"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_converted(
    tmp_path, option, message
):
    with pytest.raises(InputError, match=message):
        letters(tmp_path, **option)
    assert not (tmp_path / "words").exists()


def test_every_option_must_be_given_and_no_other(tmp_path):
    own = {"folder": tmp_path, "words": ()}
    without = {name: value for name, value in READING.items() if name != "links"}
    with pytest.raises(TypeError, match="links"):
        Letters.read(**own, **without)
    with pytest.raises(TypeError, match="colour"):
        Letters.read(**own, **READING, colour="red")
