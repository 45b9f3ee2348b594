import json
from functools import cache, partial
from itertools import product

import pytest
import torch
from reference import worlds
from reference.fitting import options

from micrec_pyg.evaluation.validate import validate
from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage, valid_stage
from micrec_pyg.models.inmo import INMO
from micrec_pyg.models.popularity import Popularity
from micrec_pyg.nn.ranking import BPR
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import InputError
from micrec_pyg.training.fit import fit
from micrec_pyg.training.optimizer import adam, row_adam, schedule
from micrec_pyg.training.sampler import Sampler

WEIGHTS = {"ranking": 1.0, "self_enhanced": 0.01}
GROUPS = {
    "optimizer": partial(
        adam, weight_decay=0.01, rates={"templates.self_enhanced": 0.3}
    ),
    "schedule": partial(schedule, warm_up=2, decay=5),
}
"""Two groups of parameters, and another learning rate in every epoch."""


@pytest.fixture(scope="module")
def stages():
    domains, splits = worlds.worlds()
    train = train_stage(domains, splits, worlds.options())
    return train, valid_stage(train, domains, splits, worlds.options())


def inmo(train, dropout=0.3):
    return INMO(
        sizes=domain_sizes(train),
        streams=RandomStreams(0),
        dim=4,
        std=0.1,
        loss=BPR(),
        num_layers=2,
        dropout=dropout,
        alpha_decay=0.9,
    )


def run(stages, *, model=None, folder=None, on_epoch=lambda row: None, **changes):
    train, valid = stages
    weights = changes.pop("weights", WEIGHTS)
    model = model or inmo(train)
    result = fit(
        model,
        train,
        valid,
        options=options(**changes),
        weights=weights,
        streams=RandomStreams(1),
        validate=lambda m, v: validate(m, v, k=3, batch_size=4),
        folder=folder,
        on_epoch=on_epoch,
    )
    return model, result


def test_the_last_epoch_is_validated_whatever_the_interval(stages):
    _, result = run(stages, max_epochs=3, eval_every=10)
    assert result.best_epoch == 2
    with pytest.raises(InputError, match=r"fit\.metric=test/ndcg@3: validation has"):
        run(stages, max_epochs=3, eval_every=10, metric="test/ndcg@3")


def test_three_epochs_equal_a_loop_by_hand(stages):
    train, valid = stages
    values = []

    def grows(model, stage):  # a validation that always prefers the last epoch
        values.append(len(values))
        return {"food": {"ndcg@3": float(len(values))}}

    model = inmo(train)
    fit(
        model,
        train,
        valid,
        options=options(max_epochs=3),
        weights=WEIGHTS,
        streams=RandomStreams(1),
        validate=grows,
        folder=None,
        on_epoch=lambda row: None,
    )
    by_hand, streams = inmo(train), RandomStreams(1)
    adam = torch.optim.Adam(by_hand.parameters(), lr=0.01)
    sampler = Sampler(
        train,
        batch_size=8,
        parts={"triplets", "template_triplets"},
        streams=streams,
    )
    for epoch in range(3):
        by_hand.begin_epoch(epoch)
        for batch in sampler.epoch():
            loss = by_hand.losses(train.graphs, batch, streams)
            adam.zero_grad()
            (loss["ranking"] + 0.01 * loss["self_enhanced"]).backward()
            adam.step()
    for name, value in by_hand.state_dict().items():
        # fused Adam rounds differently, in the last bits only
        torch.testing.assert_close(model.state_dict()[name], value, atol=1e-5, rtol=0)


class KilledError(Exception):
    pass


KINDS = {
    "plain": {"batch_size": 24},
    "groups": {"batch_size": 24, **GROUPS},
    "rows": {
        "batch_size": 24,
        "optimizer": partial(row_adam, weight_decay=0.1, rates={}),
    },
}


@pytest.fixture(scope="module")
def finished(stages):
    """Return a function that trains a kind of run to its end, once."""
    return cache(lambda kind: run(stages, **KINDS[kind]))


@pytest.mark.parametrize(
    ("kind", "killed_after"),
    [*product(("plain", "groups"), (0, 1, 4)), ("rows", 1)],
)
def test_a_killed_run_goes_on_with_the_same_bits(
    stages, finished, tmp_path, killed_after, kind
):
    whole, whole_result = finished(kind)
    changes = KINDS[kind]

    def kill(row):
        if row["epoch"] == killed_after:
            raise KilledError

    with pytest.raises(KilledError):
        run(stages, folder=tmp_path, on_epoch=kill, **changes)
    seen = []
    resumed, result = run(
        stages,
        folder=tmp_path,
        on_epoch=lambda row: seen.append(row["epoch"]),
        **changes,
    )
    # the epoch that was killed before its checkpoint is trained again
    assert seen == list(range(killed_after, 6))
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    assert (result.best_epoch, result.val) == (
        whole_result.best_epoch,
        whole_result.val,
    )
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(6))


def test_the_learning_rate_follows_the_schedule(stages):
    model, before = inmo(stages[0]), []

    def keep(row):
        before.append([p.detach().clone() for p in model.parameters()])

    changes = {"schedule": partial(schedule, warm_up=0, decay=1)}
    run(stages, model=model, on_epoch=keep, max_epochs=3, **changes)
    first, second, third = before
    start = inmo(stages[0]).parameters()
    assert not any(torch.equal(a, b) for a, b in zip(first, start, strict=True))
    for later in (second, third):  # the rate is 0 after the first epoch
        assert all(torch.equal(a, b) for a, b in zip(first, later, strict=True))


def test_the_best_epoch_is_restored_with_its_alpha(stages):
    train, valid = stages
    scores = iter([0.1, 0.5, 0.3, 0.5, 0.2, 0.1])  # epoch 1; an equal one is not better
    states = []

    def scripted(model, stage):
        states.append({k: v.clone() for k, v in model.state_dict().items()})
        return {"food": {"ndcg@3": next(scores)}, "books": {"ndcg@3": 0.0}}

    model = inmo(train)
    result = fit(
        model,
        train,
        valid,
        options=options(patience=3),
        weights=WEIGHTS,
        streams=RandomStreams(1),
        validate=scripted,
        folder=None,
        on_epoch=lambda row: None,
    )
    assert result.best_epoch == 1
    assert result.epochs == 5  # epochs 2, 3 and 4 are not better: patience is over
    for name, value in states[1].items():
        assert torch.equal(model.state_dict()[name], value)
    assert float(model.templates.template["domain_food"].alpha) == pytest.approx(0.9)


def test_patience_waits_for_a_validation(stages):
    rows = []
    _, result = run(
        stages, max_epochs=30, patience=2, eval_every=5, on_epoch=rows.append
    )
    assert rows[4]["val"] is not None
    assert rows[-1]["val"] is not None
    assert result.epochs % 5 == 0
    assert result.best_epoch % 5 == 4


def test_a_model_without_parameters_is_validated_once(stages):
    train, _ = stages
    model = Popularity(sizes=domain_sizes(train), streams=RandomStreams(0))
    _, result = run(stages, model=model, weights={})
    assert (result.epochs, result.best_epoch) == (1, 0)
    assert set(result.val) == {"food", "books", "music"}


def test_the_test_stage_is_refused(stages):
    domains, splits = worlds.worlds()
    train, _ = stages
    test = test_stage(train, domains, splits, worlds.options())
    with pytest.raises(TypeError):
        run((train, test))


def test_a_wrong_weight_metric_or_loss_is_told(stages):
    with pytest.raises(InputError, match=r"contrastive.*ranking, self_enhanced"):
        run(stages, weights={"contrastive": 1.0})
    with pytest.raises(InputError, match=r"recall@7.*ndcg@3"):
        run(stages, metric="recall@7")
    with pytest.raises(InputError, match="lr=0"):
        options(lr=0.0)
    with pytest.raises(InputError, match="no loss is left to train"):
        run(stages, weights={"ranking": 0.0, "self_enhanced": 0.0})
    model = inmo(stages[0])
    with torch.no_grad():
        model.templates.template["domain_food"].user.fill_(torch.nan)
    with pytest.raises(FloatingPointError, match="ranking"):
        run(stages, model=model)
