"""Smoothing over lists of similar items."""

import numpy as np
import pytest
import torch
from reference import multimodal, worlds
from reference import nn as naive
from reference.general import numbers
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, train_stage
from micrec_pyg.models.freedom import FREEDOM
from micrec_pyg.nn.ranking import BPR
from micrec_pyg.nn.similar_items import SimilarItems
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import ITEM, SIMILAR_ITEM


@pytest.fixture(params=[False, True], ids=["others", "with itself"])
def train(request):
    domains, splits = worlds.worlds()
    # 1 more with itself: the others of a list are the same
    options = worlds.options(
        num_neighbors=3 + request.param, knn_include_self=request.param
    )
    return train_stage(domains, splits, options)


def lists_of(data):
    """Return (neighbour, similarity) of every item, without itself."""
    return [
        [(j, s) for j, s in row if j != i]
        for i, row in enumerate(naive.similar_of(data, SIMILAR_ITEM))
    ]


def test_an_item_counts_once_in_what_is_smoothed(train):
    for data in train.graphs.values():
        x = torch.randn(data[ITEM].num_nodes, 4)
        near = [[(i, 1.0), *row] for i, row in enumerate(lists_of(data))]
        expected = numbers(x)
        for layers in (1, 2):
            expected = multimodal.over_lists(near, expected)
            found = SimilarItems(num_layers=layers)(x, data)
            assert_close(numbers(found), expected, rtol=1e-5, atol=1e-6)


def test_an_item_counts_once_in_the_mean_of_freedom(train):
    model = FREEDOM(
        sizes=domain_sizes(train),
        streams=RandomStreams(1),
        dim=4,
        std=0.5,
        unseen="zero",
        num_layers=1,
        dropout=0.5,
        loss=BPR(),
    )
    for data in train.graphs.values():
        x = torch.randn(data[ITEM].num_nodes, 4)
        expected = [
            np.mean([numbers(x)[i], *(numbers(x)[j] for j, _ in row)], axis=0)
            for i, row in enumerate(lists_of(data))
        ]
        found = numbers(model._similar(x, data))
        assert_close(found, np.array(expected), rtol=1e-5, atol=1e-6)
