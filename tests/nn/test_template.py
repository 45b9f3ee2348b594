"""The template layer against the equation, and its dropout."""

import pytest
import torch
from reference import nn as reference
from torch.testing import assert_close

from micrec_pyg.nn.template import TemplateEmbedding
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import (
    DESCRIBES_USER,
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


def template_of(data, kind, template):
    rows = data[kind].n_id.tolist()
    return {rows.index(n): row for row, n in enumerate(data[template].n_id.tolist())}


@pytest.mark.parametrize("which", [0, 1], ids=["train", "test"])
@pytest.mark.parametrize("epoch", [0, 7])
def test_both_sides_follow_the_equation(graph, which, epoch):
    data, size = graph[which], graph[2]
    embedding = layer(size)
    embedding.anneal(epoch)
    h = embedding(data, "food", None)
    edges = reference.edges_of(data, INTERACTED_BY)
    assert size.num_item_templates < data[ITEM].num_nodes
    for found, pairs, chosen, vectors, token in (
        (
            h.user,
            edges,
            template_of(data, ITEM, ITEM_TEMPLATE),
            embedding.item,
            embedding.user_token,
        ),
        (
            h.item,
            [(i, u) for u, i in edges],
            template_of(data, USER, USER_TEMPLATE),
            embedding.user,
            embedding.item_token,
        ),
    ):
        expected = reference.templates(
            pairs,
            len(found),
            chosen,
            vectors.detach().numpy(),
            token.detach().numpy()[0],
            0.9**epoch,
        )
        assert_close(found.detach().double().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_a_node_without_templates_has_the_token(graph):
    data, size = graph[0], graph[2]
    lonely = (data[ITEM].rho == 1).nonzero().flatten()
    assert len(lonely)
    embedding = layer(size)
    h = embedding(data, "food", None)
    for node in lonely.tolist():
        assert_close(h.item[node], embedding.item_token[0])


def test_dropout_drops_single_terms_and_keeps_rho(graph):
    """Token and templates sit on two axes, so that each term can be told apart."""
    data, size = graph[0], graph[2]
    embedding = layer(size, dim=2)
    with torch.no_grad():
        embedding.user_token.copy_(torch.tensor([[1.0, 0.0]]))
        embedding.item.copy_(torch.tensor([0.0, 1.0]).expand_as(embedding.item))
    streams = RandomStreams(0)
    count = (data[DESCRIBES_USER].adj_t.to_dense() != 0).sum(1)
    seen = set()
    for _ in range(30):
        h = embedding(data, "food", streams).user
        terms = h * data[USER].rho.sqrt().view(-1, 1) * 0.5  # undo rho and 1 / (1 - p)
        assert_close(terms, terms.round(), rtol=0, atol=1e-5)
        token, templates = terms.round().int().unbind(1)
        assert bool(((token == 0) | (token == 1)).all())
        assert bool(((templates >= 0) & (templates <= count)).all())
        rows = zip(token.tolist(), templates.tolist(), strict=True)
        seen |= {(row, *kept) for row, kept in enumerate(rows)}
    # Not all of a node's terms share one coin.
    node = int(count.argmax())
    outcomes = {kept[1:] for kept in seen if kept[0] == node}
    assert {token for token, _ in outcomes} == {0, 1}
    assert len({templates for _, templates in outcomes}) > 2


@pytest.mark.parametrize("p", [0.0, 0.5])
def test_gradient_is_the_transpose_of_what_was_computed(graph, p):
    data, size = graph[0], graph[2]
    embedding = layer(size, dropout=p)
    given = torch.randn(
        data[USER].num_nodes, 4, generator=torch.Generator().manual_seed(5)
    )
    loss = (embedding(data, "food", RandomStreams(0)).user * given).sum()
    loss.backward()
    # The layer is linear in templates and token: its slope along every unit vector,
    # under the same masks, is the gradient.
    for parameter in (embedding.item, embedding.user_token):
        slopes = torch.zeros_like(parameter)
        for place in range(parameter.numel()):
            with torch.no_grad():
                before = parameter.view(-1)[place].item()
                values = []
                for moved in (before + 1, before - 1):
                    parameter.view(-1)[place] = moved
                    h = embedding(data, "food", RandomStreams(0)).user
                    values.append((h * given).sum())
                parameter.view(-1)[place] = before
                slopes.view(-1)[place] = (values[0] - values[1]) / 2
        assert_close(parameter.grad, slopes, rtol=1e-4, atol=1e-4)


def test_dropout_is_that_of_the_domain_and_the_seed(graph):
    data, size = graph[0], graph[2]
    embedding = layer(size)
    streams = RandomStreams(0)
    first = embedding(data, "food", streams)
    second = embedding(data, "food", streams)
    again = embedding(data, "food", RandomStreams(0))
    other = embedding(data, "books", RandomStreams(0))
    for side in ("user", "item"):
        assert torch.equal(getattr(first, side), getattr(again, side))
        assert not torch.equal(getattr(first, side), getattr(second, side))
        assert not torch.equal(getattr(first, side), getattr(other, side))


def test_without_dropout_streams_change_nothing(graph):
    data, size = graph[0], graph[2]
    embedding = layer(size, dropout=0.0)
    with_streams = embedding(data, "food", RandomStreams(0))
    without = embedding(data, "food", None)
    assert torch.equal(with_streams.user, without.user)
    assert torch.equal(with_streams.item, without.item)


def test_start_values_scale_with_std(graph):
    size = graph[2]
    small, large = layer(size, std=0.1), layer(size, std=0.2)
    for (name, a), b in zip(small.named_parameters(), large.parameters(), strict=True):
        assert_close(2 * a, b, msg=name)
