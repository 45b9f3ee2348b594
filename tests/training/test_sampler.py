import numpy as np
import polars as pl
import pytest
import torch

from micrec_pyg.schema import InputError, RandomStreams, TrainStage
from micrec_pyg.training.sampler import MAX_OVERLAP, Sampler, TripletSampler


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


CUDA = pytest.param("cuda", marks=pytest.mark.gpu)


@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize("seed", range(5))
def test_positives_are_positives_and_negatives_never_are(seed, device):
    rng = np.random.default_rng(seed)
    dense = rng.random((7, 9)) < 0.6
    dense[3] = True  # a user who has every item
    dense[5] = False  # and one who has none
    edges = torch.from_numpy(np.argwhere(dense).T).to(device)
    source = torch.Generator(device).manual_seed(seed)
    drawn = TripletSampler(edges, 7, 9).draw(4000, source)
    triplets = (side.tolist() for side in (drawn.user, drawn.pos, drawn.neg))
    for u, i, j in zip(*triplets, strict=True):
        assert dense[u, i]
        assert not dense[u, j]
    assert set(drawn.user.tolist()) == {0, 1, 2, 4, 6}


def test_user_positive_and_negative_are_uniform():
    # user 0 has items 0..7, user 1 item 0: edges are not drawn alike, users are
    edges = torch.tensor([[0] * 8 + [1], [*range(8), 0]])
    drawn = TripletSampler(edges, 2, 10).draw(80_000, generator())
    frame = pl.DataFrame(
        {"u": drawn.user.numpy(), "i": drawn.pos.numpy(), "j": drawn.neg.numpy()}
    )
    one = frame.filter(pl.col("u") == 0)
    # 5 standard deviations of a binomial count
    assert abs(len(one) - 40_000) < 5 * (80_000 * 0.25) ** 0.5
    for column, values in (("i", range(8)), ("j", (8, 9))):
        expected = len(one) / len(values)
        for value in values:
            count = one.filter(pl.col(column) == value).height
            assert abs(count - expected) < 5 * expected**0.5


def test_same_generator_state_same_triplets():
    edges = torch.tensor([[0, 0, 1, 2], [0, 1, 2, 0]])
    sampler = TripletSampler(edges, 3, 4)
    first, second = (sampler.draw(100, generator(1)) for _ in range(2))
    for name in ("user", "pos", "neg"):
        assert torch.equal(getattr(first, name), getattr(second, name))


def test_duplicated_positives_count_once():
    edges = torch.tensor([[0, 0, 0], [1, 1, 0]])
    drawn = TripletSampler(edges, 1, 3).draw(3000, generator())
    assert abs(int((drawn.pos == 0).sum()) - 1500) < 5 * 750**0.5


def test_no_possible_negative_is_refused():
    edges = torch.tensor([[0, 0], [0, 1]])
    with pytest.raises(InputError, match="no user has both"):
        TripletSampler(edges, 1, 2)


def test_overlap_is_a_fresh_sample_of_distinct_pairs():
    rows = torch.stack([torch.arange(3000), torch.arange(3000) * 2])
    stage = TrainStage(
        graphs={}, labels={"a": torch.zeros(2, 5000).long()}, overlap={("a", "b"): rows}
    )
    sampler = Sampler(
        stage, batch_size=2048, parts={"overlap"}, streams=RandomStreams(0)
    )
    batches = [batch.overlap["a", "b"] for batch in sampler.epoch()]
    assert len(batches) == 3  # ceil(5000 / 2048)
    assert not torch.equal(batches[0], batches[1])
    for batch in batches:
        assert batch.shape == (2, MAX_OVERLAP)
        assert len(batch[0].unique()) == MAX_OVERLAP
        assert torch.equal(batch[1], batch[0] * 2)
