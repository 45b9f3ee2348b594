"""A batch in places among the nodes that it asks about."""

import pytest
import torch
from reference import worlds
from torch_geometric.data import HeteroData

from micrec_pyg.nn.batch_rows import asked, logits_of, take
from micrec_pyg.nn.losses import gather
from micrec_pyg.schema import ITEM, USER, Batch, Embeddings, Triplets


def table(rows, seed):
    return torch.randn(rows, 3, generator=torch.Generator().manual_seed(seed))


def many(num_users, num_items, seed):
    """Return three negatives for each positive."""
    first, *more = (worlds.triplets(num_users, num_items, seed + n) for n in range(3))
    neg = torch.stack([first.neg, *(each.neg for each in more)], dim=1)
    return Triplets(user=first.user, pos=first.pos, neg=neg)


@pytest.fixture(params=["in order", "whole", "all users"])
def graphs(request):
    """Return graphs that have fewer nodes than a batch asks for, or none."""
    if request.param == "in order":
        return None
    num_items = 9 if request.param == "whole" else 999
    graph = HeteroData({USER: {"num_nodes": 6}, ITEM: {"num_nodes": num_items}})
    return dict.fromkeys(["a", "b", "c"], graph)


def test_the_losses_read_the_same_vectors(graphs):
    z = {
        name: Embeddings(user=table(6, seed), item=table(9, seed + 1))
        for seed, name in enumerate(["a", "b", "c"])
    }
    batch = Batch(
        triplets={"a": worlds.triplets(6, 9, 1), "b": worlds.triplets(6, 9, 2)},
        template_triplets={"a": worlds.triplets(6, 9, 3)},
        negatives={"b": many(6, 9, 4), "c": many(6, 9, 5)},
        overlap={
            ("a", "b"): torch.tensor([[0, 2], [5, 1]]),
            ("a", "c"): torch.tensor([[4, 4, 1], [3, 0, 0]]),
        },
    )
    rows = asked(batch, graphs)
    some = {name: take(z[name], found) for name, found in rows.items()}
    assert set(some) == {"a", "b", "c"}
    whole = [each.is_whole for each in rows.values()]
    assert all(whole) if graphs and graphs["a"][ITEM].num_nodes == 9 else not any(whole)
    assert len(some["a"].item) == (9 if whole[0] else 40)
    assert len(some["a"].user) == (25 if graphs is None else 6)
    for name, given in batch.triplets.items():
        found = rows[name].triplets(some[name])
        for vectors, expected in zip(found, gather(z[name], given), strict=True):
            assert torch.equal(vectors, expected)
    for name, given in batch.negatives.items():
        user, pos, neg = rows[name].negatives(some[name])
        assert torch.equal(user, z[name].user[given.user])
        assert torch.equal(pos, z[name].item[given.pos])
        assert neg.shape == (20, 3, 3)
        assert torch.equal(neg, z[name].item[given.neg])
    for pair, given in batch.overlap.items():
        for name, row in zip(pair, given, strict=True):
            assert torch.equal(
                rows[name].shared_users(some[name], pair), z[name].user[row]
            )


def test_what_repeats_is_counted(graphs):
    z = Embeddings(user=table(6, 1), item=table(9, 2))
    given = worlds.triplets(6, 9, 1)
    rows = asked(Batch(triplets={"a": given}), graphs)["a"]
    user, item = rows.counted(take(z, rows))
    for (vectors, counts), of_all, row in (
        (user, z.user, given.user),
        (item, z.item, given.pos),
    ):
        if counts is None:
            assert torch.equal(vectors, of_all[row])
        else:
            assert torch.equal(vectors, of_all)
            assert torch.equal(counts, row.bincount(minlength=len(of_all)).float())
    assert (user[1] is None) == (graphs is None)
    assert (item[1] is None) != rows.is_whole


def test_nothing_asked_is_nothing_returned():
    assert asked(Batch()) == {}


def test_a_domain_of_shared_users_alone_has_no_items():
    rows = asked(Batch(overlap={("a", "b"): torch.tensor([[0, 2], [5, 1]])}))
    assert [len(rows[name].item) for name in ("a", "b")] == [0, 0]
    assert rows["b"].user.tolist() == [5, 1]


def test_logits_are_those_of_the_positive_then_of_its_negatives():
    given, user, item = many(6, 9, 1), table(20, 2), table(9, 3)
    found = logits_of(user, item, given)
    for row in (0, 7, 19):
        columns = [given.pos[row], *given.neg[row]]
        expected = torch.stack([(user[row] * item[i]).sum() for i in columns])
        torch.testing.assert_close(found[row], expected)
