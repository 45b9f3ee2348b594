"""A step that can be recorded, and warming up for it, which leaves no trace."""

import logging
from functools import partial

import pytest
import torch
from reference import tiny, worlds
from reference.fitting import options
from reference.waiting import NoWaiting

from micrec_pyg.graph.build import domain_sizes, train_stage, valid_stage
from micrec_pyg.graph.to_device import to_device
from micrec_pyg.models.inmo import INMO
from micrec_pyg.nn.ranking import BPR
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import InputError
from micrec_pyg.training.fit import fit
from micrec_pyg.training.optimizer import schedule
from micrec_pyg.training.sampler import Sampler
from micrec_pyg.training.step import Step, record, warm_up

WEIGHTS = {"ranking": 1.0, "self_enhanced": 0.01}


def inmo_step(seed=0, device="cpu"):
    domains, splits = worlds.worlds()
    train = to_device(train_stage(domains, splits, worlds.options()), device)
    model = INMO(
        sizes=domain_sizes(train),
        streams=RandomStreams(seed),
        dim=4,
        std=0.1,
        loss=BPR(),
        num_layers=2,
        dropout=0.3,
        alpha_decay=0.9,
    ).to(device)
    streams = RandomStreams(seed, device)
    adam = torch.optim.Adam(
        model.parameters(), lr=0.01, fused=True, capturable=device == "cuda"
    )
    parts = {"triplets", "template_triplets"}
    sampler = Sampler(train, batch_size=8, parts=parts, streams=streams)
    return Step(model, train, sampler, WEIGHTS, adam, streams)


def everything(step):
    """Return copies of all that the next step depends on."""
    found = dict(step.model.state_dict())
    for place, state in enumerate(step.optimizer.state.values()):
        found |= {f"adam {place} {name}": value for name, value in state.items()}
    found |= {f"stream {name}": s for name, s in step.streams.state().items()}
    found |= {f"sum {name}": total for name, total in step.sums.items()}
    return {name: value.clone() for name, value in found.items()}


@pytest.mark.parametrize("before", [0, 2])
def test_warming_up_changes_no_later_step(before):
    plain, warmed = inmo_step(), inmo_step()
    for step in (plain, warmed):
        for _ in range(before):
            step()
        for total in step.sums.values():
            total.zero_()
    warm_up(warmed)
    for _ in range(3):
        plain()
        warmed()
    expected, found = everything(plain), everything(warmed)
    assert expected.keys() == found.keys()
    assert len(expected) > 10
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def test_warming_up_keeps_the_tensors_in_their_place():
    step = inmo_step()
    step()
    places = [p.data_ptr() for p in step.model.parameters()]
    warm_up(step)
    assert [p.data_ptr() for p in step.model.parameters()] == places


def test_what_waits_is_noticed():
    x = torch.tensor([1, 2])
    for waiting in (
        lambda: float(x[0]),
        lambda: x.nonzero(),
        lambda: x[x > 1],
        lambda: x.unique(),
        lambda: x.repeat_interleave(x),
        lambda: bool(torch.equal(x, x)),
    ):
        with NoWaiting(), pytest.raises(AssertionError, match="waits for the device"):
            waiting()


def refused():
    try:
        raise RuntimeError("operation not permitted when stream is capturing")
    except RuntimeError as error:
        raise InputError("give fit.cuda_graph=false") from error


def pretend_cuda(step, recording):
    """Let a step believe that it is on CUDA, where recording does this."""
    step.streams.device = torch.device("cuda")
    step.record = recording
    return step


@pytest.mark.parametrize("wanted", [True, "auto"])
def test_a_step_is_recorded_on_cuda_alone(wanted):
    calls = []
    recording = partial(calls.append, 1)
    step = inmo_step()
    step.record = recording
    record(step, wanted)
    record(pretend_cuda(inmo_step(), recording), False)
    assert not calls
    record(pretend_cuda(inmo_step(), recording), wanted)
    assert len(calls) == 1


def test_a_device_that_refuses_the_recording_is_told_once(caplog):
    step = pretend_cuda(inmo_step(), refused)
    with caplog.at_level(logging.INFO, logger="micrec_pyg"):
        record(step, "auto")
    (line,) = [text for text in caplog.messages if "recorded" in text]
    assert "not recorded: operation not permitted" in line
    with pytest.raises(InputError, match=r"fit\.cuda_graph=false"):
        record(step, True)


@pytest.mark.gpu
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("warm_up", [0, 5])
def test_a_recorded_run_is_an_eager_run(dropout, warm_up):
    domains, splits = worlds.worlds()
    train = train_stage(domains, splits, worlds.options())
    valid = valid_stage(train, domains, splits, worlds.options())
    found = []
    for cuda_graph in (False, True):
        model = INMO(
            sizes=domain_sizes(train),
            streams=RandomStreams(0),
            dim=4,
            std=0.1,
            loss=BPR(),
            num_layers=2,
            dropout=dropout,
            alpha_decay=0.9,
        )
        rows = []
        fit(
            model.to("cuda"),
            to_device(train, "cuda"),
            to_device(valid, "cuda"),
            options=options(
                max_epochs=3,
                cuda_graph=cuda_graph,
                schedule=partial(schedule, warm_up=warm_up, decay=None),
            ),
            weights=WEIGHTS,
            streams=RandomStreams(1, "cuda"),
            validate=lambda model, stage: {"food": {"ndcg@3": 0.0}},
            folder=None,
            on_epoch=rows.append,
        )
        found.append(rows)
    for eager, replayed in zip(*found, strict=True):
        for name, value in eager["loss"].items():
            assert replayed["loss"][name] == pytest.approx(value, rel=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["a scorer of its own", "rows of users"])
def test_every_part_can_be_recorded(name):
    domains, splits = worlds.worlds()
    train = to_device(train_stage(domains, splits, worlds.options()), "cuda")
    found = []
    for recorded in (False, True):
        streams = RandomStreams(0, "cuda")
        net = tiny.MODELS[name]["net"]
        model = net(sizes=domain_sizes(train), streams=RandomStreams(0)).to("cuda")
        adam = torch.optim.Adam(model.parameters(), fused=True, capturable=True)
        sampler = Sampler(
            train,
            batch_size=8,
            parts=set(model.terms.values()),
            streams=streams,
            num_negatives=model.num_negatives,
        )
        step = Step(model, train, sampler, tiny.MODELS[name]["weights"], adam, streams)
        if recorded:
            step.record()
        for _ in range(5):
            step()
        found.append({name: float(value) for name, value in step.sums.items()})
    assert found[0] == pytest.approx(found[1], rel=1e-4)


@pytest.mark.gpu
def test_a_step_that_waits_is_refused_with_what_to_do():
    step = inmo_step(device="cuda")
    losses = step.model.losses

    def waits(*given):
        found = losses(*given)
        found["ranking"].item()
        return found

    step.model.losses = waits
    with pytest.raises(InputError, match=r"fit\.cuda_graph=false"):
        step.record()
    step()  # as if nothing had been tried
    assert all(float(total) > 0 for total in step.sums.values())
