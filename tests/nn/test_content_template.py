"""Template sums with content against the loop, and without it against INMO's."""

import pytest
import torch
from reference import micrec_plus as reference
from reference import nn, worlds
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, train_stage
from micrec_pyg.nn.content_template import template_sums
from micrec_pyg.nn.step_graph import smaller
from micrec_pyg.nn.template import TemplateEmbedding
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import (
    INTERACTED_BY,
    ITEM,
    ITEM_TEMPLATE,
    USER,
    USER_TEMPLATE,
)


def layer(size, **changes):
    options = {"dim": 4, "std": 0.7, "dropout": 0.5, "alpha_decay": 0.9}
    generator = torch.Generator().manual_seed(1)
    return TemplateEmbedding(size=size, generator=generator, **{**options, **changes})


def numbers(tensor):
    return tensor.detach().double().numpy()


def vectors_of(data, kind, template, table):
    rows = data[kind].n_id.tolist()
    chosen = data[template].n_id.tolist()
    return {rows.index(n): numbers(table)[row] for row, n in enumerate(chosen)}


@pytest.mark.parametrize("with_content", [False, True])
@pytest.mark.parametrize("thinned", [False, True])
@pytest.mark.parametrize("which", [0, 1], ids=["train", "test"])
def test_both_sides_follow_the_equation(graph, which, thinned, with_content):
    data, size = graph[which], graph[2]
    template = layer(size)
    template.anneal(5)
    generator = torch.Generator().manual_seed(2)
    if thinned:
        count = data[INTERACTED_BY].adj_t.values().numel()
        data = smaller(data, (torch.rand(count, generator=generator) < 0.6).float())
    sizes = data[USER].num_nodes, data[ITEM].num_nodes
    content = torch.randn(sizes[1], 4, generator=generator) if with_content else None
    found = template_sums(template, data, content, "food", None)
    expected = reference.template_sums(
        nn.edges_of(data, INTERACTED_BY),
        sizes,
        (
            vectors_of(data, USER, USER_TEMPLATE, template.user),
            vectors_of(data, ITEM, ITEM_TEMPLATE, template.item),
        ),
        (numbers(template.user_token)[0], numbers(template.item_token)[0]),
        0.9**5,
        None if content is None else numbers(content),
    )
    assert_close(numbers(found.user), expected[0], rtol=1e-5, atol=1e-6)
    assert_close(numbers(found.item), expected[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dropped", [False, True])
def test_without_content_it_is_the_template_layer_bit_for_bit(dropped):
    domain, split = worlds.world(seed=4)
    train = train_stage({"food": domain}, {"food": split}, worlds.options())
    data, template = train.graphs["food"], layer(domain_sizes(train)["food"])
    found, expected = (
        call(RandomStreams(3) if dropped else None)
        for call in (
            lambda streams: template_sums(template, data, None, "food", streams),
            lambda streams: template(data, "food", streams),
        )
    )
    assert torch.equal(found.user, expected.user)
    assert torch.equal(found.item, expected.item)


def test_dropout_drops_terms_with_their_content(graph):
    """Templates and content sit on two axes; both of an item go together."""
    data, size = graph[0], graph[2]
    template = layer(size, dim=2)
    every = torch.tensor([0.0, 1.0])
    with torch.no_grad():
        template.user_token.zero_()
        template.item.zero_()
    streams, counts = RandomStreams(0), set()
    content = every.expand(data[ITEM].num_nodes, 2)
    for _ in range(20):
        h = template_sums(template, data, content, "food", streams).user
        terms = h[:, 1] * (data[USER].degree + 1).sqrt() * 0.5
        assert_close(terms, terms.round(), rtol=0, atol=1e-5)
        assert bool((terms.round() <= data[USER].degree).all())
        counts.add(tuple(terms.round().tolist()))
    assert len(counts) == 20


def test_gradients_are_those_of_the_sums(graph):
    data, size = graph[1], graph[2]
    template = layer(size, dropout=0.0).double()
    sizes = data[USER].num_nodes, data[ITEM].num_nodes
    content = torch.randn(sizes[1], 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda c, e: _stacked(template, data, c, e), (content, template.item)
    )


def _stacked(template, data, content, item):
    found = template_sums(template, data, content, "food", None)
    return torch.cat([found.user, found.item])
