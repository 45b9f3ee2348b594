"""User features against a loop."""

import numpy as np
import torch
from reference import graph as reference

from micrec_pyg.graph.similar.user_features import mean_of_items
from micrec_pyg.schema import Feature


def test_equals_the_loop_and_reads_present_items_only():
    edges = torch.tensor([[0, 0, 0, 2, 2, 3], [0, 2, 4, 1, 2, 3]])
    mask = torch.tensor([True, False, True, False, True])
    values = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    clean = values.numpy().copy()
    values[~mask] = torch.nan
    users = mean_of_items(edges, {"text": Feature(values, mask)}, 5)["text"]
    mean, has = reference.user_means(edges.T.tolist(), clean, mask.numpy(), 5)
    np.testing.assert_allclose(users.values.numpy(), mean, rtol=1e-6)
    np.testing.assert_array_equal(users.mask.numpy(), has)
    # User 1 has no item, user 3 none with a text.
    assert users.mask.tolist() == [True, False, True, False, False]


def test_modalities_do_not_mix():
    edges = torch.tensor([[0, 0], [0, 1]])
    features = {
        "text": Feature(torch.tensor([[2.0], [4.0]]), torch.tensor([True, True])),
        "image": Feature(
            torch.tensor([[1.0, 0.0], [9.0, 9.0]]), torch.tensor([True, False])
        ),
    }
    users = mean_of_items(edges, features, 1)
    assert users["text"].values.tolist() == [[3.0]]
    assert users["image"].values.tolist() == [[1.0, 0.0]]
