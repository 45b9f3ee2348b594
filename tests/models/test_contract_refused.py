"""A model that says of itself what cannot be is refused in one sentence."""

from typing import ClassVar

import pytest
import torch
from reference import worlds

from micrec_pyg.graph.build import train_stage
from micrec_pyg.models.base import Model, check_contract, check_losses, prepare
from micrec_pyg.schema import InputError


class Plain(Model):
    terms: ClassVar = {"ranking": "triplets"}

    def losses(self, graphs, batch, streams):
        return {}


class Users(Plain):
    answers = frozenset({"users"})


class Triplet(Plain):
    terms: ClassVar = {"ranking": "triplet"}


class Silent(Model):
    terms: ClassVar = {"ranking": "triplets"}


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Users, "Users.answers has users; give a set of 'user' and 'item'"),
        (Triplet, "Triplet.terms: ranking reads 'triplet'; give one of triplets, temp"),
        (Silent, r"Silent has terms \(ranking\) and no losses\(\); define it"),
    ],
)
def test_what_a_class_says(model, said):
    check_contract(Plain())
    with pytest.raises(InputError, match=said):
        check_contract(model())


def test_losses_are_the_terms_and_numbers():
    check_losses(Plain(), {"ranking": torch.tensor(1.0)})
    check_losses(Plain(), {})
    with pytest.raises(InputError, match="losses returned other, and terms"):
        check_losses(Plain(), {"ranking": torch.tensor(1.0), "other": torch.ones(())})
    with pytest.raises(InputError, match=r"ranking has the shape \[3\]; give one num"):
        check_losses(Plain(), {"ranking": torch.ones(3)})


class Keeping(Model):
    """Keeps what ``prepare`` finds in several ways."""

    def __init__(self, way):
        super().__init__()
        self.way, self.inner = way, torch.nn.Identity()
        self.register_buffer("saved", None)
        self.table, self.by_name, self.rows = torch.zeros(2), {}, []

    def prepare(self, train):
        self.saved = torch.ones(2)
        if self.way == "new":
            self.count = 3
        elif self.way == "replaced":
            self.table = torch.ones(2)
        elif self.way == "in place":
            self.table += 1
        elif self.way == "by name":
            self.by_name["a"] = torch.ones(2)
        elif self.way == "appended":
            self.rows.append(1)
        elif self.way == "within":
            self.inner.count = 3


@pytest.mark.parametrize(
    ("way", "lost"),
    [
        ("new", "count"),
        ("replaced", "table"),
        ("in place", "table"),
        ("by name", "by_name"),
        ("appended", "rows"),
        ("within", "inner.count"),
    ],
)
def test_what_prepare_keeps_is_saved_or_refused(way, lost):
    domains, splits = worlds.worlds()
    train = train_stage(domains, splits, worlds.options())
    prepare(Keeping("buffers alone"), train)
    with pytest.raises(InputError, match=f"prepare of Keeping keeps {lost} in attrib"):
        prepare(Keeping(way), train)
