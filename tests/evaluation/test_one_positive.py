"""One positive among others: counted as by loops, drawn fairly, the same for all."""

import pytest
import torch
from reference.one_positive import gains, mean_gains, standing
from torch import Tensor

from micrec_pyg.evaluation import one_positive
from micrec_pyg.evaluation.one_positive import Judged, Standings, rule_values, stand

USERS, ITEMS, K = 9, 40, 5


def _world(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return scores with many ties, all pairs, and those that are tested."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(0, 4, (USERS, ITEMS), generator=generator).float()
    had = (torch.rand(USERS, ITEMS, generator=generator) < 0.4).nonzero().T
    tested = torch.rand(had.shape[1], generator=generator) < 0.4
    tested &= had[0] != 4  # a user without a test pair, between others
    return scores, had[:, torch.randperm(had.shape[1])], had[:, tested]


def _stand(
    scores: Tensor, had: Tensor, tested: Tensor, count: int, without: int = -1
) -> Judged:
    return stand(
        lambda users: scores[users],
        tested,
        had=had,
        answered=torch.arange(len(scores)) != without,
        num_items=scores.shape[1],
        count=count,
        generator=torch.Generator().manual_seed(5),
    )


def _rows(found: Standings) -> list[tuple[int, ...]]:
    return list(zip(*(each.tolist() for each in vars(found).values()), strict=True))


def _free(had: Tensor, user: int) -> list[int]:
    own = {item for who, item in had.T.tolist() if who == user}
    return [item for item in range(ITEMS) if item not in own]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [1, 4, 100])
def test_among_all_items_as_by_loops(
    seed: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_positive, "users_at_once", lambda *_: size)
    scores, had, tested = _world(seed)
    wanted = [
        standing(scores[user, item].item(), scores[user, _free(had, user)].tolist())
        for user, item in tested.T.tolist()
    ]
    # as many negatives as there are items: all of them are drawn
    found = _stand(scores, had, tested, ITEMS)
    assert found.user.tolist() == tested[0].tolist()
    assert _rows(found.every) == wanted
    assert _rows(found.sampled) == wanted
    values = {(r, m): v.mean().item() for r, m, v in rule_values(found.every, K)}
    assert values == pytest.approx(mean_gains(wanted, K))
    kind, fair, unkind = (values[rule, f"hit@{K}"] for rule in one_positive.RULES)
    assert kind > fair > unkind


def test_negatives_are_drawn_evenly_and_once_from_what_the_user_never_had() -> None:
    _, had, tested = _world(0)
    user, item = tested[:, :1].flatten().tolist()
    free = _free(had, user)
    # a score that tells which items were drawn: exactly one of them is above
    pairs = tested[:, :1].repeat(1, 4000)
    drawn = torch.zeros(ITEMS)
    for asked in range(ITEMS):
        scores = torch.zeros(USERS, ITEMS)
        scores[user, asked] = 1.0
        found = _stand(scores, had, pairs, 6)
        if asked != item:
            drawn[asked] = found.sampled.above.double().mean()
            assert set(found.sampled.above.tolist()) <= {0, 1}
            assert set(found.sampled.others.tolist()) == {6}
    expected = torch.zeros(ITEMS)
    expected[free] = 6 / len(free)
    # five standard deviations of a share of 4,000 draws
    assert (drawn - expected).abs().max() < 5 * (0.25 / 4000) ** 0.5
    assert drawn.sum().item() == pytest.approx(6)


def test_a_model_without_some_users_is_asked_about_the_same_negatives() -> None:
    scores, had, tested = _world(1)
    every, less = (_stand(scores, had, tested, 7, without=w) for w in (-1, 2))
    kept = every.user != 2
    assert not kept.all()
    assert less.user.tolist() == every.user[kept].tolist()
    assert _rows(less.sampled) == _rows(every.sampled.of(kept))


def test_a_constant_score_is_perfect_fair_and_worthless() -> None:
    scores = torch.zeros(1, 1001)
    pair = torch.tensor([[0], [1000]])
    found = _stand(scores, pair, pair, 999)
    assert _rows(found.sampled) == [(0, 999, 999)]
    assert _rows(found.every.constant()) == _rows(found.every) == [(0, 1000, 1000)]
    values = {
        (rule, name): v.item() for rule, name, v in rule_values(found.sampled, 10)
    }
    assert values["for the positive", "hit@10"] == 1
    assert values["for the positive", "mrr"] == 1
    assert values["expected", "hit@10"] == pytest.approx(0.01)
    ndcg = sum(gains(rank, 10)["ndcg@10"] for rank in range(1, 11)) / 1000
    assert values["expected", "ndcg@10"] == pytest.approx(ndcg)
    assert values["against", "hit@10"] == 0


def test_without_a_pair_there_is_nothing() -> None:
    scores, had, tested = _world(0)
    found = _stand(scores, had, tested[:, :0], 7)
    assert len(found.user) == len(found.every.above) == 0
