"""Links between domains that training never linked say nothing."""

from copy import copy
from dataclasses import replace

import pytest
import torch
from reference import worlds
from reference.scoring import scores

from micrec_pyg.graph.build import test_stage, train_stage
from micrec_pyg.nn.people import accounts, domains_linked, linked_alone
from micrec_pyg.schema import USER

CROSSING = ["bitgcf", "cdrib", "disencdr", "emcdr"]


def unlinked_in_training():
    """Return worlds where books and music share a user at the test alone.

    The user has an edge in books there.
    """
    domains, splits = worlds.worlds(first_of_music=15)
    books = splits["books"]
    support = torch.cat([books.support, books.test[:, 3:]], dim=1)
    splits["books"] = replace(books, support=support, test=books.test[:, :3])
    return domains, splits


def without_links_of(graphs, domain):
    """Return the graphs; nobody of a domain is in another one."""
    found = {name: copy(data) for name, data in graphs.items()}
    found[domain][USER].person = graphs[domain][USER].person + 10**6
    return found


@pytest.mark.parametrize("config", CROSSING, indirect=True)
def test_a_link_that_training_never_saw_changes_nothing(config, make, options):
    domains, splits = unlinked_in_training()
    train = train_stage(domains, splits, options)
    model = make(train)
    linked = {pair for pair, rows in train.overlap.items() if rows.shape[1]}
    assert linked == {("books", "food")}
    test = test_stage(train, domains, splits, options, answers=model.answers)
    assert test.overlap["books", "music"].shape[1]
    expected = scores(model, without_links_of(test.graphs, "music"))["music"]
    assert torch.equal(scores(model, test.graphs)["music"], expected)
    other = scores(model, without_links_of(test.graphs, "books"))["food"]
    assert not torch.equal(scores(model, test.graphs)["food"], other)


def test_accounts_without_those_of_other_domains():
    domains, splits = unlinked_in_training()
    options = worlds.options(num_neighbors=0)
    train = train_stage(domains, splits, options)
    linked = domains_linked(train)
    assert {name: flags.tolist() for name, flags in linked.items()} == {
        "books": [False, True, False],  # of books, food, music
        "food": [True, False, False],
        "music": [False, False, False],
    }
    graphs = test_stage(train, domains, splits, options).graphs
    user = torch.arange(graphs["music"][USER].num_nodes)
    found = accounts("music", user, graphs)
    assert bool(found["books"][1].any())
    alone = linked_alone("music", found, linked["music"])
    assert {name: bool(has.any()) for name, (_, has) in alone.items()} == {
        "books": False,
        "food": False,
        "music": True,
    }
    assert linked_alone("music", found, None) is found
