"""Divergences against torch's own, and samples by hand."""

import torch
from torch.distributions import Normal, kl_divergence
from torch.testing import assert_close

from micrec_pyg.nn.gaussian import (
    divergence,
    from_standard,
    gaussian,
    standard_noise,
)


def random(seed):
    generator = torch.Generator().manual_seed(seed)
    mean, raw = (
        3 * torch.randn(5, 4, dtype=torch.float64, generator=generator)
        for _ in range(2)
    )
    return gaussian(mean, raw)


def normal(q):
    return Normal(q.mean, q.std)


def test_divergences_are_those_of_torch():
    q, p = random(1), random(2)
    assert_close(divergence(q, p), kl_divergence(normal(q), normal(p)).sum(1))
    standard = kl_divergence(normal(q), Normal(0.0, 1.0)).sum(1)
    assert_close(from_standard(q), standard)


def test_the_deviation_is_a_softplus():
    q = gaussian(torch.zeros(1, 3), torch.tensor([[0.0, 1.0, -2.0]]))
    expected = torch.tensor([[0.6931472, 1.3132616, 0.1269280]])
    assert_close(q.std, expected, rtol=1e-5, atol=2e-6)


def test_a_deviation_near_0_keeps_gradients_finite():
    raw = torch.full((1, 1), -200.0, requires_grad=True)
    from_standard(gaussian(torch.zeros(1, 1), raw)).sum().backward()
    assert bool(raw.grad.isfinite().all())


def test_a_sample_is_the_mean_plus_scaled_noise():
    q, noise = random(3), standard_noise(random(3).mean, torch.Generator())
    assert noise.shape == q.mean.shape
    assert_close(q.sample(noise) - q.mean, q.std * noise)
    assert_close(q.sample(torch.zeros_like(noise)), q.mean)
