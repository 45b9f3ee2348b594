import numpy as np
import polars as pl
import pytest
import torch
from reference import sampling, worlds

from micrec_pyg.graph.build import train_stage
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import ITEM_TEMPLATE, InputError, TrainStage
from micrec_pyg.training.sampler import (
    MAX_OVERLAP,
    Sampler,
    TripletSampler,
    UserSampler,
    template_pairs,
)


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


@pytest.mark.parametrize("negatives", [None, 1, 4])
def test_draws_equal_the_naive_ones(negatives):
    edges = worlds.random_edges(7, 9, 0.5, 3)
    drawn = TripletSampler(edges, 7, 9).draw(60, generator(5), negatives)
    user, pos, neg = sampling.triplets(edges, 9, 60, generator(5), negatives or 1)
    assert drawn.user.tolist() == user
    assert drawn.pos.tolist() == pos
    one = [row[0] for row in neg]
    assert drawn.neg.tolist() == (one if negatives is None else neg)


@pytest.mark.parametrize("negatives", [1, 3])
def test_one_kernel_chooses_what_the_naive_one_does(negatives):
    pytest.importorskip("triton")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dense = torch.zeros(7, 9, dtype=torch.int64)
    dense[0, 8], dense[2, 1:], dense[3], dense[6, ::2] = 1, 1, 1, 1
    edges = dense.nonzero().T
    sampler, source = TripletSampler(edges.to(device), 7, 9), generator(5)
    place = torch.randint(len(sampler.users), (50,), generator=source)
    share = torch.rand(1 + negatives, 50, dtype=torch.float64, generator=source)
    of_users = (place.double() + 0.5) / len(sampler.users)
    found = sampler._by_one_kernel(torch.cat([of_users[None], share]).to(device))
    expected = sampling.triplets(edges, 9, 50, generator(5), negatives)
    assert tuple(part.tolist() for part in found) == expected


def test_many_negatives_are_uniform_and_independent():
    edges = torch.tensor([[0] * 7, range(7)])  # items 7, 8 and 9 are negative
    drawn = TripletSampler(edges, 1, 10).draw(36_000, generator(), 2)
    assert drawn.neg.shape == (36_000, 2)
    pairs = drawn.neg[:, 0] * 10 + drawn.neg[:, 1]
    for first in (7, 8, 9):
        for second in (7, 8, 9):
            count = int((pairs == first * 10 + second).sum())
            # 5 standard deviations of a binomial count
            assert abs(count - 4000) < 5 * (4000 * 8 / 9) ** 0.5


@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_rows_of_users_hold_their_positives(device):
    edges = torch.tensor([[4, 1, 4, 1, 2, 4], [0, 3, 2, 3, 1, 5]], device=device)
    sampler = UserSampler(edges, 6, 7)
    source = torch.Generator(device).manual_seed(1)
    drawn = sampler.draw(8, source)
    assert sorted(drawn.user.tolist()) == [1, 2, 4]  # all who took something, once
    expected = sampling.rows(edges, drawn.user.tolist(), 7)
    assert drawn.interactions.tolist() == expected


def test_every_user_is_drawn_alike():
    edges = torch.tensor([[0, 0, 0, 1, 3, 4], [0, 1, 2, 0, 1, 2]])
    sampler, source = UserSampler(edges, 5, 3), generator()
    counts = dict.fromkeys([0, 1, 3, 4], 0)
    for _ in range(4000):
        user = sampler.draw(2, source).user.tolist()
        assert len(set(user)) == 2
        for one in user:
            counts[one] += 1
    for count in counts.values():
        assert abs(count - 2000) < 5 * (4000 * 0.25) ** 0.5


@pytest.mark.parametrize(
    ("parts", "steps"),
    [({"users"}, 2), ({"negatives"}, 7), ({"users", "triplets"}, 7)],
)
def test_an_epoch_is_counted_in_users_or_in_positives(parts, steps):
    domains, splits = worlds.worlds()
    train = train_stage(domains, splits, worlds.options())
    assert max(labels.shape[1] for labels in train.labels.values()) == 33
    assert max(len(labels[0].unique()) for labels in train.labels.values()) == 9
    sampler = Sampler(
        train,
        batch_size=5,
        parts=parts,
        streams=RandomStreams(0),
        num_negatives=3,
    )
    batches = list(sampler.epoch())
    assert len(batches) == steps
    for batch in batches:
        for part in ("triplets", "negatives", "users"):
            assert set(getattr(batch, part)) == (
                set(domains) if part in parts else set()
            )
    if "negatives" in parts:
        assert batches[0].negatives["food"].neg.shape == (5, 3)


def test_one_user_alone_is_not_compared():
    rows = {
        ("a", "b"): torch.tensor([[3], [5]]),
        ("a", "c"): torch.tensor([[3, 1], [0, 2]]),
        ("b", "c"): torch.zeros(2, 0).long(),
    }
    labels = {"a": torch.zeros(2, 4).long()}
    stage = TrainStage(graphs={}, labels=labels, overlap=rows)
    sampler = Sampler(stage, batch_size=4, parts={"overlap"}, streams=RandomStreams(0))
    assert set(sampler.draw().overlap) == {("a", "c")}


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


@pytest.mark.parametrize("ratio", [0.05, 0.2])
def test_a_domain_of_too_few_templates_has_no_self_enhanced_loss(ratio, caplog):
    domains, splits = worlds.worlds()
    options = worlds.options(num_neighbors=0, template_ratio=ratio)
    stage = train_stage(domains, splits, options)
    parts = {"triplets", "template_triplets"}
    batch = Sampler(stage, batch_size=8, parts=parts, streams=RandomStreams(0)).draw()
    assert batch.triplets.keys() == stage.graphs.keys()
    for domain, data in stage.graphs.items():
        user, item = template_pairs(data, stage.labels[domain])
        size = data[ITEM_TEMPLATE].num_nodes
        counts = [len(set(item[user == u].tolist())) for u in set(user.tolist())]
        able = any(count < size for count in counts)
        assert (domain in batch.template_triplets) == able
        told = [m for m in caplog.messages if m.startswith(f"{domain}: ")]
        assert len(told) == (not able)
        assert all("graph.template_ratio" in m for m in told)
    assert len(batch.template_triplets) < 3


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
