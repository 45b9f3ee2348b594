"""A batch in places among the nodes that it asks about."""

import torch
from reference import worlds

from micrec_pyg.nn.batch_rows import asked, logits_of, take
from micrec_pyg.nn.losses import gather
from micrec_pyg.schema import Batch, Embeddings, Triplets


def table(rows, seed):
    return torch.randn(rows, 3, generator=torch.Generator().manual_seed(seed))


def many(num_users, num_items, seed):
    """Return three negatives for each positive."""
    first, *more = (worlds.triplets(num_users, num_items, seed + n) for n in range(3))
    neg = torch.stack([first.neg, *(each.neg for each in more)], dim=1)
    return Triplets(user=first.user, pos=first.pos, neg=neg)


def test_the_losses_read_the_same_vectors():
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
    rows = asked(batch)
    some = {name: take(z[name], found) for name, found in rows.items()}
    assert set(some) == {"a", "b", "c"}
    assert len(some["a"].item) == 40
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
            place = rows[name].shared[pair]
            assert torch.equal(some[name].user[place], z[name].user[row])


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
