"""The projection head against its equation."""

import torch
from torch.testing import assert_close

from micrec_pyg.nn.projection import ProjectionHead


def test_two_linear_layers_with_relu_between():
    head = ProjectionHead(dim=3, generator=torch.Generator().manual_seed(0))
    z = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    inner = z @ head.inner.weight.T + head.inner.bias
    hidden = torch.where(inner > 0, inner, 0.0)
    assert 0 < int((inner > 0).sum()) < inner.numel()
    assert_close(head(z), hidden @ head.outer.weight.T + head.outer.bias)


def test_weights_come_from_the_generator_alone():
    torch.manual_seed(1)
    first = ProjectionHead(dim=3, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(2)
    again = ProjectionHead(dim=3, generator=torch.Generator().manual_seed(0))
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(first.inner.weight, first.outer.weight)
