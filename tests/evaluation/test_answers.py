"""Vectors and scores of a model that are not those of its nodes are refused."""

import pytest
import torch
from reference import worlds

from micrec_pyg.evaluation.answers import check_vectors, checked
from micrec_pyg.graph.build import train_stage
from micrec_pyg.models.base import Model
from micrec_pyg.nn.inner_products import InnerProducts
from micrec_pyg.schema import ITEM, USER, Embeddings, InputError


@pytest.fixture(scope="module")
def graphs():
    domains, splits = worlds.worlds()
    return train_stage(domains, splits, worlds.options()).graphs


def test_vectors_are_of_all_nodes(graphs):
    name, graph = next(iter(graphs.items()))
    users, items = graph[USER].num_nodes, graph[ITEM].num_nodes
    z = Embeddings(user=torch.zeros(users, 2), item=torch.zeros(items, 2))
    check_vectors(Model(), {name: z}, graphs)
    check_vectors(Model(), {}, graphs)
    more = Embeddings(user=z.user, item=torch.zeros(items + 1, 2))
    said = f"gave {items + 1} vectors of items for domain '{name}', whose graph has"
    with pytest.raises(InputError, match=said):
        check_vectors(Model(), {name: more}, graphs)
    with pytest.raises(InputError, match="gave a tuple for domain"):
        check_vectors(Model(), {name: (z.user, z.item)}, graphs)


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (torch.zeros(3, 5), "gave [3, 5] of float32 for 2 users of domain 'a' with 5"),
        (torch.zeros(2, 6), "gave [2, 6] of float32"),
        (torch.zeros(2), "gave [2] of float32"),
        (torch.zeros(2, 5, dtype=torch.int64), "gave [2, 5] of int64"),
    ],
)
def test_scores_are_a_row_for_each_user_that_is_asked_about(scores, said):
    rows = torch.arange(2)
    good = checked(lambda rows: torch.ones(len(rows), 5), Model(), "a", 5)
    assert good(rows).shape == (2, 5)
    with pytest.raises(InputError) as refused:
        checked(lambda rows: scores, Model(), "a", 5)(rows)
    assert said in str(refused.value)


def test_scores_are_a_tensor():
    numbers = checked(lambda rows: [[0.0] * 5] * len(rows), Model(), "a", 5)
    with pytest.raises(InputError, match="the scorer of Model gave a list; needed: a"):
        numbers(torch.arange(2))


def test_inner_products_keep_their_fast_form():
    products = InnerProducts(torch.zeros(2, 3), torch.zeros(5, 3))
    assert checked(products, Model(), "a", 5) is products
