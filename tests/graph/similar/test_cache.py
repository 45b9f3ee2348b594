"""The cache of neighbour lists: what makes a new file and what does not."""

import errno

import pytest
import torch

from micrec_pyg.graph.similar import cache as knn_cache
from micrec_pyg.graph.similar.cache import cached_lists
from micrec_pyg.graph.similar.modalities import weighted
from micrec_pyg.schema import Feature, StorageError
from micrec_pyg.storage import tensors


def features(change: float = 0.0) -> dict[str, Feature]:
    generator = torch.Generator().manual_seed(0)
    made = {
        name: Feature(torch.randn(20, 4, generator=generator), torch.arange(20) != 7)
        for name in ("text", "image")
    }
    made["text"].values[3, 1] += change
    return made


@pytest.fixture
def searches(monkeypatch):
    """Count the searches that are really made."""
    count = []
    search = knn_cache.neighbor_lists

    def counted(*args, **kwargs):
        count.append(kwargs["k"])
        return search(*args, **kwargs)

    monkeypatch.setattr(knn_cache, "neighbor_lists", counted)
    return count


def ask(folder, given=None, *, k=5, w=0.9, include_self=False):
    modalities = weighted(given or features(), {"text": w, "image": 1 - w})
    return cached_lists(
        modalities,
        num_nodes=20,
        k=k,
        include_self=include_self,
        cache_dir=None if folder is None else str(folder),
        device="cpu",
    )


def test_a_second_call_reads_and_a_smaller_k_takes_the_prefix(tmp_path, searches):
    first = ask(tmp_path / "new", k=5)
    again = ask(tmp_path / "new", k=5)
    small = ask(tmp_path / "new", k=2)
    assert searches == [5]
    for lists, k in ((again, 5), (small, 2)):
        assert torch.equal(lists.index, first.index[:, :k])
        assert torch.equal(lists.similarity, first.similarity[:, :k])
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_a_larger_k_replaces_the_file(tmp_path, searches):
    for k in (2, 6, 4):
        ask(tmp_path, k=k)
    assert searches == [2, 6]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "change",
    [{"w": 0.8}, {"include_self": True}, {"given": features(change=1e-6)}],
    ids=["weights", "include_self", "one value"],
)
def test_every_input_makes_a_file_of_its_own(tmp_path, searches, change):
    ask(tmp_path)
    changed = ask(tmp_path, **change)
    assert searches == [5, 5]
    assert len(list(tmp_path.iterdir())) == 2
    fresh = ask(None, **change)
    assert torch.equal(changed.index, fresh.index)


def test_a_changed_mask_makes_a_file_of_its_own(tmp_path, searches):
    zero = features()
    zero["text"].values[7] = 0
    present = dict(zero)
    present["text"] = Feature(zero["text"].values, torch.ones(20, dtype=torch.bool))
    ask(tmp_path, zero)
    ask(tmp_path, present)
    assert searches == [5, 5]


def test_what_lies_behind_a_mask_does_not_matter(tmp_path, searches):
    ask(tmp_path)
    poisoned = features()
    poisoned["image"].values[7] = torch.nan
    ask(tmp_path, poisoned)
    assert searches == [5]


def test_one_modality_makes_w_meaningless_and_reuses_the_file(tmp_path, searches):
    text = {"text": features()["text"]}
    for w in (0.5, 0.7, 0.9):
        ask(tmp_path, text, w=w)
    assert searches == [5]


def test_an_interrupted_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(tensors, "save_file", fail)
    with pytest.raises(StorageError, match=r"knn-.*the disk is full"):
        ask(tmp_path)
    assert list(tmp_path.iterdir()) == []
