"""Facts about items: read from tables, linked from a graph of entities."""

import polars as pl
import pytest
from reference.malformed import OPTIONS

from micrec_pyg.data.catalogue.facts import link_facts
from micrec_pyg.data.check.folder import check
from micrec_pyg.data.describe.statistics import measure_catalogues
from micrec_pyg.data.sources import Tables
from micrec_pyg.schema import InputError

DEFAULTS = {**OPTIONS, "rating_min": None}
KG = [
    ("2", "brand", "acme"),
    ("1", "brand", "acme"),
    ("1", "made_in", "acme"),
    ("2", "brand", "acme"),
    ("99", "brand", "acme"),
]


@pytest.fixture
def shop(tmp_path):
    """One domain with the items 1, 2 and 7."""
    (tmp_path / "food").mkdir()
    rows = "user\titem\na\t1\na\t2\nb\t1\nb\t7\n"
    (tmp_path / "food/interactions.tsv").write_text(rows)
    return tmp_path


def write(shop, *, item="item", suffix="tsv"):
    frame = pl.DataFrame(KG, schema=[item, "relation", "entity"], orient="row")
    path = shop / f"food/kg.{suffix}"
    if suffix == "parquet":
        frame.write_parquet(path)
    else:
        frame.write_csv(path, separator="\t" if suffix == "tsv" else ",")


def read(shop, **options):
    return Tables.read(path=str(shop), **{**DEFAULTS, **options})["food"]


@pytest.mark.parametrize("suffix", ["tsv", "csv", "parquet"])
def test_facts_are_distinct_and_by_index_and_what_is_left_out_is_counted(shop, suffix):
    write(shop, suffix=suffix)
    food = read(shop)
    ids = food.interactions.items.ids.to_list()
    found = {(ids[i], r, e) for i, r, e in food.facts.rows()}
    assert found == set(KG[:3])
    assert food.facts.height == 3
    assert food.facts.columns == ["item", "relation", "entity"]
    assert food.dropped["facts_of_unknown_items"] == 1
    assert food.dropped["repeated_facts"] == 1
    assert list(food.vectors) == []
    coverage = measure_catalogues({"food": food})["domains"]["food"]["coverage"]
    assert coverage == {"text": 0, "image": 0, "kg": 2}


def test_facts_follow_the_filters_and_the_digest_follows_them(shop):
    without = read(shop)
    assert without.facts is None
    write(shop)
    food = read(shop, filters={"item_core": 2})
    assert food.interactions.items.ids.to_list() == ["1"]
    assert food.facts.rows() == [(0, "brand", "acme"), (0, "made_in", "acme")]
    assert read(shop).digest != without.digest
    assert "kg.tsv" in food.sources


def test_the_item_column_is_mapped_or_guessed(shop):
    (shop / "food/interactions.tsv").write_text("user\tsku\na\t1\na\t2\nb\t7\n")
    write(shop, item="sku")
    assert read(shop, columns={"item": "sku"}).facts.height == 3
    (shop / "food/interactions.tsv").write_text("user\titem\na\t1\na\t2\nb\t7\n")
    write(shop, item="item_id")
    assert read(shop).facts.height == 3


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("item\trelation\n1\tbrand\n", "kg.tsv.*column entity is missing"),
        ("item\trelation\tentity\n1\tbrand\t\n", "kg.tsv.*line 2.*entity"),
        ("item\trelation\tentity\nnan\tbrand\tx\n", "kg.tsv.*line 2.*item"),
        ("item\trelation\tentity\n1\tbrand\n", "kg.tsv.*line 2"),
    ],
)
def test_unusable_facts_are_refused_and_listed(shop, content, fault):
    (shop / "food/kg.tsv").write_text(content)
    with pytest.raises(InputError, match=f"(?s){fault}"):
        read(shop)
    assert check(str(shop), limit=5, options=DEFAULTS).errors == 1


def test_the_check_warns_of_facts_that_say_nothing(shop):
    write(shop)
    problems = check(str(shop), limit=5, options=DEFAULTS)
    told = "\n".join(str(problem) for problem in problems.found)
    assert problems.errors == 0
    assert "1 facts (kg) are of items that no table has" in told
    assert "1 facts (kg) stand there twice" in told


def test_a_graph_of_entities_gives_each_pair_a_fact_once():
    links = pl.DataFrame({"item": ["1", "2"], "entity": ["m.a", "m.b"]})
    triples = pl.DataFrame(
        [
            ("m.a", "actor", "m.x"),
            ("m.x", "actor_in", "m.a"),  # the same two, the other way
            ("m.y", "wrote", "m.b"),  # known from there alone
            ("m.a", "sequel", "m.b"),  # two items
            ("m.x", "knows", "m.y"),  # no item
        ],
        schema=["head", "relation", "tail"],
        orient="row",
    )
    assert link_facts(triples, links).rows() == [
        ("1", "actor", "m.x"),
        ("1", "sequel", "m.b"),
        ("2", "sequel (reverse)", "m.a"),
        ("2", "wrote (reverse)", "m.y"),
    ]
