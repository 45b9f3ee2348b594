"""Fully connected layers and dropout against their definitions."""

import pytest
import torch
from torch.testing import assert_close

from micrec_pyg.nn.mlp import MLP, dropout


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_activation_stands_between_layers_only():
    net = MLP([3, 5, 4, 2], activation=torch.tanh, generator=generator())
    x = torch.randn(7, 3, generator=generator(1))
    first, second, third = net.layers
    hidden = torch.tanh(x @ first.weight.T + first.bias)
    hidden = torch.tanh(hidden @ second.weight.T + second.bias)
    assert_close(net(x), hidden @ third.weight.T + third.bias)
    bound = (6 / (3 + 5)) ** 0.5  # Glorot's
    assert bound / 2 < float(first.weight.detach().abs().max()) <= bound


@pytest.mark.parametrize("p", [0.2, 0.9])
def test_dropout_keeps_the_mean(p):
    x = torch.full((200, 100), 3.0)
    found = dropout(x, p, generator())
    assert_close(found.unique(), torch.tensor([0.0, 3 / (1 - p)]))
    assert abs(float((found > 0).float().mean()) - (1 - p)) < 0.01
    assert torch.equal(dropout(x, p, None), x)
