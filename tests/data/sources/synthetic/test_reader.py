"""The planted answer is really planted, and only as strongly as asked."""

import math

import polars as pl
import pytest
from reference.reading import READING

from micrec_pyg.data.sources.synthetic.planting import COLORS, TOPICS
from micrec_pyg.data.sources.synthetic.reader import Synthetic
from micrec_pyg.schema import InputError

OPTIONS = {
    **READING,
    "num_domains": 2,
    "num_users": 120,
    "num_items": 128,
    "interactions_per_user": 6,
    "overlap": 0.5,
    "num_topics": 4,
    "num_colors": 4,
    "num_groups": 2,
    "text_signal": 0,
    "image_signal": 0,
    "interaction_signal": 0,
    "overlap_signal": 0,
    "with_images": False,
    "seed": 0,
}
ATTRIBUTES = {"text_signal": "topic", "image_signal": "color"}
ATTRIBUTES["interaction_signal"] = "group"


def generate(root, **options):
    return Synthetic.read(root=str(root), **{**OPTIONS, **options})


def planted(root):
    (file,) = root.glob("processed/synthetic-*/planted.parquet")
    return pl.read_parquet(file)


def choices(root, catalogues):
    """Return the attributes of user and item of every interaction, all domains."""
    answer = planted(root)
    tables = []
    for name, catalogue in catalogues.items():
        data = catalogue.interactions
        mine = answer.filter(pl.col("domain") == name)
        rows = pl.DataFrame(
            {
                "user": data.users.ids.gather(data.user.tolist()),
                "item": data.items.ids.gather(data.item.tolist()),
            }
        )
        for kind in ("user", "item"):
            nodes = mine.filter(pl.col("kind") == kind).drop("domain", "kind")
            rows = rows.join(nodes, left_on=kind, right_on="id", suffix="_item")
        tables.append(rows)
    return pl.concat(tables)


@pytest.mark.parametrize("signal", ATTRIBUTES)
def test_a_full_signal_binds_and_the_others_do_not_matter(tmp_path, signal):
    # 6 on average, at most 9 of the 32 (64) items that fit
    rows = choices(tmp_path, generate(tmp_path, **{signal: 1}))
    for name, attribute in ATTRIBUTES.items():
        kept = (rows[attribute] == rows[f"{attribute}_item"]).mean()
        if name == signal:
            assert kept == 1
            continue
        chance = 1 / (2 if attribute == "group" else 4)
        error = 5 * math.sqrt(chance * (1 - chance) / rows.height)
        assert abs(kept - chance) < error, attribute


def test_a_partial_signal_binds_that_often(tmp_path):
    # the coin binds half of the choices, the others hit one topic in four; that
    # chosen items are gone lowers the expectation by less than the tolerance
    rows = choices(
        tmp_path, generate(tmp_path, text_signal=0.5, num_users=300, num_items=1024)
    )
    expected = 0.5 + 0.5 / 4
    error = 5 * math.sqrt(expected * (1 - expected) / rows.height)
    assert abs((rows["topic"] == rows["topic_item"]).mean() - expected) < error


@pytest.mark.parametrize(("signal", "same"), [(1, 1.0), (0, 0.25)])
def test_shared_users_share_their_tastes_as_often_as_asked(tmp_path, signal, same):
    catalogues = generate(tmp_path, overlap_signal=signal, num_users=400, num_domains=3)
    users = planted(tmp_path).filter(pl.col("kind") == "user")
    names = [set(c.interactions.users.ids) for c in catalogues.values()]
    common = names[0] & names[1]
    assert common == names[0] & names[2] == names[1] & names[2]
    assert len(common) == 200
    first, second, third = (
        users.filter((pl.col("domain") == d) & pl.col("id").is_in(common)).sort("id")
        for d in ("d0", "d1", "d2")
    )
    error = 5 * math.sqrt(same * (1 - same) / 200)
    for left, right in ((first, second), (first, third), (second, third)):
        assert abs((left["topic"] == right["topic"]).mean() - same) <= error


def test_titles_show_the_topic_and_nothing_else(tmp_path):
    catalogue = generate(tmp_path)["d0"]
    answer = planted(tmp_path).filter(
        (pl.col("kind") == "item") & (pl.col("domain") == "d0")
    )
    topic = dict(zip(answer["id"], answer["topic"], strict=True))
    vocabularies = list(TOPICS.values())
    assert len(set().union(*vocabularies)) == sum(map(len, vocabularies))
    items = catalogue.interactions.items.ids
    for item, title in zip(items, catalogue.content["text"], strict=True):
        assert set(title.split()) <= set(vocabularies[topic[item]])


def test_images_show_the_color(tmp_path):
    from PIL import Image, ImageColor

    catalogue = generate(tmp_path, with_images=True, num_items=40)["d1"]
    answer = planted(tmp_path).filter(
        (pl.col("kind") == "item") & (pl.col("domain") == "d1")
    )
    color = dict(zip(answer["id"], answer["color"], strict=True))
    items = catalogue.interactions.items.ids
    for item, path in zip(items, catalogue.content["image"], strict=True):
        with Image.open(path) as image:
            found = {rgb for _, rgb in image.getcolors()}
        wanted = ImageColor.getrgb(COLORS[color[item]])
        assert found == {(255, 255, 255), wanted}


def test_attributes_of_items_are_balanced_and_independent(tmp_path):
    generate(tmp_path)
    items = planted(tmp_path).filter(pl.col("kind") == "item")
    table = items.group_by("domain", "topic", "color", "group").len()
    # 128 items, 4 * 4 * 2 combinations
    assert table.height == 64
    assert set(table["len"]) == {4}


def test_the_seed_decides_everything(tmp_path):
    content = []
    for place, seed in (("a", 5), ("b", 5), ("c", 6)):
        catalogues = generate(tmp_path / place, seed=seed, with_images=True)
        content.append({name: c.digest for name, c in catalogues.items()})
    assert content[0] == content[1]
    assert set(content[0].values()).isdisjoint(content[2].values())
    # a second call reads what the first has written
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "a").rglob("*")}
    generate(tmp_path / "a", seed=5, with_images=True)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "a").rglob("*")} == before


def test_another_domain_changes_nothing_in_the_others(tmp_path):
    two = generate(tmp_path / "two")
    three = generate(tmp_path / "three", num_domains=3)
    assert list(three) == ["d0", "d1", "d2"]
    assert [three[name].digest for name in two] == [c.digest for c in two.values()]


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"text_signal": 1.5}, "text_signal=1.5; needed: 0 to 1"),
        ({"num_topics": 9}, "num_topics=9; needed: 1 to 8"),
        ({"num_domains": 0}, "num_domains=0; needed: 1 to inf"),
        ({"interactions_per_user": 90}, "interactions_per_user=90; needed: 1 to 85"),
    ],
)
def test_impossible_values_are_refused(tmp_path, options, fault):
    with pytest.raises(InputError, match=fault):
        generate(tmp_path, **options)
