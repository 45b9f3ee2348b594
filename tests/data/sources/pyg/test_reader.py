"""Saved graphs as catalogues, loaded without running code from them."""

import os
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.raw import by_item, ids, pairs
from reference.reading import READING
from torch_geometric.data import HeteroData, InMemoryDataset
from torch_geometric.transforms import RandomLinkSplit

from micrec_pyg.data.sources.pyg.reader import HeteroDataFile
from micrec_pyg.schema import InputError

EDGE = ("user", "rates", "movie")


def graph():
    """Return a graph as PyG's MovieLens data sets are."""
    data = HeteroData()
    data["user"].num_nodes = 3
    data["movie"].x = torch.tensor([[0.5, 1.0], [2.0, 3.0], [4.0, 5.0]])
    data["movie"].title = ["Heat", "", "Toy Story"]
    data[EDGE].edge_index = torch.tensor([[0, 0, 2, 1], [1, 2, 1, 0]])
    data[EDGE].rating = torch.tensor([5, 3, 4, 4])
    data[EDGE].time = torch.tensor([100, 101, 102, 103])
    data["movie", "rated_by", "user"].edge_index = data[EDGE].edge_index.flip(0)
    return data


def read(file, **options):
    default = {
        "name": "movies",
        "user": "user",
        "item": None,
        "relation": None,
        "ids": None,
        "test_labels": True,
        **READING,
    }
    root = str(file.parent / "data")
    (catalogue,) = HeteroDataFile.read(
        root=root, path=str(file), **{**default, **options}
    ).values()
    return catalogue


def saved(tmp_path, data):
    torch.save(data.to_dict(), tmp_path / "g.pt")
    return tmp_path / "g.pt"


def edges(catalogue):
    return pairs(catalogue.interactions)


@pytest.mark.parametrize("form", ["dict", "object", "data set"])
def test_all_ways_of_saving_give_the_same(tmp_path, form):
    file = tmp_path / "g.pt"
    if form == "dict":
        torch.save(graph().to_dict(), file)
    elif form == "object":
        torch.save(graph(), file)
    else:
        file = tmp_path / "set"
        (file / "processed").mkdir(parents=True)
        InMemoryDataset.save([graph()], str(file / "processed/data.pt"))
    catalogue = read(file)
    assert catalogue.name == "movies"
    assert edges(catalogue) == [("0", "1"), ("0", "2"), ("2", "1"), ("1", "0")]
    assert catalogue.interactions.time.tolist() == [100, 101, 102, 103]
    text = by_item(catalogue, catalogue.content["text"])
    assert text == {"0": "Heat", "1": None, "2": "Toy Story"}
    vectors = by_item(catalogue, catalogue.vectors["x"].values)
    assert vectors == {"0": [0.5, 1], "1": [2, 3], "2": [4, 5]}
    assert edges(read(file, rating_min=4)) == [("0", "1"), ("2", "1"), ("1", "0")]


def test_labelled_edges_are_the_test_part_as_in_movielens_100k(tmp_path):
    data = graph()
    data[EDGE].edge_label_index = torch.tensor([[1], [2]])
    data[EDGE].edge_label = torch.tensor([2.0])
    file = saved(tmp_path, data)
    catalogue = read(file)
    assert edges(catalogue)[-1] == ("1", "2")
    assert catalogue.interactions.part.tolist() == [0, 0, 0, 0, 2]
    # the labelled edges have no time, and their label is a rating
    assert catalogue.clock is None
    assert ("1", "2") not in edges(read(file, rating_min=3))
    alone = read(file, test_labels=False)
    assert len(edges(alone)) == 4
    assert alone.interactions.part is None
    assert alone.clock == "timestamp"


def test_masks_are_a_ready_split(tmp_path):
    data = graph()
    for name, edge in (("train", [0, 1]), ("val", [2]), ("test", [3])):
        mask = torch.zeros(4, dtype=torch.bool)
        mask[edge] = True
        data[EDGE][f"{name}_mask"] = mask
    assert read(saved(tmp_path, data)).interactions.part.tolist() == [0, 0, 1, 2]
    data[EDGE].val_mask[0] = True
    with pytest.raises(InputError, match=r"edge 0 .* and 0 others are not"):
        read(saved(tmp_path, data))


def test_raw_ids_missing_vectors_and_chosen_types(tmp_path):
    data = graph()
    data["user"].key, data["movie"].key = ["a", "b", "c"], torch.tensor([7, 8, 9])
    data["movie"].x_mask = torch.tensor([True, False, True])
    data["movie"].x[1] = float("nan")
    data["user", "sees", "movie"].edge_index = torch.tensor([[1], [1]])
    file = saved(tmp_path, data)
    catalogue = read(file, ids="key", item="movie", relation="sees")
    assert edges(catalogue) == [("b", "8")]
    known = by_item(catalogue, catalogue.vectors["x"].mask)
    assert known == {"7": True, "8": False, "9": True}
    with pytest.raises(InputError, match=r"2 edge types are \(user, \*, \*\)"):
        read(file)
    with pytest.raises(InputError, match="user has no attribute asin; found: num"):
        read(file, relation="rates", ids="asin")


def test_edges_alone_tell_how_many_nodes_there_are(tmp_path):
    data = HeteroData()
    data["u", "to", "i"].edge_index = torch.tensor([[0, 4], [2, 0]])
    catalogue = read(saved(tmp_path, data), user="u")
    assert edges(catalogue) == [("0", "2"), ("4", "0")]
    assert ids(catalogue)[1] == ["0", "1", "2"]


class Malice:
    def __reduce__(self):
        return (os.mkdir, ("/tmp/micrec-must-not-exist",))


def test_code_in_a_file_is_not_run(tmp_path):
    torch.save({"x": Malice()}, tmp_path / "g.pt")
    with pytest.raises(InputError, match=r"without running code.*data\.to_dict\(\)"):
        read(tmp_path / "g.pt")
    assert not os.path.exists("/tmp/micrec-must-not-exist")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda d: d[EDGE].edge_index[1].__setitem__(2, 3), "column 2 (from 0) names"),
        (lambda d: d[EDGE].edge_index[0].__setitem__(1, -1), "number -1 of 3 users"),
        (
            lambda d: setattr(d[EDGE], "edge_index", torch.rand(2, 4)),
            "two rows of whole",
        ),
        (lambda d: setattr(d[EDGE], "rating", torch.ones(3)), "one number per edge"),
        (
            lambda d: setattr(d[EDGE], "time", torch.tensor([0, 1, float("inf"), 2])),
            ".time: number 2 (from 0) is not finite",
        ),
        (lambda d: d["movie"].x[1].fill_(float("nan")), "row 1 (from 0) is not finite"),
    ],
)
def test_a_fault_is_refused_with_its_place(tmp_path, change, fault):
    data = graph()
    change(data)
    with pytest.raises(InputError, match=re.escape(fault)):
        read(saved(tmp_path, data))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (torch.ones(3), "it holds a Tensor"),
        ({"user": {"x": torch.ones(3)}}, "it holds no edge type"),
        (b"nonsense", "it cannot be"),
        (b"", "it cannot be read"),
    ],
)
def test_other_files_are_refused(tmp_path, content, fault):
    if isinstance(content, bytes):
        (tmp_path / "g.pt").write_bytes(content)
    else:
        torch.save(content, tmp_path / "g.pt")
    with pytest.raises(InputError, match=fault):
        read(tmp_path / "g.pt")
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "h.pt")


def test_negative_samples_are_no_test_part(tmp_path):
    data = graph()
    del data[EDGE].rating
    data[EDGE].edge_label_index = torch.tensor([[1, 1], [2, 1]])
    data[EDGE].edge_label = torch.tensor([1.0, 0.0])
    with pytest.raises(InputError, match="edge_label 0 marks pairs that never met"):
        read(saved(tmp_path, data))


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 5)),
        min_size=1,
        max_size=12,
        unique=True,
    ),
    st.data(),
)
def test_edges_come_back_in_their_order(tmp_path_factory, pairs, draw):
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = 5, 6
    data["user", "to", "item"].edge_index = torch.tensor(pairs).T.contiguous()
    times = [draw.draw(st.integers(0, 10**9)) for _ in pairs]
    data["user", "to", "item"].time = torch.tensor(times)
    folder = tmp_path_factory.mktemp("g")
    catalogue = read(saved(folder, data))
    assert edges(catalogue) == [(str(user), str(item)) for user, item in pairs]
    assert catalogue.interactions.time.tolist() == times
    assert len(catalogue.interactions.items) == 6


@pytest.mark.parametrize("rating", [[5, 3, 4, 4], [1, 0, 1, 1], None])
def test_negative_samples_of_rated_edges_are_no_interactions(tmp_path, rating):
    # RandomLinkSplit labels by 1 and 0, whatever the ratings are
    data = graph()
    del data[EDGE].time
    if rating is None:
        del data[EDGE].rating
    else:
        data[EDGE].rating = torch.tensor(rating)
    split = RandomLinkSplit(
        num_val=0.0, num_test=0.5, edge_types=[EDGE], rev_edge_types=None
    )
    torch.manual_seed(0)
    _, _, test = split(data)
    assert set(test[EDGE].edge_label.tolist()) == {0, 1}
    with pytest.raises(InputError, match="edge_label 0 marks pairs that never met"):
        read(saved(tmp_path, test))
    assert len(edges(read(saved(tmp_path, test), test_labels=False))) == 2


def test_labels_of_one_alone_are_no_ratings(tmp_path, caplog):
    data = graph()
    data[EDGE].edge_label_index = torch.tensor([[1], [2]])
    data[EDGE].edge_label = torch.tensor([1.0])
    file = saved(tmp_path, data)
    assert edges(read(file))[-1] == ("1", "2")
    assert "rating is left out: edge_label_index has none" in caplog.text
    with pytest.raises(InputError, match="column rating is missing"):
        read(file, rating_min=4)


def test_a_rating_of_zero_is_a_rating_where_others_are_too(tmp_path):
    data = graph()
    data[EDGE].rating = torch.tensor([0, 3, 4, 4])
    data[EDGE].edge_label_index = torch.tensor([[1, 2], [2, 0]])
    data[EDGE].edge_label = torch.tensor([0.0, 5.0])
    assert edges(read(saved(tmp_path, data)))[-2:] == [("1", "2"), ("2", "0")]
    assert edges(read(saved(tmp_path, data), rating_min=5)) == [("2", "0")]


@pytest.mark.parametrize(
    ("title", "texts", "note"),
    [
        (["Heat", "Up"], {}, "movie.title: 2 texts for 3 items are left out"),
        (("Heat", "Up"), {}, "movie.title: 2 texts for 3 items are left out"),
        (["Heat", float("nan"), "Up"], {"0": "Heat", "2": "Up"}, "1 NaN count as"),
        (["Heat", None, "Up"], {"0": "Heat", "2": "Up"}, ""),
        (("Heat", "", "Up"), {"0": "Heat", "2": "Up"}, ""),
        (["Heat", 7, "Up"], {}, "a list of texts and int is left out"),
    ],
)
def test_texts_are_read_or_named_at_every_reading(tmp_path, caplog, title, texts, note):
    data = graph()
    data["movie"].title = title
    file = saved(tmp_path, data)
    for _ in range(2):  # the second time they are converted already
        caplog.clear()
        catalogue = read(file)
        found = by_item(catalogue, catalogue.content["text"])
        assert {item: text for item, text in found.items() if text} == texts
        assert [r for r in caplog.records if r.levelname == "WARNING"] == [
            r for r in caplog.records if note and note in r.message
        ]
        assert note in caplog.text


@pytest.mark.parametrize(
    ("value", "note"),
    [
        (torch.ones(2, 4), "a tensor of float32 and shape (2, 4) is left out"),
        (torch.ones(3, 4).int(), "a tensor of int32 and shape (3, 4) is left out"),
        ([1, 2, 3], "a list of 3 is left out"),
        (
            torch.sparse_coo_tensor(
                [[0], [1]], [1.0], (3, 2**27), check_invariants=True
            ),
            "a sparse matrix of (3, 134217728) is left out: too large",
        ),
    ],
    ids=["rows", "integers", "numbers", "sparse"],
)
def test_what_is_no_modality_is_named(tmp_path, caplog, value, note):
    data = graph()
    data["movie"].genres = value
    assert set(read(saved(tmp_path, data)).vectors) == {"x"}
    assert f"movie.genres: {note}" in caplog.text


@pytest.mark.parametrize("layout", ["coo", "csr", "dense"])
def test_sparse_vectors_are_read_and_rows_of_zeros_are_missing(
    tmp_path, caplog, layout
):
    data = graph()
    x = torch.tensor([[0.5, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, -1.0, 2.0]])
    makers = {"coo": x.to_sparse, "csr": x.to_sparse_csr, "dense": x.clone}
    data["movie"].x = makers[layout]()
    catalogue = read(saved(tmp_path, data))
    vectors = by_item(catalogue, catalogue.vectors["x"].values)
    assert {item: vectors[item] for item in "02"} == {"0": [0.5, 0, 0], "2": [0, -1, 2]}
    mask = by_item(catalogue, catalogue.vectors["x"].mask)
    assert mask == {"0": True, "1": False, "2": True}
    assert "movie.x: 1 rows of zeros count as missing" in caplog.text


def test_sparse_edges_are_refused(tmp_path):
    data = graph()
    data[EDGE].edge_index = data[EDGE].edge_index.to_sparse()
    with pytest.raises(InputError, match="two rows of whole numbers are needed"):
        read(saved(tmp_path, data))


def test_what_is_not_read_of_a_graph_is_named(tmp_path, caplog):
    data = graph()
    data["user"].age = torch.ones(3, 1)
    data["brand"].x = torch.ones(2, 2)
    data["movie", "has", "brand"].edge_index = torch.tensor([[0], [1]])
    data[EDGE].weight = torch.ones(data[EDGE].edge_index.shape[1])
    file = saved(tmp_path, data)
    for _ in range(2):
        caplog.clear()
        read(file)
        for what in (
            "node types brand;",
            "edge types ('movie', 'has', 'brand');",
            "attributes of user age;",
            "attributes of ('user', 'rates', 'movie') weight;",
        ):
            assert f"{file}: not read: the {what}" in caplog.text
        assert "rated_by" not in caplog.text
