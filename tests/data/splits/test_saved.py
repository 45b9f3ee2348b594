"""Splits survive the disk, and foreign or changed files are noticed."""

import dataclasses
import json

import polars as pl
import pytest
import torch
from reference.splits import PROTOCOLS, make_domain, same, shuffled

from micrec_pyg.data.splits.saved import (
    IN_RUN,
    check_split,
    load_split,
    save_split,
    split_digests,
)
from micrec_pyg.schema import InputError
from micrec_pyg.storage.seals import MANIFEST


@pytest.fixture
def domains():
    """Return two domains in which everybody has everything but the last item."""
    found = {}
    for name, users, items in (("b", 12, 8), ("a", 8, 5)):
        pairs = [(u, i) for u in range(users) for i in range(items)]
        time = [7 * u + i for u, i in pairs]
        found[name] = make_domain(pairs, users, items + 1, time=time)
    return found


def split(domains, seed=0):
    return PROTOCOLS["old_graph"](domains, seed)


@pytest.fixture
def saved(domains, tmp_path):
    folder = tmp_path / "splits" / "s"
    save_split(split(domains), domains, folder, protocol="any")
    return folder


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_split_comes_back_the_same(domains, tmp_path, protocol):
    made = PROTOCOLS[protocol](domains, 0)
    save_split(made, domains, tmp_path / "s", protocol=protocol)
    loaded = load_split(domains, path=str(tmp_path / "s"))
    assert list(loaded) == list(domains)
    same(loaded, made)
    check_split(made, domains, tmp_path / "s")
    assert (
        json.loads((tmp_path / "s" / "card.json").read_text())["protocol"] == protocol
    )


def test_only_the_folder_is_left(saved):
    assert sorted(path.name for path in saved.parent.iterdir()) == ["s"]
    names = sorted(path.name for path in saved.iterdir())
    assert names == ["a.parquet", "b.parquet", "card.json", "manifest.json"]


def test_the_tables_hold_raw_ids_by_part(domains, saved):
    made = split(domains)["a"]
    table = pl.read_parquet(saved / "a.parquet")
    assert table.schema == {"part": pl.String, "user": pl.String, "item": pl.String}
    expected = [
        (part, f"u{user}", f"i{item}")
        for part in ("silent", "test", "train", "val")
        for user, item in getattr(made, part).T.tolist()
    ]
    nodes = [("seen_user", f"u{u}", None) for u in range(8)]
    nodes += [("seen_item", None, f"i{i}") for i in range(6)]
    key = [tuple(cell or "" for cell in row) for row in table.rows()]
    assert key == sorted(key)
    assert set(table.rows()) == {*expected, *nodes}


def test_a_run_folder_is_as_good_as_its_split(domains, tmp_path):
    save_split(split(domains), domains, tmp_path / IN_RUN, protocol="any")
    same(load_split(domains, path=str(tmp_path)), split(domains))


def test_the_digest_knows_the_content_and_not_the_order(domains):
    digests = split_digests(split(domains), domains)
    turned = {name: shuffled(domains[name], 1) for name in reversed(domains)}
    assert split_digests(split(turned), turned) == digests
    other = split_digests(split(domains, seed=1), domains)
    assert all(other[name] != digests[name] for name in domains)


def test_the_rule_of_selection_is_part_of_the_split(domains, tmp_path):
    seen, new = (PROTOCOLS[f"global_time{rule}"](domains, 0) for rule in ("", " new"))
    digests = [set(split_digests(each, domains).values()) for each in (seen, new)]
    assert not digests[0] & digests[1]
    save_split(new, domains, tmp_path / "s", protocol="any")
    with pytest.raises(InputError, match="the split of a, b is not the one saved in"):
        check_split(seen, domains, tmp_path / "s")
    (tmp_path / "s" / "manifest.json").unlink()  # the card's own digest says it too
    card = tmp_path / "s" / "card.json"
    card.write_text(card.read_text().replace('"select": "new"', '"select": "seen"'))
    with pytest.raises(InputError, match="its content is not what was saved"):
        load_split(domains, path=str(tmp_path / "s"))


def test_a_split_finds_its_nodes_under_other_indices(domains, saved):
    turned = {name: shuffled(domain, 5) for name, domain in domains.items()}
    loaded = load_split(turned, path=str(saved))
    same(loaded, split(turned))


def test_another_split_is_not_the_saved_one(domains, saved, tmp_path):
    made = split(domains)
    check_split(made, domains, saved)
    other = {**made, "a": split(domains, seed=1)["a"]}
    with pytest.raises(InputError, match="the split of a is not the one saved in"):
        check_split(other, domains, saved)
    with pytest.raises(InputError, match="the split of b is not"):
        check_split({"a": made["a"]}, domains, saved)
    with pytest.raises(InputError, match=r"card.json is missing: no split is saved"):
        check_split(made, domains, tmp_path)


def test_other_data_is_noticed(domains, saved):
    path = str(saved)
    with pytest.raises(InputError, match=r"holds the domains \['a', 'b'\]"):
        load_split({"a": domains["a"]}, path=path)
    pairs = domains["a"].interactions.edges.T.tolist()
    for changed in (
        make_domain(pairs[1:], 8, 6),  # an interaction less
        make_domain([*pairs, (0, 5)], 8, 6),  # one more
        make_domain(pairs, 8, 5),  # an item less
        domains["b"],
    ):
        with pytest.raises(InputError, match="made for other interactions"):
            load_split({**domains, "a": changed}, path=path)


def test_a_changed_table_is_noticed(domains, saved):
    table = pl.read_parquet(saved / "a.parquet")
    moved = table.with_columns(pl.col("part").replace({"val": "train"}))
    moved.write_parquet(saved / "a.parquet")
    with pytest.raises(InputError, match=r"a.parquet is not what was written"):
        load_split(domains, path=str(saved))
    (saved / MANIFEST).unlink()  # as in earlier versions
    for changed in (moved, table.head(-1), table.drop("part")):
        changed.write_parquet(saved / "a.parquet")
        with pytest.raises(InputError, match=r"a.parquet: its content is not what was"):
            load_split(domains, path=str(saved))
    (saved / "a.parquet").write_text("no parquet")
    with pytest.raises(InputError, match="cannot be read as a split"):
        load_split(domains, path=str(saved))
    (saved / "a.parquet").unlink()
    with pytest.raises(InputError, match="cannot be read as a split"):
        load_split(domains, path=str(saved))


@pytest.mark.parametrize(
    "text", ["", "[]", '{"domains": [1]}', '{"domains": {"a": 1}}']
)
def test_a_card_that_is_none_is_noticed(domains, saved, text):
    (saved / "card.json").write_text(text)
    with pytest.raises(InputError, match="not the card of a split"):
        load_split(domains, path=str(saved))


def test_a_pair_that_stands_twice_is_noticed(domains, tmp_path):
    made = split(domains)
    test = torch.cat([made["a"].test, made["a"].val[:, :1]], dim=1)
    doubled = dataclasses.replace(made["a"], test=test)
    folder = tmp_path / "s"
    save_split({**made, "a": doubled}, domains, folder, protocol="any")
    with pytest.raises(InputError, match="made for other interactions"):
        load_split(domains, path=str(folder))
