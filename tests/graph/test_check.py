"""Every kind of damage is found and named."""

import pytest
import torch

from micrec_pyg.graph.build import train_stage
from micrec_pyg.graph.check import check_graph
from micrec_pyg.graph.norm import empty_csr
from micrec_pyg.schema import (
    DESCRIBES_USER,
    INTERACTED_BY,
    INTERACTS,
    ITEM,
    SIMILAR_ITEM,
    SIMILAR_USER,
    USER,
    USER_TEMPLATE,
)


@pytest.fixture
def graph(case, options):
    domain, split = case()
    return train_stage({"food": domain}, {"food": split}, options()).graphs["food"]


def test_a_built_graph_is_sound(graph):
    check_graph(graph)


def double_n_id(data):
    data[USER_TEMPLATE].n_id[0] = data[USER_TEMPLATE].n_id[1]


def short_n_id(data):
    data[USER].n_id = data[USER].n_id[1:]


def double_train_row(data):
    data[ITEM].train_row[0] = data[ITEM].train_row[1]


def another_shape(data):
    data[SIMILAR_USER].adj_t = empty_csr((3, 3))


def column_out_of_range(data):
    data[INTERACTS].adj_t.col_indices()[-1] = 99


def no_weight(data):
    data[SIMILAR_ITEM].adj_t.values()[0] = 0


def not_finite(data):
    data[SIMILAR_ITEM].adj_t.values()[0] = torch.nan


def adj_alone(data):
    data[SIMILAR_USER].adj.values()[0] += 1


def perm_alone(data):
    data[DESCRIBES_USER].perm = data[DESCRIBES_USER].perm.flip(0)


def order_of_interactions(data):
    data[INTERACTS].perm = data[INTERACTS].perm.flip(0)


def one_direction(data):
    data[INTERACTED_BY].adj_t.values()[0] += 1


def wrong_degree(data):
    data[ITEM].degree[0] += 1


def wrong_rho(data):
    data[USER].rho[0] += 1


def double_person(data):
    data[USER].person[0] = data[USER].person[1]


def missing_type(data):
    del data[SIMILAR_USER]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (double_n_id, "n_id of user_template"),
        (short_n_id, "n_id of user must"),
        (double_train_row, "train_row of item"),
        (another_shape, r"'similar', 'user'\) is \(3, 3\)"),
        (column_out_of_range, "'interacts', 'item'"),
        (no_weight, "not finite and positive"),
        (not_finite, "not finite and positive"),
        (adj_alone, "adj and perm of"),
        (perm_alone, "adj and perm of"),
        (one_direction, "is not the transpose"),
        (order_of_interactions, "or perm is not its order"),
        (wrong_degree, "degree of item"),
        (wrong_rho, "rho of user"),
        (double_person, "person must give each user"),
        (missing_type, "types are"),
    ],
)
def test_damage_is_named(graph, damage, message):
    damage(graph)
    with pytest.raises(ValueError, match=message):
        check_graph(graph)
