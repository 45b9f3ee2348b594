"""The four formulas of neighbour aggregation."""

import pytest
import torch
from reference import micrec_plus, worlds
from reference import nn as reference
from torch.testing import assert_close

from micrec_pyg.graph.build import train_stage
from micrec_pyg.nn.degree_gate import DegreeGate
from micrec_pyg.nn.neighbor import NeighborAggregation
from micrec_pyg.schema import (
    ITEM,
    SIMILAR_ITEM,
    SIMILAR_USER,
    USER,
    Embeddings,
    InputError,
)

FORMULAS = ["residual", "mean", "weighted", "softmax"]


def random(data, dim=4):
    generator = torch.Generator().manual_seed(0)
    user, item = (
        torch.randn(data[kind].num_nodes, dim, generator=generator)
        for kind in (USER, ITEM)
    )
    return Embeddings(user=user.requires_grad_(), item=item.requires_grad_())


@pytest.mark.parametrize("aggregation", FORMULAS)
def test_formula(graph, aggregation):
    data = graph[1]
    h = random(data)
    found = NeighborAggregation(aggregation=aggregation, temperature=0.3)(h, data)
    for before, after, kind in (
        (h.user, found.user, SIMILAR_USER),
        (h.item, found.item, SIMILAR_ITEM),
    ):
        similar = reference.similar_of(data, kind)
        assert max(map(len, similar)) == 3
        expected = reference.neighbors(
            before.detach().double().numpy(), similar, aggregation, 0.3
        )
        assert_close(after.detach().double().numpy(), expected, rtol=1e-5, atol=1e-6)
    # An item without any modality has no neighbour.
    lonely = [a for a, found in enumerate(similar) if not found]
    assert lonely
    assert torch.equal(found.item[lonely], h.item[lonely])


@pytest.mark.parametrize("aggregation", FORMULAS)
def test_gradient(graph, aggregation):
    data = graph[1]
    h = random(data)
    layer = NeighborAggregation(aggregation=aggregation, temperature=0.3)
    given = torch.randn(
        h.item.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    (found,) = torch.autograd.grad(layer(h, data).item, h.item, given.float())
    # The layer is linear: its matrix has the images of the unit vectors.
    units = torch.eye(len(h.item), dtype=torch.float64).numpy()
    similar = reference.similar_of(data, SIMILAR_ITEM)
    matrix = torch.from_numpy(reference.neighbors(units, similar, aggregation, 0.3))
    assert_close(found.double(), matrix.T @ given, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("aggregation", ["residual", "mean"])
def test_a_gate_is_a_factor_of_the_neighbours_and_has_a_gradient(graph, aggregation):
    data = graph[1]
    h = random(data)
    layer = NeighborAggregation(aggregation=aggregation, temperature=0.3)
    gate = tuple(torch.rand(len(side), requires_grad=True) for side in (h.user, h.item))
    found = layer(h, data, gate)
    without = layer(h, data, tuple(torch.zeros_like(each) for each in gate))
    whole = layer(h, data)
    for a, b, c, factor in (
        (without.user, found.user, whole.user, gate[0]),
        (without.item, found.item, whole.item, gate[1]),
    ):
        assert_close(b - a, (c - a) * factor.view(-1, 1))
        (slope,) = torch.autograd.grad(b.sum(), factor, retain_graph=True)
        assert_close(slope, (c - a).sum(1))


def test_the_gate_follows_its_equation(graph):
    data = graph[1]
    gate = DegreeGate()
    assert all(torch.equal(f, torch.ones_like(f)) for f in gate(data))
    with torch.no_grad():
        gate.user.copy_(torch.tensor([0.3, -0.7]))
        gate.item.copy_(torch.tensor([-0.2, 0.4]))
    h, factors = random(data), gate(data)
    layer = NeighborAggregation(aggregation="residual", temperature=0.3)
    found = layer(h, data, factors)
    for before, after, kind, similar, weight in (
        (h.user, found.user, USER, SIMILAR_USER, (0.3, -0.7)),
        (h.item, found.item, ITEM, SIMILAR_ITEM, (-0.2, 0.4)),
    ):
        expected = micrec_plus.gated_neighbors(
            before.detach().double().numpy(),
            reference.similar_of(data, similar),
            data[kind].degree.tolist(),
            weight,
        )
        assert_close(after.detach().double().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_small_temperatures_do_not_overflow(graph):
    data = graph[1]
    h = random(data)
    found = NeighborAggregation(aggregation="softmax", temperature=0.001)(h, data)
    assert bool(found.item.isfinite().all())


@pytest.mark.parametrize("aggregation", FORMULAS)
def test_without_similarity_edges_it_is_the_identity(aggregation):
    domain, split = worlds.world()
    options = worlds.options(num_neighbors=0)
    train = train_stage({"food": domain}, {"food": split}, options)
    h = random(train.graphs["food"])
    layer = NeighborAggregation(aggregation=aggregation, temperature=0.3)
    found = layer(h, train.graphs["food"])
    assert found.user is h.user
    assert found.item is h.item


def test_what_is_impossible_is_refused():
    with pytest.raises(InputError, match="residual, mean, weighted, softmax"):
        NeighborAggregation(aggregation="sum", temperature=1.0)
    with pytest.raises(InputError, match=r"temperature=0\.0: give a number above 0"):
        NeighborAggregation(aggregation="softmax", temperature=0.0)
