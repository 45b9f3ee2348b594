"""Nearest neighbours against the definition, read pair by pair."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import graph as reference
from torch.testing import assert_close

from micrec_pyg import blas
from micrec_pyg.graph.similar import blocks as sizes
from micrec_pyg.graph.similar import proposals
from micrec_pyg.graph.similar.blocks import CPU, CUDA
from micrec_pyg.graph.similar.modalities import weighted
from micrec_pyg.graph.similar.neighbor_lists import NeighborLists
from micrec_pyg.graph.similar.proposals import INPUT_ERROR
from micrec_pyg.graph.similar.search import neighbor_lists
from micrec_pyg.schema import Feature, InputError

WEIGHTS = {"text": 0.9, "image": 0.1, "audio": 0.4}


def make(num_nodes, *, present=1.0, seed=0, kind="normal", names=("text", "image")):
    """Return features of several widths; NaN where a node has none."""
    generator = torch.Generator().manual_seed(seed)
    features = {}
    for place, name in enumerate(names):
        width = 5 + 2 * place
        if kind == "normal":
            values = torch.randn(num_nodes, width, generator=generator)
        else:  # small integers: many equal nodes, ties, orthogonal and zero vectors
            values = torch.randint(-1, 2, (num_nodes, width), generator=generator)
            values = values.float()
        mask = torch.rand(num_nodes, generator=generator) < present
        values[~mask] = torch.nan
        features[name] = Feature(values=values, mask=mask)
    return features


def search(
    features,
    *,
    weights=WEIGHTS,
    k=3,
    include_self=False,
    rows=512,
    searched=CPU.searched,
):
    num_nodes = len(next(iter(features.values())).mask)
    return neighbor_lists(
        weighted(features, weights),
        num_nodes=num_nodes,
        k=k,
        include_self=include_self,
        blocks=replace(CPU, rows=rows, searched=searched),
    )


def assert_equals_reference(
    lists: NeighborLists, features, *, weights=WEIGHTS, k=3, include_self=False
):
    modalities = {
        name: (feature.values.numpy(), feature.mask.numpy())
        for name, feature in features.items()
    }
    expected = reference.neighbors(modalities, weights, k, include_self)
    assert lists.index.shape == lists.similarity.shape == (len(expected), k)
    for index, similarity, pairs in zip(
        lists.index.tolist(), lists.similarity, expected, strict=True
    ):
        padding = [-1] * (k - len(pairs))
        assert index == [b for b, _ in pairs] + padding
        values = [s for _, s in pairs] + [0.0] * len(padding)
        np.testing.assert_allclose(similarity.numpy(), values, rtol=3e-7)


@pytest.mark.parametrize("kind", ["normal", "integer"])
@pytest.mark.parametrize("present", [1.0, 0.6])
@pytest.mark.parametrize("include_self", [False, True])
@pytest.mark.parametrize("names", [("text",), ("text", "image"), tuple(WEIGHTS)])
def test_equals_the_definition(kind, present, include_self, names):
    features = make(70, present=present, kind=kind, names=names)
    lists = search(features, k=4, include_self=include_self)
    assert_equals_reference(lists, features, k=4, include_self=include_self)


@settings(max_examples=40, deadline=None)
@given(
    num_nodes=st.integers(1, 25),
    k=st.integers(1, 30),
    w=st.sampled_from([0.0, 0.3, 1.0]),
    present=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 1000),
    include_self=st.booleans(),
)
def test_equals_the_definition_for_odd_sizes_and_ties(
    num_nodes, k, w, present, seed, include_self
):
    features = make(num_nodes, present=present, seed=seed, kind="integer")
    given_ = {"weights": {"text": w, "image": 1 - w}, "include_self": include_self}
    lists = search(features, k=k, rows=7, **given_)
    assert_equals_reference(lists, features, k=k, **given_)


def test_many_tiles_equal_the_definition():
    # 16 k tiles and more: the two-level selection is at work, with padding.
    features = make(211, present=0.8, seed=3)
    assert_equals_reference(search(features, k=1), features, k=1)


@pytest.mark.parametrize("kind", ["normal", "integer"])
def test_block_size_changes_no_bit(kind):
    features = make(150, present=0.7, kind=kind)
    whole = search(features, k=5, rows=1000)
    for rows in (1, 7, 64):
        blocked = search(features, k=5, rows=rows)
        assert torch.equal(blocked.index, whole.index)
        assert torch.equal(blocked.similarity, whole.similarity)


@pytest.mark.parametrize("kind", ["normal", "integer"])
def test_threads_change_no_bit(kind, monkeypatch):
    monkeypatch.setattr(blas, "settle", lambda: None)
    features = make(150, present=0.7, kind=kind)
    alone = search(features, k=5, rows=7)
    torch.set_num_threads(3)
    try:
        threaded = search(features, k=5, rows=7)
    finally:
        torch.set_num_threads(1)
    assert torch.equal(threaded.index, alone.index)
    assert torch.equal(threaded.similarity, alone.similarity)


def test_threads_share_the_memory_of_the_scores():
    blocks = replace(CPU, rows=2048, scores=2**25)
    assert blocks.divided(10**6, 40_000) == (838, 1)
    torch.set_num_threads(2)
    try:
        assert blocks.divided(10**6, 40_000) == (419, 2)
        assert blocks.divided(10**6, 100) == (2048, 2)
        assert blocks.divided(2048, 100) == (2048, 1)
        assert replace(blocks, threads=False).divided(10**6, 40_000) == (838, 1)
        torch.set_num_threads(16)
        assert blocks.divided(10**6, 40_000) == (256, 16)
        assert blocks.divided(10**6, 2**26) == (1, 4)
        assert blocks.divided(10**6, 2**29) == (1, 1)
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("kind", ["normal", "integer"])
def test_searching_part_after_part_changes_no_bit(kind):
    features = make(150, present=0.7, kind=kind)
    whole = search(features, k=5)
    for elements in (1, 100, 700):  # from one node at a time to some dozens
        parts = search(features, k=5, rows=64, searched=elements)
        assert torch.equal(parts.index, whole.index)
        assert torch.equal(parts.similarity, whole.similarity)


def test_sizes_that_fill_a_gpu_change_no_bit():
    features = make(150, present=0.7)
    modalities = weighted(features, WEIGHTS)
    given_ = {"num_nodes": 150, "k": 5, "include_self": False}
    found = neighbor_lists(modalities, blocks=CUDA, **given_)
    expected = neighbor_lists(modalities, blocks=CPU, **given_)
    assert torch.equal(found.index, expected.index)
    assert torch.equal(found.similarity, expected.similarity)


def test_a_gpu_that_is_nearly_full_gets_smaller_pieces():
    gib = 2**30
    assert sizes._within(CUDA, 20 * gib) == CUDA
    small = sizes._within(CUDA, gib)
    assert 4 * (small.searched + small.scores) <= gib
    assert sizes._within(CUDA, 0).scores == CPU.scores


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["normal", "integer"])
def test_another_device_finds_the_same_neighbours(kind):
    features = make(150, present=0.7, kind=kind)
    there = {
        name: Feature(feature.values.cuda(), feature.mask.cuda())
        for name, feature in features.items()
    }
    expected, found = search(features, k=5), search(there, k=5)
    assert torch.equal(found.index.cpu(), expected.index)
    assert_close(found.similarity.cpu(), expected.similarity)


@pytest.mark.parametrize("precision", sorted(INPUT_ERROR))
def test_coarser_products_change_no_bit(precision):
    # Wide vectors, close together: bfloat16 products would mix their order up.
    values = torch.randn(600, 256, generator=torch.Generator().manual_seed(0)) + 1
    features = {"text": Feature(values, torch.ones(600, dtype=torch.bool))}
    exact = search(features, k=5)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        coarse = search(features, k=5)
    finally:
        torch.set_float32_matmul_precision(before)
    assert torch.equal(coarse.index, exact.index)
    assert torch.equal(coarse.similarity, exact.similarity)


def tf32(x):
    """Return x with the 10 bits of mantissa that a tensor core reads."""
    return (x.contiguous().view(torch.int32) & ~0x1FFF).view(torch.float32)


def test_proposals_in_tf32_change_no_bit(monkeypatch):
    # Wide vectors, close together: their order in TF32 is another one.
    values = torch.randn(600, 256, generator=torch.Generator().manual_seed(0)) + 30
    features = {"text": Feature(values, torch.ones(600, dtype=torch.bool))}
    exact = search(features, k=5)
    seen = set()
    monkeypatch.setitem(sizes.COARSE, "cpu", "high")

    def product(a, b, out):
        seen.add(torch.get_float32_matmul_precision())
        return out.copy_(tf32(a).double() @ tf32(b).double())

    monkeypatch.setattr(proposals, "multiply", product)
    before = torch.get_float32_matmul_precision()
    found = search(features, k=5)
    assert seen == {"high"}
    assert torch.get_float32_matmul_precision() == before == "highest"
    assert torch.equal(found.index, exact.index)
    assert torch.equal(found.similarity, exact.similarity)
    # a bound that is as narrow as for float32 would lose some
    monkeypatch.setitem(INPUT_ERROR, "high", 0.0)
    assert not torch.equal(search(features, k=5).index, exact.index)


def test_lists_nest():
    features = make(60, present=0.8, kind="integer")
    wide, narrow = search(features, k=10), search(features, k=3)
    assert torch.equal(wide.first(3).index, narrow.index)
    assert torch.equal(wide.first(3).similarity, narrow.similarity)


def test_ties_go_to_the_lower_index_far_apart_and_among_equals():
    # 0, 2, 4 are one vector, 1 and 3 lie at one angle from it on two sides.
    values = torch.tensor([[1, 0], [3, 4], [2, 0], [3, -4], [5, 0.0]])
    features = {"text": Feature(values, torch.ones(5, dtype=torch.bool))}
    lists = search(features, k=4)
    assert lists.index.tolist() == [
        [2, 4, 1, 3],
        [0, 2, 4, -1],  # 3 is at cosine (9 - 16) / 25
        [0, 4, 1, 3],
        [0, 2, 4, -1],
        [0, 2, 1, 3],
    ]
    expected = torch.tensor([1, 1, 0.6, 0.6])
    assert torch.allclose(lists.similarity[0], expected, rtol=1e-6)


def test_ten_thousand_equal_nodes_are_no_burden():
    values = torch.ones(10_000, 8)
    features = {"text": Feature(values, torch.ones(10_000, dtype=torch.bool))}
    lists = search(features, k=3)
    assert lists.index[:5].tolist() == [
        [1, 2, 3],
        [0, 2, 3],
        [0, 1, 3],
        [0, 1, 2],
        [0, 1, 2],
    ]
    assert (lists.index[5:] == torch.tensor([0, 1, 2])).all()


def test_weights_are_renormalised_over_what_both_have():
    text = torch.tensor([[1.0, 0], [1, 0], [1, 0]])
    image = torch.tensor([[1.0, 0], [0, 1], [9, 9]])
    features = {
        "text": Feature(text, torch.tensor([True, True, True])),
        "image": Feature(image, torch.tensor([True, True, False])),
    }
    lists = search(features, weights={"text": 0.75, "image": 0.25}, k=2)
    # 0 and 1 share both: 0.75 * 1 + 0.25 * 0. With 2 they share the text alone.
    assert lists.index[0].tolist() == [2, 1]
    assert lists.similarity[0].tolist() == [1.0, 0.75]


def test_a_zero_weight_leaves_a_modality_out():
    features = {
        "text": Feature(torch.ones(3, 2), torch.tensor([True, True, False])),
        "image": Feature(torch.ones(3, 2), torch.tensor([True, False, True])),
    }
    lists = search(features, weights={"text": 1.0, "image": 0.0}, k=2)
    assert lists.index.tolist() == [[1, -1], [0, -1], [-1, -1]]


def test_a_node_without_modality_has_no_neighbour_and_is_none():
    features = {"text": Feature(torch.ones(3, 2), torch.tensor([True, False, True]))}
    lists = search(features, k=2, include_self=True)
    assert lists.index.tolist() == [[0, 2], [-1, -1], [0, 2]]


def test_zero_vectors_and_opposite_ones_make_no_edge():
    values = torch.tensor([[1.0, 0], [-1, 0], [0, 0], [0, 1]])
    features = {"text": Feature(values, torch.ones(4, dtype=torch.bool))}
    assert (search(features, k=3).index == -1).all()


def test_many_orthogonal_vectors_make_no_edge():
    features = {"text": Feature(torch.eye(211), torch.ones(211, dtype=torch.bool))}
    assert (search(features, k=1).index == -1).all()


def test_scaling_every_vector_changes_no_neighbour():
    features = make(60)
    scale = torch.logspace(-20, 15, 60)[:, None]
    scaled = {n: Feature(f.values * scale, f.mask) for n, f in features.items()}
    before, after = search(features), search(scaled)
    assert torch.equal(after.index, before.index)
    assert torch.allclose(after.similarity, before.similarity, rtol=1e-6)


def test_nothing_to_search():
    assert search(make(4), k=0).index.shape == (4, 0)
    absent = make(4, present=0.0)
    assert (search(absent, k=2).index == -1).all()


def test_a_modality_without_weight_is_named():
    with pytest.raises(InputError, match=r"audio.*image, text.*modality_weights"):
        weighted(make(3, names=("text", "audio")), {"text": 0.9, "image": 0.1})


def test_a_broken_vector_is_named():
    features = make(3, names=("text",))
    features["text"].values[1, 0] = torch.inf
    with pytest.raises(InputError, match="modality text: 1 vectors"):
        weighted(features, WEIGHTS)


def test_the_weight_of_the_only_modality_is_one():
    features = make(3, names=("text",))
    for w in (0.2, 0.9):
        (text,) = weighted(features, {"text": w, "image": 1 - w})
        assert text.weight == 1.0
