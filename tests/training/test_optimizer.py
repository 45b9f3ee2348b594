"""The optimiser of conf/fit: groups by name, weight decay, and a rate by epoch."""

import math
from functools import partial

import pytest
import torch
from reference import fitting

from micrec_pyg.cli.config import composed
from micrec_pyg.runs.build import build
from micrec_pyg.schema import InputError
from micrec_pyg.training.optimizer import adam, one_drop, row_adam, schedule, set_rate


def network(seed=0):
    """Return two layers called head and head2, and a third."""
    torch.manual_seed(seed)
    names = ("head", "head2", "body")
    return torch.nn.ModuleDict({name: torch.nn.Linear(2, 2) for name in names})


def steps(model, optimizer, count=3):
    x = torch.tensor([[1.0, -2.0]])
    for _ in range(count):
        optimizer.zero_grad()
        sum(layer(x).square().sum() for layer in model.values()).backward()
        optimizer.step()


def by_hand(value, grads, lr, decay):
    """Return a parameter after Adam's steps (Kingma and Ba, algorithm 1)."""
    first = second = 0.0
    for number, grad in enumerate(grads, start=1):
        g = grad + decay * value
        first = 0.9 * first + 0.1 * g
        second = 0.999 * second + 0.001 * g * g
        mean, square = first / (1 - 0.9**number), second / (1 - 0.999**number)
        value = value - lr * mean / (math.sqrt(square) + 1e-8)
    return value


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_adam_follows_its_paper(decay):
    parameter = torch.nn.Parameter(torch.tensor([2.0]))
    optimizer = adam(
        [("x", parameter)], lr=0.1, recorded=False, weight_decay=decay, rates={}
    )
    grads = [1.0, -0.5, 3.0, 0.2]
    for grad in grads:
        parameter.grad = torch.tensor([grad])
        optimizer.step()
    assert parameter.item() == pytest.approx(by_hand(2.0, grads, 0.1, decay), rel=1e-5)


def rows_by_hand(table, grads, lr, decay):
    """Return a table after RowAdam's steps, row by row."""
    moved = []
    for place, row in enumerate(table):
        row, mean, square = list(row), [0.0] * len(row), 0.0
        for number, grad in enumerate(grads, start=1):
            g = [x + decay * p for x, p in zip(grad[place], row, strict=True)]
            mean = [0.9 * m + 0.1 * x for m, x in zip(mean, g, strict=True)]
            square = 0.999 * square + 0.001 * sum(x * x for x in g) / len(g)
            root = math.sqrt(square / (1 - 0.999**number)) + 1e-8
            bias = 1 - 0.9**number
            row = [p - lr * m / bias / root for p, m in zip(row, mean, strict=True)]
        moved.append(row)
    return moved


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_row_adam_has_one_scale_per_row(decay):
    generator = torch.Generator().manual_seed(0)
    table, *grads = torch.randn(5, 3, 4, generator=generator)
    parameter = torch.nn.Parameter(table.clone())
    bias = torch.nn.Parameter(torch.tensor([2.0]))
    optimizer = row_adam(
        [("x", parameter), ("b", bias)],
        lr=0.1,
        recorded=False,
        weight_decay=decay,
        rates={"b": 0.5},
    )
    for grad in grads:
        parameter.grad, bias.grad = grad.clone(), grad[0, :1].clone()
        optimizer.step()
    steps = [grad.tolist() for grad in grads]
    expected = torch.tensor(rows_by_hand(table.tolist(), steps, 0.1, decay))
    torch.testing.assert_close(parameter.data, expected, rtol=1e-5, atol=1e-6)
    alone = by_hand(2.0, [step[0][0] for step in steps], 0.05, decay)
    assert bias.item() == pytest.approx(alone, rel=1e-5)


def test_row_adam_keeps_a_table_and_a_number_per_row():
    parameter = torch.nn.Parameter(torch.ones(7, 4))
    optimizer = row_adam(
        [("x", parameter)], lr=0.1, recorded=False, weight_decay=0.0, rates={}
    )
    parameter.grad = torch.ones(7, 4)
    optimizer.step()
    (state,) = optimizer.state.values()
    assert sum(value.numel() for value in state.values()) == 7 * 4 + 7 + 1


def test_a_rate_of_zero_moves_nothing():
    parameter = torch.nn.Parameter(torch.ones(2, 3))
    optimizer = row_adam(
        [("x", parameter)],
        lr=torch.tensor(0.1),
        recorded=True,
        weight_decay=0.0,
        rates={},
    )
    set_rate(optimizer, 0.0)
    parameter.grad = torch.ones(2, 3)
    optimizer.step()
    assert torch.equal(parameter, torch.ones(2, 3))


def test_a_rate_that_drops_once():
    factors = [one_drop(epoch, at=2, factor=0.25) for epoch in range(4)]
    assert factors == [1.0, 1.0, 0.25, 0.25]
    for wrong in ({"at": -1, "factor": 0.5}, {"at": 1, "factor": 0}):
        with pytest.raises(InputError, match=r"fit\.schedule\.at"):
            one_drop(0, **wrong)


def test_without_options_it_is_plain_adam():
    found = []
    for make in (
        lambda named: fitting.ADAM(named, lr=0.1, recorded=False),
        lambda named: torch.optim.Adam([p for _, p in named], lr=0.1, fused=True),
    ):
        model = network()
        steps(model, make(model.named_parameters()))
        found.append(model.state_dict())
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_groups_have_rates_of_their_own():
    model = network()
    rates = {"head": 0.5, "head.bias": 0.0}
    optimizer = adam(
        model.named_parameters(), lr=0.2, recorded=False, weight_decay=0.0, rates=rates
    )
    expected = {"head.weight": 0.1, "head.bias": 0.0}
    rate = {p: group["lr"] for group in optimizer.param_groups for p in group["params"]}
    before = {name: p.clone() for name, p in model.named_parameters()}
    for name, parameter in model.named_parameters():
        assert rate[parameter] == pytest.approx(expected.get(name, 0.2)), name
    steps(model, optimizer, count=1)
    for name, parameter in model.named_parameters():  # Adam's first step is lr long
        moved = (parameter - before[name]).abs()
        torch.testing.assert_close(
            moved, torch.full_like(moved, rate[parameter]), atol=1e-6, rtol=1e-4
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rates": {"hed": 1.0}}, r"rates\.hed: no .*begin with body, head, head2"),
        ({"rates": {"head": -1.0}}, r"rates\.head=-1\.0: give"),
        ({"weight_decay": -0.1}, r"weight_decay=-0\.1: give"),
    ],
)
def test_what_is_impossible_is_refused(changes, message):
    options = {"weight_decay": 0.0, "rates": {}, **changes}
    with pytest.raises(InputError, match=message):
        adam(network().named_parameters(), lr=0.1, recorded=False, **options)


def test_the_rate_rises_and_falls():
    factors = [schedule(epoch, warm_up=3, decay=4) for epoch in range(9)]
    falling = [0.5 * (1 + math.cos(math.pi * t / 4)) for t in (0, 1, 2, 3, 4, 4)]
    assert factors == pytest.approx([0.25, 0.5, 0.75, *falling])
    assert {schedule(epoch, warm_up=0, decay=None) for epoch in range(9)} == {1.0}
    for wrong in ({"warm_up": -1, "decay": None}, {"warm_up": 0, "decay": 0}):
        with pytest.raises(InputError, match=r"fit\.schedule\."):
            fitting.options(schedule=partial(schedule, **wrong))


@pytest.mark.parametrize("lr", [0.2, torch.tensor(0.2)])
def test_the_rate_of_every_group_is_set_in_place(lr):
    optimizer = adam(
        network().named_parameters(),
        lr=lr,
        recorded=False,
        weight_decay=0.0,
        rates={"head": 0.5},
    )
    held = [group["lr"] for group in optimizer.param_groups]
    for factor in (0.1, 0.7):
        set_rate(optimizer, factor)
        rates = [float(group["lr"]) for group in optimizer.param_groups]
        assert sorted(rates) == pytest.approx([0.1 * factor, 0.2 * factor])
    if isinstance(lr, torch.Tensor):  # a recording reads these very tensors
        assert all(
            a is g["lr"] for a, g in zip(held, optimizer.param_groups, strict=True)
        )


def test_the_yaml_makes_them():
    config = composed(
        [
            "data=synthetic",
            "fit.lr=0.2",
            "+fit.optimizer.rates.head=0.5",
            "fit.optimizer.weight_decay=0.1",
            "fit.schedule.warm_up=1",
        ]
    )
    options = build(config["fit"])
    made = options.optimizer(
        network().named_parameters(), lr=options.lr, recorded=False
    )
    found = {(group["lr"], group["weight_decay"]) for group in made.param_groups}
    assert found == {(0.1, 0.1), (0.2, 0.1)}
    assert options.schedule(0) == 0.5
    assert options.lr_changes
