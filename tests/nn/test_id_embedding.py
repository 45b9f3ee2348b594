"""Which vector a node gets, by its row in training."""

import pytest
import torch

from micrec_pyg.nn.id_embedding import IdEmbedding
from micrec_pyg.schema import ITEM, USER, UnseenNodeError


def table(size, unseen):
    generator = torch.Generator().manual_seed(0)
    return IdEmbedding(size=size, dim=3, std=0.1, unseen=unseen, generator=generator)


def test_rows_of_training_are_the_tables(graph):
    train, _, size = graph
    embedding = table(size, "error")
    e, own = embedding(train), embedding.training_rows()
    assert own.user is embedding.user
    assert own.item is embedding.item
    assert torch.equal(e.user, own.user)
    assert torch.equal(e.item, own.item)


def test_unseen_rows_are_zero_and_others_follow_train_row(graph):
    _, test, size = graph
    embedding = table(size, "zero")
    e = embedding(test)
    for kind, found, own in (
        (USER, e.user, embedding.user),
        (ITEM, e.item, embedding.item),
    ):
        rows = test[kind].train_row.tolist()
        assert -1 in rows
        for node, row in enumerate(rows):
            expected = torch.zeros(3) if row < 0 else own[row]
            assert torch.equal(found[node], expected)
    e.user.sum().backward()
    # Unseen nodes send no gradient to the vector of somebody else.
    assert torch.equal(embedding.user.grad, torch.ones_like(embedding.user))


def test_a_graph_of_some_seen_nodes(graph):
    train, _, size = graph
    train[USER].train_row = torch.tensor([3, 1])
    embedding = table(size, "error")
    assert torch.equal(embedding(train).user, embedding.user[[3, 1]])


def test_unseen_nodes_are_refused(graph):
    _, test, size = graph
    with pytest.raises(UnseenNodeError, match="3 user nodes were not in the training"):
        table(size, "error")(test)
