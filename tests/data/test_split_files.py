"""Splits survive the disk, and foreign or changed files are noticed."""

import polars as pl
import pytest
import torch

from micrec_pyg.data.split import new_nodes
from micrec_pyg.data.split_files import load_split, save_split, split_digest
from micrec_pyg.schema import Domain, InputError, Interactions, Vocab

FIELDS = ("train", "support", "val", "test", "seen_user", "seen_item")


def make_domain(users, items):
    """Return a domain in which everybody has everything but the last item."""
    pairs = torch.cartesian_prod(torch.arange(len(users)), torch.arange(len(items) - 1))
    data = Interactions(
        user=pairs[:, 0],
        item=pairs[:, 1],
        users=Vocab(pl.Series(users)),
        items=Vocab(pl.Series(items)),
    )
    return Domain(name="any", interactions=data, features={}, digest="")


def split(domains, seed=0):
    return new_nodes(domains, ratios=[7, 1, 2], unseen_share=0.3, seed=seed)


@pytest.fixture
def domains():
    users, items = [f"u{n}" for n in range(12)], [f"i{n}" for n in range(9)]
    return {"b": make_domain(users, items), "a": make_domain(users[:8], items[:6])}


def test_a_split_comes_back_the_same(domains, tmp_path):
    saved = split(domains)
    digest = save_split(saved, domains, tmp_path / "splits" / "s.parquet")
    loaded = load_split(domains, path=str(tmp_path / "splits" / "s.parquet"))
    assert list(loaded) == list(domains)
    for name in domains:
        for field in FIELDS:
            assert torch.equal(
                getattr(loaded[name], field), getattr(saved[name], field)
            ), (name, field)
    assert split_digest(loaded, domains) == digest
    assert [path.name for path in (tmp_path / "splits").iterdir()] == ["s.parquet"]


def test_the_digest_knows_the_content_and_not_the_order_of_domains(domains):
    digest = split_digest(split(domains), domains)
    turned = dict(reversed(domains.items()))
    assert split_digest(split(turned), turned) == digest
    assert split_digest(split(domains, seed=1), domains) != digest


def test_a_split_finds_its_nodes_under_other_indices(domains, tmp_path):
    saved = split(domains)
    save_split(saved, domains, tmp_path / "s.parquet")
    users = [f"u{n}" for n in reversed(range(12))]
    items = [*(f"i{n}" for n in reversed(range(8))), "i8"]
    turned = {**domains, "b": make_domain(users, items)}
    loaded = load_split(turned, path=str(tmp_path / "s.parquet"))["b"]
    back = {index: 11 - index for index in range(12)}
    for part in ("train", "support", "val", "test"):
        old = getattr(saved["b"], part).T.tolist()
        new = getattr(loaded, part).T.tolist()
        assert [[back[u], 7 - i] for u, i in old] == new
    assert torch.equal(loaded.seen_user, saved["b"].seen_user.flip(0))


def test_other_data_is_noticed(domains, tmp_path):
    save_split(split(domains), domains, tmp_path / "s.parquet")
    path = str(tmp_path / "s.parquet")
    with pytest.raises(InputError, match=r"holds the domains \['a', 'b'\]"):
        load_split({"a": domains["a"]}, path=path)
    for changed in (make_domain(["u0", "x"], ["i0", "i1"]), domains["b"]):
        with pytest.raises(InputError, match="made for other interactions"):
            load_split({**domains, "a": changed}, path=path)


def test_a_changed_or_missing_file_is_noticed(domains, tmp_path):
    path = tmp_path / "s.parquet"
    with pytest.raises(InputError, match="cannot be read as a split"):
        load_split(domains, path=str(path))
    save_split(split(domains), domains, path)
    metadata = pl.read_parquet_metadata(path)
    table = pl.read_parquet(path)
    moved = table.with_columns(
        pl.when(pl.int_range(pl.len()) == 0)
        .then(pl.lit("test"))
        .otherwise(pl.col("part"))
        .alias("part")
    )
    moved.write_parquet(path, metadata={"digest": metadata["digest"]})
    with pytest.raises(InputError, match="not what was saved"):
        load_split(domains, path=str(path))
