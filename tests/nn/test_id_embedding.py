"""Which vector a node gets, by its row in training."""

import pytest
import torch
from reference import nn as reference
from torch.testing import assert_close

from micrec_pyg.graph.norm import empty_csr
from micrec_pyg.nn.id_embedding import IdEmbedding
from micrec_pyg.schema import (
    ITEM,
    SIMILAR_ITEM,
    SIMILAR_USER,
    USER,
    UnseenNodeError,
)


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


@pytest.mark.parametrize("unseen", ["zero", "mean", "content"])
def test_what_unseen_nodes_get_is_that_of_loops(graph, unseen):
    _, test, size = graph
    embedding = table(size, unseen)
    e = embedding(test)
    for kind, edges, found in (
        (USER, SIMILAR_USER, e.user),
        (ITEM, SIMILAR_ITEM, e.item),
    ):
        rows, own = test[kind].train_row, getattr(embedding, kind).detach().numpy()
        similar = [
            row.nonzero().flatten().tolist() for row in test[edges].adj_t.to_dense()
        ]
        expected = reference.start(rows.tolist(), own, similar, unseen)
        assert_close(
            found.detach().double(), torch.from_numpy(expected), atol=1e-6, rtol=0
        )
        # vectors of training are not touched, to the bit
        seen = rows >= 0
        assert torch.equal(found[seen].detach(), torch.from_numpy(own)[rows[seen]])
        assert bool((found[~seen] != 0).any()) == (unseen != "zero")
    e.user.sum().backward()
    # Unseen nodes send no gradient to the vector of somebody else.
    assert torch.equal(embedding.user.grad, torch.ones_like(embedding.user))


def test_similar_nodes_that_are_unseen_themselves_are_skipped(graph):
    _, test, size = graph
    embedding = table(size, "content")
    row, lists = test[ITEM].train_row, test[SIMILAR_ITEM].adj_t.to_dense()
    new = int((row < 0).nonzero()[0])
    known = (lists[new] != 0) & (row >= 0)
    assert 0 < int(known.sum()) < int((lists[new] != 0).sum())
    expected = embedding.item[row[known]].mean(0)
    assert_close(embedding(test).item[new], expected)


def test_without_similar_nodes_content_is_zero(graph):
    _, test, size = graph
    for kind, edges in ((USER, SIMILAR_USER), (ITEM, SIMILAR_ITEM)):
        test[edges].adj_t = empty_csr(2 * (test[kind].num_nodes,))
    assert torch.equal(
        table(size, "content")(test).item, table(size, "zero")(test).item
    )
    assert torch.equal(
        table(size, "content")(test).user, table(size, "zero")(test).user
    )


def test_a_graph_of_some_seen_nodes(graph):
    train, _, size = graph
    train[USER].train_row = torch.tensor([3, 1])
    embedding = table(size, "error")
    assert torch.equal(embedding(train).user, embedding.user[[3, 1]])


def test_unseen_nodes_are_refused(graph):
    _, test, size = graph
    with pytest.raises(UnseenNodeError, match="3 user nodes were not in the training"):
        table(size, "error")(test)
