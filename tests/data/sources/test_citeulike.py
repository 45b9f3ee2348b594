"""CiteULike and Toy-Game: small ones made here, and the real ones where they are."""

import polars as pl
import pytest
from reference.raw import pairs
from reference.reading import READING

from micrec_pyg.cli.config import experiment
from micrec_pyg.data.sources.citeulike import CiteULike
from micrec_pyg.features.knowledge_graph import KnowledgeGraph
from micrec_pyg.runs.inputs import read_data
from micrec_pyg.schema import InputError

KG = "a0\tcites\ta1\na2\tcites\ta0\na3\ttag\tt7\na1\ttag\tnone\n"


@pytest.fixture
def library(tmp_path):
    folder = tmp_path / "library" / "articles"
    folder.mkdir(parents=True)
    (folder / "interactions.tsv").write_text("user\titem\nu0\ta0\nu0\ta3\nu1\ta1\n")
    words = "".join(f"a{n}\tgraphs and words {n}\n" for n in range(4))
    (folder / "items.tsv").write_text(f"item\twords\n{words}")
    (folder / "kg.tsv").write_text(f"item\trelation\tentity\n{KG}")
    return folder.parent


def read(folder, *facts):
    options = {**READING, "text_fields": ["words"], "facts": list(facts)}
    found = CiteULike.read(
        root=str(folder.parent / "data"), path=str(folder), **options
    )
    return found["articles"]


def test_readers_words_and_citations_of_both_directions(library):
    found = read(library, "cites")
    assert {*pairs(found.interactions)} == {("u0", "a0"), ("u0", "a3"), ("u1", "a1")}
    assert found.content["text"].str.starts_with("graphs and words").all()
    ids = found.interactions.items.ids
    facts = found.facts.with_columns(item=ids.gather(found.facts["item"]))
    by_item = facts.group_by("item").agg(pl.col("entity").sort())
    assert dict(by_item.rows()) == {
        "a0": ["a0", "a1", "a2"],
        "a1": ["a0", "a1"],
        "a2": ["a0", "a2"],
    }


def test_who_cites_whom_is_a_neighbour_and_nobody_else(library):
    found = read(library, "cites")
    kg = KnowledgeGraph(min_items=2, max_gib=1.0).features({"articles": found})
    place = {raw: n for n, raw in enumerate(found.interactions.items.ids)}
    vectors = kg["articles"].values
    similar = vectors @ vectors.T
    assert similar[place["a0"], place["a1"]] > 0
    assert similar[place["a0"], place["a2"]] > 0
    assert not kg["articles"].mask[place["a3"]]


def test_without_facts_there_are_none_and_a_wrong_one_is_refused(library):
    assert read(library).facts is None
    tags = read(library, "tag").facts.select("relation", "entity")
    assert sorted(tags.rows()) == [("tag", "tag:none"), ("tag", "tag:t7")]
    with pytest.raises(InputError, match=r"facts=\['likes'\]: give any of cites, tag"):
        read(library, "likes")


@pytest.mark.shared
@pytest.mark.parametrize(
    ("option", "folder", "sizes"),
    [
        (
            "toy_game",
            "amazon_toy_game",
            {"toy": (7996, 37868, 110836), "game": (7996, 11735, 79171)},
        ),
        ("citeulike", "citeulike_t", {"articles": (7947, 25975, 134860)}),
    ],
)
def test_the_real_ones(shared_data, tmp_path, option, folder, sizes):
    path = shared_data / folder
    given = [f"data={option}", f"data.path={path}", "features=none"]
    if option == "citeulike":
        given.append(f"data.root={tmp_path}")
    found = read_data(experiment(given))
    for name, each in found.items():
        side = each.interactions
        assert (len(side.users), len(side.items), len(side.user)) == sizes[name]
    if option == "citeulike":
        assert set(found["articles"].facts["relation"]) == {"cites"}
