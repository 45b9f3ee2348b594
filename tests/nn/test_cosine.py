"""Cosines, with rows of zeros among them."""

import numpy as np
import torch
from torch.testing import assert_close

from micrec_pyg.nn.cosine import cosine_loss, unit


def tables():
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(5, 3, generator=generator) for _ in range(2))
    first[1], second[3] = 0.0, 0.0
    return first.requires_grad_(), second


def far(a, b):
    length = np.sqrt(a @ a) * np.sqrt(b @ b)
    return 1 - a @ b / (length or 1.0)


def test_rows_of_zeros_stay_and_have_no_gradient():
    x, _ = tables()
    found = unit(x)
    assert_close(found.norm(dim=1), torch.tensor([1.0, 0.0, 1.0, 1.0, 1.0]))
    found[:, 0].sum().backward()
    assert bool(x.grad.isfinite().all())
    assert float(x.grad.abs().max()) < 100
    assert not bool(x.grad[1].any())


def test_the_mean_is_over_the_rows_that_count():
    first, second = tables()
    pairs = list(zip(first.detach().numpy(), second.numpy(), strict=True))
    expected = np.mean([far(a, b) for a, b in pairs])
    assert_close(cosine_loss(first, second).item(), expected, rtol=1e-6, atol=0)
    counted = torch.tensor([True, False, True, False, False])
    expected = np.mean([far(*pairs[0]), far(*pairs[2])])
    found = cosine_loss(first, second, counted)
    assert_close(found.item(), expected, rtol=1e-6, atol=0)
    found.backward()
    assert first.grad.any(1).tolist() == counted.tolist()


def test_no_row_that_counts_is_no_loss():
    first, second = tables()
    assert cosine_loss(first, second, torch.zeros(5, dtype=torch.bool)).item() == 0
