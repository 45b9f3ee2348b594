"""MMRec's layout: items are the rows of the feature files."""

import re

import numpy as np
import pytest
from reference.raw import by_item, ids, pairs
from reference.reading import READING

from micrec_pyg.data.sources.mmrec import MMRec
from micrec_pyg.data.splits.at_random import ready
from micrec_pyg.schema import InputError

INTER = (
    "userID\titemID\trating\ttimestamp\tx_label\n"
    "0\t2\t5\t100\t0\n0\t1\t3\t101\t1\n1\t2\t4\t102\t2\n"
)
TEXT = np.array([[1, 2], [3, 4], [5, 6], [7, 8]], np.float64)


@pytest.fixture
def baby(tmp_path):
    folder = tmp_path / "baby"
    folder.mkdir()
    (folder / "baby.inter").write_text(INTER)
    np.save(folder / "text_feat.npy", TEXT)
    np.save(folder / "image_feat.npy", TEXT[:, :1].astype(np.float16))
    return folder


def read(folder, **options):
    default = {
        **READING,
        "features": None,
        "columns": None,
        "text_fields": [],
    }
    root = str(folder.parent / "data")
    return MMRec.read(root=root, path=str(folder), **{**default, **options})


def test_numbers_are_rows_of_the_feature_files(baby):
    (catalogue,) = read(baby).values()
    data = catalogue.interactions
    assert (catalogue.name, catalogue.clock) == ("baby", "timestamp")
    assert ids(catalogue) == (["0", "1"], ["0", "1", "2", "3"])
    assert pairs(data) == [("0", "2"), ("0", "1"), ("1", "2")]
    assert data.part.tolist() == [0, 1, 2]
    text = by_item(catalogue, catalogue.vectors["text"].values)
    assert list(text.values()) == TEXT.tolist()
    image = by_item(catalogue, catalogue.vectors["image"].values)
    assert list(image.values()) == [[1], [3], [5], [7]]
    assert all(feature.mask.all() for feature in catalogue.vectors.values())
    assert catalogue.content["text"].is_null().all()
    split = ready({"baby": catalogue})["baby"]
    assert split.test.tolist() == data.edges[:, 2:].tolist()
    assert set(catalogue.sources) >= {"baby.inter", "text_feat.npy", "image_feat.npy"}


def test_other_names_of_columns_and_files(baby):
    text = INTER.replace("userID", "user").replace("itemID", "sku")
    (baby / "baby.inter").write_text(text.replace("\t2\t", "\t02\t"))
    np.save(baby / "clip.npy", TEXT)
    (catalogue,) = read(
        baby, columns={"item": "sku"}, features={"image": "clip.npy"}, rating_min=4
    ).values()
    assert catalogue.vectors.keys() == {"image"}
    assert pairs(catalogue.interactions) == [("0", "2"), ("1", "2")]


def test_without_features_the_items_are_those_of_the_file(baby):
    (catalogue,) = read(baby, features={}).values()
    assert ids(catalogue)[1] == ["1", "2"]
    assert catalogue.vectors == {}


class Malice:
    def __reduce__(self):
        return (exit, ())


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            {"inter": INTER.replace("\t1\t3", "\t4\t3")},
            "line 3, column 'item': got '4'",
        ),
        ({"inter": INTER.replace("\t1\t3", "\tB01\t3")}, "line 3, column 'item'"),
        ({"inter": INTER.replace("\t1\n", "\t7\n")}, "column 'x_label': got 7"),
        ({"text": TEXT[:3]}, "{'image_feat.npy': 4, 'text_feat.npy': 3}"),
        ({"text": TEXT[0]}, "text_feat.npy: got (2,) of float64, a matrix"),
        ({"text": TEXT.astype(str)}, "text_feat.npy: got (4, 2) of <U"),
        ({"text": TEXT * np.array([[1], [1], [np.nan], [1]])}, "row 2 (from 0)"),
        ({"text": np.array([[Malice()]] * 4)}, "allow_pickle=False"),
        ({"raw": b"nonsense"}, "text_feat.npy: it cannot be read"),
    ],
)
def test_a_fault_is_refused_with_its_place(baby, change, fault):
    if "inter" in change:
        (baby / "baby.inter").write_text(change["inter"])
    if "text" in change:
        np.save(baby / "text_feat.npy", change["text"])
    if "raw" in change:
        (baby / "text_feat.npy").write_bytes(change["raw"])
    with pytest.raises(InputError, match=re.escape(fault)):
        read(baby)


def test_the_files_must_be_there(baby):
    with pytest.raises(InputError, match=r"clip\.npy: no such file"):
        read(baby, features={"image": "clip.npy"})
    with pytest.raises(InputError, match="no modality can be called items"):
        read(baby, features={"items": "text_feat.npy"})
    (baby / "other.inter").write_text(INTER)
    with pytest.raises(InputError, match=r"found: baby\.inter, other\.inter"):
        read(baby)


def test_what_is_not_read_is_named(baby, caplog):
    (baby / "user_graph_dict.npy").write_bytes(b"x")
    (baby / "meta.csv").write_text("a\n")
    read(baby)
    told = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert [each.removeprefix(f"{baby}/") for each in told] == [
        "meta.csv: it is not read: nothing of this name is known here; remove it if it "
        "is not needed",
        "user_graph_dict.npy: it is not read: the files of modalities are called "
        "<modality>_feat.npy; if it holds vectors of the items, give "
        "data.features={MODALITY: FILE}",
    ]
