"""What every model owes when it is trained, read from what it declares."""

from contextlib import suppress

import pytest
import torch
from reference import worlds
from reference.fitting import options as fit_options
from reference.scoring import same, scores
from reference.waiting import NoWaiting

from micrec_pyg import process_group
from micrec_pyg.graph.build import train_stage, valid_stage
from micrec_pyg.models.base import parts_of
from micrec_pyg.nn.kernels import configure
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.training import shares
from micrec_pyg.training.fit import fit
from micrec_pyg.training.sampler import Sampler
from micrec_pyg.training.step import Step


def trains(model):
    return bool(list(model.parameters()))


def sampler(model, train, seed=0, parts=None):
    return Sampler(
        train,
        batch_size=20,
        parts=set(parts_of(model).values()) if parts is None else parts,
        streams=RandomStreams(seed),
        num_negatives=model.num_negatives,
        loss=model.loss,
    )


def total(model, config, train, streams, seed=0):
    """Return the weighted loss of one batch, with what is off by default."""
    losses = model.losses(train.graphs, sampler(model, train, seed).draw(), streams)
    assert set(losses) == set(config["weights"])
    weights = {name: weight or 1.0 for name, weight in config["weights"].items()}
    return sum(weights[name] * losses[name] for name in sorted(losses))


def step(model, config, train, streams, count=1):
    """Take some steps of Adam, where there is something to train."""
    if not trains(model):
        return
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for number in range(count):
        optimizer.zero_grad()
        total(model, config, train, streams, number).backward()
        optimizer.step()


def test_losses_are_finite_and_gradients_reach_every_parameter(make, config, options):
    domains, splits = worlds.worlds(first_of_music=6)  # every two share users
    train = train_stage(domains, splits, options)
    assert len(train.overlap) == 3
    model = make(train)
    if not trains(model):
        pytest.skip("has no parameters")
    loss = total(model, config, train, RandomStreams(1))
    assert bool(loss.isfinite())
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name
        assert bool((parameter.grad != 0).any()), name


def test_losses_only_of_the_parts_that_a_batch_has(make, stage):
    train = stage[-1]
    model = make(train)
    parts = parts_of(model)
    for part in sorted(set(parts.values())):
        batch = sampler(model, train, parts={part}).draw()
        losses = model.losses(train.graphs, batch, RandomStreams(1))
        assert set(losses) == {name for name, p in parts.items() if p == part}
        assert all(bool(loss.isfinite()) for loss in losses.values())


def test_a_batch_can_be_divided_as_the_model_says(make, stage, monkeypatch):
    train = stage[-1]
    model = make(train)
    if not trains(model):
        pytest.skip("has no step")
    parts = parts_of(model)
    batch = sampler(model, train).draw()
    whole, drawn = RandomStreams(1), []
    expected = model.losses(train.graphs, batch, whole)
    found = dict.fromkeys(expected, 0.0)
    monkeypatch.setattr(process_group, "size", lambda: 3)
    for rank in range(3):
        monkeypatch.setattr(process_group, "rank", lambda rank=rank: rank)
        monkeypatch.setattr(shares, "size", lambda: 3)
        streams = RandomStreams(1)
        own = shares.own_share(model, batch)
        for name, loss in model.losses(train.graphs, own, streams).items():
            weight = shares.weight_of_share(model, parts[name], 20)
            found[name] = found[name] + weight * loss
        drawn.append(streams.state())
    for name, loss in expected.items():
        torch.testing.assert_close(found[name], loss, rtol=1e-5, atol=1e-6)
    for state in drawn:  # what all draw must stay the same in all
        assert state.keys() == whole.state().keys()
        assert all(torch.equal(v, whole.state()[name]) for name, v in state.items())


def test_a_step_never_waits_for_the_device(make, stage):
    train, streams = stage[-1], RandomStreams(1)
    model = make(train)
    if not trains(model):
        pytest.skip("has no step")
    adam = torch.optim.Adam(model.parameters(), fused=True)
    weights = dict.fromkeys(model.terms, 1.0)
    take = Step(model, train, sampler(model, train), weights, adam, streams)
    configure(kernel="csr")  # as on CUDA: whole products, no part of a size to ask for
    try:
        with NoWaiting():
            take()
    finally:
        configure()


def test_same_seed_same_bits(make, config, stage):
    train = stage[-1]
    found = []
    for seed in (3, 3, 4):
        model = make(train, seed=seed)
        step(model, config, train, RandomStreams(3), count=2)
        found.append(scores(model, train.graphs))
    assert same(found[0], found[1])
    assert same(found[0], found[2]) != trains(model)


def test_a_step_changes_the_next_scores(make, config, stage):
    train = stage[-1]
    model = make(train)
    before, again = (scores(model, train.graphs)["food"] for _ in range(2))
    assert torch.equal(before, again)
    step(model, config, train, RandomStreams(1))
    after = scores(model, train.graphs)["food"]
    assert bool((before != after).any(1).all()) == trains(model)


def test_the_order_of_domains_is_irrelevant(make, config, stage, options):
    domains, splits, train = stage
    turned = {name: domains[name] for name in reversed(domains)}
    other = train_stage(turned, splits, options)
    assert list(other.graphs) == list(reversed(list(train.graphs)))
    results = []
    for one in (train, other):
        model = make(one)
        loss = total(model, config, one, RandomStreams(1)) if trains(model) else None
        step(model, config, one, RandomStreams(2), count=3)
        results.append((scores(model, one.graphs), loss))
    (found, loss), (found_turned, loss_turned) = results
    assert loss == loss_turned
    assert same(found, found_turned)


class KilledError(Exception):
    pass


def kill(row):
    if row["epoch"] == 1:
        raise KilledError


def judge(model, valid):
    found = scores(model, valid.graphs)
    return {name: {"ndcg@3": float(each.mean())} for name, each in found.items()}


def test_a_killed_run_goes_on_with_the_same_bits(
    make, config, stage, options, tmp_path
):
    domains, splits, train = stage
    valid = valid_stage(train, domains, splits, options)

    def run(model, **changes):
        return fit(
            model,
            train,
            valid,
            options=fit_options(max_epochs=3, batch_size=40),
            weights=config["weights"],
            streams=RandomStreams(1),
            validate=judge,
            **{"folder": None, "on_epoch": lambda row: None, **changes},
        )

    whole = make(train, prepare=False)
    expected = run(whole)
    with suppress(KilledError):  # a model without parameters ends before
        run(make(train, prepare=False), folder=tmp_path, on_epoch=kill)
    resumed = make(train, prepare=False)
    resumed.prepare = None  # what it made is in the checkpoint
    result = run(resumed, folder=tmp_path)
    assert (result.epochs, result.best_epoch) == (expected.epochs, expected.best_epoch)
    assert result.epochs == (3 if trains(whole) else 1)
    assert same(scores(resumed, train.graphs), scores(whole, train.graphs))
