"""Data sets as PyG's users get them: content and processed files."""

from itertools import combinations
from pathlib import Path

import polars as pl
import pytest
import torch
from torch_geometric import transforms

from micrec_pyg import datasets
from micrec_pyg.cli.config import composed
from micrec_pyg.datasets import CrossDomain
from micrec_pyg.runs.build import build
from micrec_pyg.schema import INTERACTED_BY, INTERACTS, ITEM, USER, InputError

CONF = Path(__file__).parent.parent / "conf" / "data"
PARTS = ("support", "val", "test", "silent")


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Return settings of generated domains, small ones."""
    return (
        "data.num_users=30",
        "data.num_items=24",
        "data.interactions_per_user=6",
        "data.with_images=false",
        f"data.root={tmp_path_factory.mktemp('generated')}",
    )


@pytest.fixture
def make(tmp_path, small):
    """Return a maker of data sets from generated domains."""

    def made(*overrides, **arguments):
        return CrossDomain(
            tmp_path, "synthetic", overrides=[*small, *overrides], **arguments
        )

    return made


@pytest.fixture(scope="session")
def catalogues(small):
    """Return what the data sets are made of."""
    return build(composed(["data=synthetic", *small])["data"])


@pytest.fixture(scope="session")
def domains(catalogues):
    return build(composed(["features=none"])["features"])(catalogues)


def raw(graph, pairs):
    users, items = pairs.tolist()
    return [
        (graph.user_ids[u], graph.item_ids[i])
        for u, i in zip(users, items, strict=True)
    ]


def times_of(known):
    """Return {(raw user, raw item): time}."""
    return {
        (known.users.ids[int(u)], known.items.ids[int(i)]): int(t)
        for u, i, t in zip(known.user, known.item, known.time, strict=True)
    }


def test_graphs_hold_every_interaction_with_its_time(make, catalogues):
    dataset = make()
    assert len(dataset) == 2
    assert dataset.domains == list(catalogues) == [g.domain for g in dataset]
    for graph in dataset:
        known = catalogues[graph.domain].interactions
        assert graph.user_ids.tolist() == known.users.ids.to_list()
        assert graph.item_ids.tolist() == known.items.ids.to_list()
        assert graph[USER].num_nodes == len(known.users)
        assert graph[ITEM].num_nodes == len(known.items)
        for edge_type, pairs in (
            (INTERACTS, graph[INTERACTS].edge_index),
            (INTERACTED_BY, graph[INTERACTED_BY].edge_index.flip(0)),
        ):
            time = graph[edge_type].time.tolist()
            assert pairs.shape == known.edges.shape
            assert dict(zip(raw(graph, pairs), time, strict=True)) == times_of(known)
        assert set(graph[ITEM].keys()) == {"num_nodes"}  # no encoder ran


def test_people_are_the_same_number_in_all_domains(make):
    dataset = make("data.num_domains=3")
    for a, b in combinations(dataset, 2):
        shared = torch.isin(a[USER].person, b[USER].person)
        expected = [user in set(b.user_ids) for user in a.user_ids]
        assert shared.tolist() == expected
        assert 0 < sum(expected) < len(expected)
    name = {}
    for graph in dataset:
        people = graph[USER].person.tolist()
        for person, user in zip(people, graph.user_ids, strict=True):
            assert name.setdefault(person, user) == user
    assert sorted(name) == list(range(len(name)))


@pytest.mark.parametrize("split", ["random", "new_nodes", "leave_one_out"])
def test_a_split_leaves_training_edges_and_gives_the_rest_by_part(
    make, catalogues, split, small
):
    config = composed(["data=synthetic", f"split={split}", "seed=3", *small])
    expected = build(config["split"])(catalogues)
    for graph in make(split=split, seed=3):
        known, parts = times_of(catalogues[graph.domain].interactions), {}
        store = graph[INTERACTS]
        parts["train"] = (store.edge_index, store.time)
        assert torch.equal(store.edge_index.flip(0), graph[INTERACTED_BY].edge_index)
        assert torch.equal(store.time, graph[INTERACTED_BY].time)
        for part in PARTS:
            parts[part] = (store[f"{part}_index"], store[f"{part}_time"])
        found = {}
        for part, (pairs, time) in parts.items():
            assert torch.equal(pairs, getattr(expected[graph.domain], part))
            rows = dict(zip(raw(graph, pairs), time.tolist(), strict=True))
            assert found.keys().isdisjoint(rows)
            found |= rows
        assert found == known
        assert torch.equal(graph[USER].seen_mask, expected[graph.domain].seen_user)
        assert torch.equal(graph[ITEM].seen_mask, expected[graph.domain].seen_item)


def test_the_seed_decides_the_split(make):
    def held_out(seed):
        return make(split="random", seed=seed)[0][INTERACTS].test_index

    assert torch.equal(held_out(1), held_out(1))
    assert not torch.equal(held_out(1), held_out(2))


def write_shop(folder):
    """Write three domains: vectors called style, vectors called sound, and none."""
    for name, modality, width in (("a", "style", 3), ("b", "sound", 5), ("c", "", 0)):
        (folder / name).mkdir(parents=True)
        pairs = [(f"u{u}", f"{name}{i}") for u in range(4) for i in range(u % 3 + 1)]
        lines = ["user\titem", *("\t".join(pair) for pair in pairs)]
        (folder / name / "interactions.tsv").write_text("\n".join(lines) + "\n")
        if modality:
            frame = {"item": [f"{name}0"], "vector": [[float(width)] * width]}
            pl.DataFrame(frame).write_parquet(folder / name / f"{modality}.parquet")
    return folder


def test_three_domains_with_unlike_modalities(tmp_path):
    shop = write_shop(tmp_path / "shop")
    dataset = CrossDomain(tmp_path, "tables", overrides=[f"data.path={shop}"])
    assert dataset.domains == ["a", "b", "c"]
    a, b, c = dataset
    assert set(a[ITEM].keys()) == {"num_nodes", "style", "style_mask"}
    assert set(b[ITEM].keys()) == {"num_nodes", "sound", "sound_mask"}
    assert set(c[ITEM].keys()) == {"num_nodes"}
    for graph, modality, width in ((a, "style", 3), (b, "sound", 5)):
        first = graph.item_ids.tolist().index(f"{graph.domain}0")
        assert graph[ITEM][modality][first].tolist() == [float(width)] * width
        assert graph[ITEM][f"{modality}_mask"].nonzero().tolist() == [[first]]
    assert "time" not in a[INTERACTS]
    two = dataset.copy([2, 0])
    assert two.domains == ["c", "a"]
    two[1][ITEM].style.zero_()
    assert a[ITEM].style.any()  # copies share nothing


def test_a_modality_with_a_name_of_the_graph_is_refused(tmp_path):
    shop = write_shop(tmp_path / "shop")
    (shop / "a" / "style.parquet").rename(shop / "a" / "num_nodes.parquet")
    with pytest.raises(InputError, match="must not be called num_nodes"):
        CrossDomain(tmp_path, "tables", overrides=[f"data.path={shop}"])


def test_features_are_made_as_the_option_says(tmp_path):
    shop = write_shop(tmp_path / "shop")
    settings = [f"data.path={shop}", "features.text=null"]
    noisy = CrossDomain(tmp_path, "tables", overrides=settings, features="noise")
    plain = CrossDomain(tmp_path, "tables", overrides=settings)
    found, kept = noisy[0][ITEM], plain[0][ITEM]
    assert torch.equal(found.style_mask, kept.style_mask)
    assert not (found.style == kept.style)[found.style_mask].any()


@pytest.mark.parametrize(
    "option", sorted(path.stem for path in CONF.glob("[!_]*.yaml"))
)
def test_every_option_of_data_is_served(option, tmp_path, domains, monkeypatch):
    asked = []

    def read(config, is_split):
        asked.append(config["data"]["_target_"])
        return domains, {}

    monkeypatch.setattr(datasets, "_read", read)
    settings = ["data.path=shop"] if "path: ???" in text_of(option) else []
    settings += ["pair=food_kitchen"] if "pair:" in text_of(option) else []
    assert len(CrossDomain(tmp_path, option, overrides=settings)) == len(domains)
    assert f"_target_: {asked[0]}\n" in text_of(option)


def text_of(option):
    return (CONF / f"{option}.yaml").read_text()


def never(*_):
    raise AssertionError("the processed file was there")


def test_the_processed_file_is_used_again(make, monkeypatch):
    before = make(split="random")
    monkeypatch.setattr(datasets, "_read", never)
    after = make(split="random")
    assert after.processed_paths == before.processed_paths
    for one, two in zip(before, after, strict=True):
        assert str(one) == str(two)
        assert one.user_ids.tolist() == two.user_ids.tolist()
        assert torch.equal(one[INTERACTS].test_index, two[INTERACTS].test_index)
    with pytest.raises(AssertionError, match="was there"):
        make(split="random", force_reload=True)


def test_other_arguments_have_a_file_of_their_own(make, tmp_path, monkeypatch):
    paths = [
        make().processed_paths,
        make("data.num_users=31").processed_paths,
        make(split="random").processed_paths,
        make(split="random", seed=1).processed_paths,
        make(split="new_nodes").processed_paths,
        make(pre_transform=transforms.ToUndirected()).processed_paths,
        make(pre_filter=lambda graph: graph.domain == "d0").processed_paths,
    ]
    monkeypatch.chdir(tmp_path)  # where a relative path means something else
    paths.append(make().processed_paths)
    assert len({path for (path,) in paths}) == len(paths)
    assert len(list((tmp_path / "processed").iterdir())) == len(paths)


def test_transforms_and_filters_act_as_in_pyg(make):
    def mark(graph):
        graph[USER].x = torch.ones(graph[USER].num_nodes, 1)
        return graph

    kept = make(pre_filter=lambda graph: graph.domain == "d1", pre_transform=mark)
    assert kept.domains == ["d1"]
    assert kept[0][USER].x.all()
    assert kept.copy().domains == ["d1"]
    calls = []
    seen = make(transform=lambda graph: calls.append(graph.domain) or mark(graph))
    assert calls == []
    assert "x" in seen[1][USER]
    assert "x" not in seen.get(1)[USER]
    assert calls == ["d1"]
    assert seen[1:].domains == ["d1"]


def test_what_transforms_must_not_do(make):
    with pytest.raises(InputError, match="pre_filter leaves no domain"):
        make(pre_filter=lambda graph: False)
    with pytest.raises(InputError, match="a HeteroData is needed"):
        make(pre_transform=lambda graph: graph.to_homogeneous())


class Stranger:
    """Runs code when it is unpickled the usual way."""

    ran = False

    def __reduce__(self):
        return setattr, (Stranger, "ran", True)


def test_no_code_of_a_processed_file_is_run(make):
    (path,) = make().processed_paths
    for name in (path, "pre_transform.pt", "pre_filter.pt"):
        torch.save([Stranger()], Path(path).parent / name)
    with pytest.raises(InputError, match=r"code from it would run.*force_reload=True"):
        make()
    assert len(make(force_reload=True)) == 2
    assert len(make()) == 2
    assert not Stranger.ran


@pytest.mark.parametrize(
    "content", [b"", b"PK torn", {"no": "graphs"}, [1], [{"a": 1}]]
)
def test_a_damaged_file_is_named(make, content):
    (path,) = make().processed_paths
    if isinstance(content, bytes):
        Path(path).write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(InputError, match=r"synthetic-\w+\.pt: it .*force_reload=True"):
        make()


def test_an_unknown_option_is_answered_with_those_there_are(tmp_path):
    with pytest.raises(InputError, match="movielens"):
        CrossDomain(tmp_path, "movielense")
    with pytest.raises(InputError, match="leave_one_out"):
        CrossDomain(tmp_path, "synthetic", split="leave_two_out")
    assert list(tmp_path.iterdir()) == []
