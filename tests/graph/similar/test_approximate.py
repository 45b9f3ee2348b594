"""Lists by faiss: which they are, how good they say they are, and their limits."""

import builtins
import logging

import pytest
import torch

from micrec_pyg.graph.similar import approximate as module
from micrec_pyg.graph.similar.approximate import approximate_lists, recall
from micrec_pyg.graph.similar.cache import cached_lists
from micrec_pyg.graph.similar.modalities import weighted
from micrec_pyg.graph.similar.neighbor_lists import NeighborLists
from micrec_pyg.graph.similar.search import neighbor_lists
from micrec_pyg.schema import Feature, InputError

NUM_NODES, K = 1200, 10
WEIGHTS = {"text": 0.9, "image": 0.1}


@pytest.fixture(scope="module")
def modalities():
    """Return clustered vectors; a tenth of the nodes lacks the images."""
    pytest.importorskip("faiss")
    generator = torch.Generator().manual_seed(0)
    found = {}
    for name, width in (("text", 24), ("image", 8)):
        centre = torch.randn(30, width, generator=generator)
        values = centre[torch.randint(30, (NUM_NODES,), generator=generator)]
        values += 0.3 * torch.randn(NUM_NODES, width, generator=generator)
        mask = torch.arange(NUM_NODES) % 10 > 0 if name == "image" else None
        mask = torch.ones(NUM_NODES, dtype=torch.bool) if mask is None else mask
        found[name] = Feature(values * mask[:, None], mask)
    return weighted(found, WEIGHTS)


@pytest.fixture(scope="module")
def exact(modalities):
    return neighbor_lists(modalities, num_nodes=NUM_NODES, k=K, include_self=False)


def test_most_lists_are_exact_and_the_recall_is_told(modalities, exact, caplog):
    caplog.set_level(logging.INFO)
    found = approximate_lists(modalities, num_nodes=NUM_NODES, k=K, include_self=False)
    # of every node, by a count of its own
    hits = (found.index[:, :, None] == exact.index[:, None, :]).any(2).float().mean()
    assert float(hits) > 0.9
    (line,) = [m for m in caplog.messages if "by faiss" in m]
    told = float(line.split("recall@10 ")[1].split()[0])
    assert told >= module.RECALL
    assert told == pytest.approx(float(hits), abs=0.04)
    node = torch.arange(NUM_NODES)[:, None]
    assert not (found.index == node).any()
    # what is listed has the similarity of the definition, to the last bit
    for row in range(0, NUM_NODES, 97):
        known = dict(zip(exact.index[row].tolist(), exact.similarity[row], strict=True))
        for index, value in zip(found.index[row], found.similarity[row], strict=True):
            assert known.get(int(index), value) == value
    assert (found.similarity.diff(dim=1) <= 0).all()


def test_a_node_may_be_its_own_neighbor(modalities):
    found = approximate_lists(modalities, num_nodes=NUM_NODES, k=3, include_self=True)
    assert (found.index[:, 0] == torch.arange(NUM_NODES)).float().mean() > 0.95
    assert found.index.shape == (NUM_NODES, 3)


def test_the_sample_is_compared_with_all_nodes(modalities, exact, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 100)
    rows = torch.arange(0, NUM_NODES, 50)
    found = module._exact(modalities, rows, K + 1)
    others = module._without(found, rows)
    assert torch.equal(others.index, exact.index[rows])
    assert torch.equal(others.similarity, exact.similarity[rows])


def test_too_little_recall_ends_in_the_exact_search(
    modalities, exact, monkeypatch, caplog
):
    monkeypatch.setattr(module, "recall", lambda found, exact: 0.5)
    found = approximate_lists(modalities, num_nodes=NUM_NODES, k=K, include_self=False)
    assert torch.equal(found.index, exact.index)
    assert "recall@10 0.500; too little, searched exactly" in caplog.text


def test_recall_counts_what_is_found_or_as_good():
    exact = NeighborLists(
        torch.tensor([[4, 5, 6], [1, 2, -1]]),
        torch.tensor([[0.9, 0.5, 0.5], [0.4, 0.3, 0.0]]),
    )
    found = NeighborLists(
        torch.tensor([[4, 7, 8], [2, -1, -1]]),
        torch.tensor([[0.9, 0.5, 0.4], [0.3, 0.0, 0.0]]),
    )
    # 4 and 7, which is as good as 5 or 6; then 2: of five
    assert recall(found, exact) == pytest.approx(3 / 5)
    assert recall(exact, exact) == 1


def test_approximate_lists_have_a_file_of_their_own(modalities, tmp_path):
    for approximate in (False, True, True):
        cached_lists(
            modalities,
            num_nodes=NUM_NODES,
            k=2,
            include_self=False,
            cache_dir=str(tmp_path),
            device="cpu",
            approximate=approximate,
        )
    assert len(list(tmp_path.iterdir())) == 2


def test_without_faiss_it_says_what_to_install(modalities, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "faiss":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install 'micrec_pyg\[ann\]'"):
        approximate_lists(modalities, num_nodes=NUM_NODES, k=2, include_self=False)
