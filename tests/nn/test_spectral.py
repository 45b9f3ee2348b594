"""Filters of spectra, frequency by frequency."""

import pytest
import torch
from reference import multimodal as reference
from reference.general import numbers
from torch.testing import assert_close

from micrec_pyg.nn.spectral import SpectralFusion


@pytest.mark.parametrize("dim", [6, 7])
@pytest.mark.parametrize("names", [("image", "text"), ("text",)])
def test_fusion_is_that_of_the_equations(dim, names):
    generator = torch.Generator().manual_seed(1)
    layer = SpectralFusion(names, dim=dim, generator=generator)
    x = {name: torch.randn(4, dim, generator=generator) for name in names}
    own, fused = layer(x)
    plain = {name: numbers(each) for name, each in x.items()}
    expected, together = reference.spectral_fusion(layer, plain)
    assert_close(numbers(fused), together, rtol=1e-4, atol=1e-5)
    for name in names:
        assert_close(numbers(own[name]), expected[name], rtol=1e-4, atol=1e-5)
