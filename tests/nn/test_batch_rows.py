"""A batch in places among the nodes that it asks about."""

import torch
from reference import worlds

from micrec_pyg.nn.batch_rows import asked, take
from micrec_pyg.nn.losses import gather
from micrec_pyg.schema import Batch, Embeddings


def table(rows, seed):
    return torch.randn(rows, 3, generator=torch.Generator().manual_seed(seed))


def test_the_losses_read_the_same_vectors():
    z = {
        name: Embeddings(user=table(6, seed), item=table(9, seed + 1))
        for seed, name in enumerate(["a", "b", "c"])
    }
    batch = Batch(
        triplets={"a": worlds.triplets(6, 9, 1), "b": worlds.triplets(6, 9, 2)},
        template_triplets={"a": worlds.triplets(6, 9, 3)},
        overlap={
            ("a", "b"): torch.tensor([[0, 2], [5, 1]]),
            ("a", "c"): torch.tensor([[4, 4, 1], [3, 0, 0]]),
        },
    )
    rows = asked(batch)
    some = {name: take(z[name], found) for name, found in rows.items()}
    assert set(some) == {"a", "b", "c"}
    assert len(some["c"].item) == 0
    for name, given in batch.triplets.items():
        found = rows[name].triplets(some[name])
        for vectors, expected in zip(found, gather(z[name], given), strict=True):
            assert torch.equal(vectors, expected)
    for pair, given in batch.overlap.items():
        for name, row in zip(pair, given, strict=True):
            place = rows[name].shared[pair]
            assert torch.equal(some[name].user[place], z[name].user[row])


def test_nothing_asked_is_nothing_returned():
    assert asked(Batch(triplets={}, template_triplets={}, overlap={})) == {}
