"""Transfer between domains against the loop."""

import pytest
import torch
from reference import micrec_plus as reference
from reference import nn, worlds
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.nn.transfer import Transfer, shared_users
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import (
    INTERACTED_BY,
    ITEM,
    ITEM_TEMPLATE,
    USER,
    Embeddings,
)

DIM = 4


@pytest.fixture(params=["train", "test"])
def world(request):
    """Return (graphs of three domains that share users, sizes, training graphs)."""
    domains, splits = worlds.worlds(first_of_music=6)
    options = worlds.options(template_ratio=0.6)
    train = train_stage(domains, splits, options)
    test = test_stage(train, domains, splits, options)
    graphs = {"train": train.graphs, "test": test.graphs}[request.param]
    return graphs, domain_sizes(train), train.graphs


def numbers(tensor):
    return tensor.detach().double().numpy()


def made(sizes):
    """Return a transfer whose parameters are all away from their start."""
    layer = Transfer(sizes=sizes, streams=RandomStreams(0), dim=DIM, std=0.5)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter += torch.randn(parameter.shape, generator=generator)
    return layer


def drawn(graphs, seed):
    """Return vectors of all nodes, and contents by pair of domains."""
    generator = torch.Generator().manual_seed(seed)
    h = {
        d: Embeddings(
            *(
                torch.randn(data[kind].num_nodes, DIM, generator=generator)
                for kind in (USER, ITEM)
            )
        )
        for d, data in graphs.items()
    }
    content = {
        (s, t): torch.randn(graphs[s][ITEM].num_nodes, DIM, generator=generator)
        for s in graphs
        for t in graphs
    }
    return h, content


@pytest.mark.parametrize("with_content", [False, True])
def test_equals_the_loop_summed_over_the_other_domains(world, with_content):
    graphs, sizes, _ = world
    layer, (h, content) = made(sizes), drawn(graphs, 2)
    shared = shared_users(graphs)
    found = layer(
        h, graphs, shared, lambda s, t: content[s, t] if with_content else None
    )
    for target, data in graphs.items():
        expected = numbers(h[target].user).copy()
        for source in sorted(graphs):
            if source == target:
                continue
            pair = layer.targets[f"domain_{target}"][f"domain_{source}"]
            items = numbers(content[source, target]) * with_content
            rows = graphs[source][ITEM].n_id.tolist()
            for row, n in enumerate(graphs[source][ITEM_TEMPLATE].n_id.tolist()):
                items[rows.index(n)] += numbers(pair.item)[row]
            told = reference.transfer(
                numbers(h[source].user),
                nn.edges_of(graphs[source], INTERACTED_BY),
                persons(graphs[source], data),
                data[USER].degree.tolist(),
                numbers(pair.gate),
                numbers(pair.matrix),
                items,
            )
            assert told
            for user, t in told.items():
                expected[user] += t
        assert_close(numbers(found[target].user), expected, rtol=1e-4, atol=1e-5)
        assert found[target].item is h[target].item


def persons(source, target):
    """Return (row in the source, row in the target) of the same persons."""
    first, second = source[USER].person.tolist(), target[USER].person.tolist()
    return [(first.index(p), row) for row, p in enumerate(second) if p in first]


def test_shared_users_are_those_of_one_person(world):
    graphs = world[0]
    found = shared_users(graphs)
    assert set(found) == {(s, t) for s in graphs for t in graphs if s != t}
    for (source, target), rows in found.items():
        expected = persons(graphs[source], graphs[target])
        assert [tuple(pair) for pair in rows.T.tolist()] == expected
        assert 0 < len(expected) < graphs[target][USER].num_nodes


def test_rows_of_training_are_kept(world):
    graphs = world[2]
    layer = made(world[1])
    layer.find_shared(graphs)
    kept = layer.of_training()
    for pair, rows in shared_users(graphs).items():
        assert torch.equal(kept[pair], rows)


def test_second_vectors_that_no_shared_user_teaches_are_zero(world):
    graphs = world[2]
    layer = made(world[1])
    before = {pair: layer._of(*pair).item.detach().clone() for pair in layer.pairs}
    layer.find_shared(graphs)
    kept, cleared = 0, 0
    for source, target in layer.pairs:
        data = graphs[source]
        shared = {there for there, _ in persons(data, graphs[target])}
        taught = {i for u, i in nn.edges_of(data, INTERACTED_BY) if u in shared}
        rows = data[ITEM].n_id.tolist()
        for row, n in enumerate(data[ITEM_TEMPLATE].n_id.tolist()):
            found = layer._of(source, target).item[row]
            if rows.index(n) in taught:
                assert torch.equal(found, before[source, target][row])
                kept += 1
            else:
                assert not bool(found.any())
                cleared += 1
    assert kept
    assert cleared


def test_gates_start_with_more_for_those_who_did_more_there(world):
    sizes = world[1]
    layer = Transfer(sizes=sizes, streams=RandomStreams(0), dim=DIM, std=0.5)
    pair = layer.targets["domain_food"]["domain_books"]
    here, there = torch.tensor([0.0, 9.0, 0.0]), torch.tensor([3.0, 3.0, 0.0])
    for gate in pair._gates(here, there):
        assert_close(gate, torch.tensor([2 / 3, (1 + (10 / 4) ** 0.5) ** -1, 0.0]))
    assert not bool(pair.matrix.any())


def test_domains_that_share_nobody_change_nothing():
    domains, splits = worlds.worlds()
    del domains["books"]
    train = train_stage(domains, splits, worlds.options())
    layer, (h, content) = made(domain_sizes(train)), drawn(train.graphs, 2)
    shared = shared_users(train.graphs)
    assert all(rows.shape == (2, 0) for rows in shared.values())
    found = layer(h, train.graphs, shared, lambda s, t: content[s, t])
    for name, side in found.items():
        assert side.user is h[name].user


def test_a_single_domain_has_no_pair():
    domain, split = worlds.world()
    train = train_stage({"food": domain}, {"food": split}, worlds.options())
    layer = made(domain_sizes(train))
    assert not list(layer.parameters())
    assert shared_users(train.graphs) == layer.of_training() == {}
