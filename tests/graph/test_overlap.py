"""Shared users by raw id."""

import polars as pl
import torch

from micrec_pyg.graph.overlap import shared_users
from micrec_pyg.schema import Vocab


def vocab(*ids: str) -> Vocab:
    return Vocab(pl.Series(ids, dtype=pl.String))


def test_three_domains_pair_by_raw_id_in_graph_rows():
    users = {
        "b": vocab("ann", "bob", "cy"),
        "a": vocab("cy", "dan", "ann"),
        "c": vocab("eve"),
    }
    # In b's graph: cy is row 0, ann row 1; bob is not in it.
    n_id = {
        "a": torch.tensor([0, 1, 2]),
        "b": torch.tensor([2, 0]),
        "c": torch.tensor([0]),
    }
    shared = shared_users(users, n_id)
    assert set(shared) == {("a", "b"), ("a", "c"), ("b", "c")}
    assert shared["a", "b"].tolist() == [[0, 2], [0, 1]]
    assert shared["a", "c"].shape == shared["b", "c"].shape == (2, 0)


def test_a_user_missing_in_one_graph_is_left_out():
    users = {"a": vocab("x", "y"), "b": vocab("y", "x")}
    n_id = {"a": torch.tensor([0, 1]), "b": torch.tensor([1])}
    # y has no row in b's graph, x has row 0 there.
    assert shared_users(users, n_id)["a", "b"].tolist() == [[0], [0]]


def test_one_domain_has_no_pair():
    assert shared_users({"a": vocab("x")}, {"a": torch.tensor([0])}) == {}
