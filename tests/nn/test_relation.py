"""Attention over key nodes, node by node."""

import numpy as np
import torch
from reference.general import numbers, relation
from torch.testing import assert_close

from micrec_pyg.nn.relation import RelationAttention


def test_attention_is_that_of_the_equations():
    generator = torch.Generator().manual_seed(1)
    layer = RelationAttention(dim=3, num_heads=2, generator=generator)
    x = torch.randn(5, 3, generator=generator)
    keys = torch.randn(4, 3, generator=generator)
    expected = [relation(layer, each, numbers(keys)) for each in numbers(x)]
    assert_close(numbers(layer(x, keys)), np.array(expected), rtol=1e-5, atol=1e-6)
