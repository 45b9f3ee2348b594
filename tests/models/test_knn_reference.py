"""ItemKNN and content kNN against loops over their equations."""

import math

import numpy as np
import pytest
import torch
from reference import closed_forms, worlds
from reference.scoring import scores
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.models import content_knn, item_knn
from micrec_pyg.models.content_knn import ContentKNN
from micrec_pyg.models.item_knn import ItemKNN
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import USER

WEIGHTS = {"text": 0.7, "image": 0.3, "sound": 0.2}


def stages():
    domains, splits = worlds.worlds()
    options = worlds.options(num_neighbors=0)
    train = train_stage(domains, splits, options)
    return train, test_stage(train, domains, splits, options)


def prepared(kind, train, **settings):
    model = kind(sizes=domain_sizes(train), streams=RandomStreams(0), **settings)
    model.prepare(train)
    return model


def histories(data):
    """Return 0/1 rows in the order of the graph's users."""
    rows, persons, _ = closed_forms.people({"one": data})
    return rows[[persons.index(p) for p in data[USER].person.tolist()]]


PLAIN = {
    "weighting": "none",
    "k1": 1.2,
    "b": 0.75,
    "similarity": "cosine",
    "score": "sum",
}


@pytest.mark.parametrize(
    ("k", "shrink", "changes"),
    [
        (100, 0.0, {}),
        (3, 2.5, {}),
        (3, 2.5, {"weighting": "tf-idf"}),
        (3, 2.5, {"weighting": "bm25", "score": "mean"}),
        (3, 2.5, {"score": "deviation"}),
        (
            4,
            9.0,
            {
                "weighting": "bm25",
                "k1": 2.0,
                "b": 0.3,
                "similarity": "dot",
                "score": "deviation",
            },
        ),
    ],
)
def test_item_knn_follows_its_equation(k, shrink, changes, monkeypatch):
    monkeypatch.setattr(item_knn, "BLOCK", 4)
    train, test = stages()
    settings = {**PLAIN, **changes}
    model = prepared(ItemKNN, train, k=k, shrink=shrink, **settings)
    compared = 0
    for domain, found in scores(model, test.graphs).items():
        old, rows = histories(train.graphs[domain]), histories(test.graphs[domain])
        totals = old.shape[1], old.sum() / old.shape[1]
        by = [settings[name] for name in ("weighting", "k1", "b")]
        x = closed_forms.weighted(rows, *by, totals)
        dot = settings["similarity"] == "dot"
        similar = (
            closed_forms.products(x) if dot else closed_forms.shrunk_cosine(x, shrink)
        )
        share = rows.sum(axis=0) / len(old)
        for i in range(len(similar)):
            kept = sorted(range(len(similar)), key=lambda j: -similar[i, j])[:k]
            others = set(range(len(similar))) - set(kept)
            cut = similar[i, kept[-1]]
            if any(abs(similar[i, j] - cut) < 1e-6 and cut > 0 for j in others):
                continue  # which of equal neighbours are kept is arbitrary
            mine = {j: similar[i, j] for j in kept}
            expected = [
                closed_forms.knn_score(mine, row, (share[i], share), settings["score"])
                for row in rows
            ]
            assert_close(found[:, i], torch.tensor(expected).float())
            compared += 1
    assert compared > 9


def test_neighbours_are_searched_again_for_other_edges_alone(monkeypatch):
    train, test = stages()
    searched, search = [], ItemKNN._neighbors

    def counted(self, *given):
        searched.append(given)
        return search(self, *given)

    monkeypatch.setattr(ItemKNN, "_neighbors", counted)
    model = prepared(ItemKNN, train, k=3, shrink=2.5, **PLAIN)
    for graphs in (test.graphs, test.graphs, train.graphs):
        found = scores(model, graphs)
        other = scores(prepared(ItemKNN, train, k=3, shrink=2.5, **PLAIN), graphs)
        for domain in graphs:
            assert torch.equal(found[domain], other[domain])
    # a fresh model searches for each graph; the other one not for the second
    assert len(searched) == 5 * len(test.graphs)


def cosine(data, i, j):
    """Return the weighted similarity of the content of two items."""
    total = 0.0
    for name in ("text", "image"):
        items = data["item"]
        if items[f"{name}_mask"][i] and items[f"{name}_mask"][j]:
            x, y = (items[name][k].double() for k in (i, j))
            total += WEIGHTS[name] * float(x @ y / (x.norm() * y.norm()))
    return total


@pytest.mark.parametrize("profile", ["mean", "max"])
def test_content_knn_follows_its_equation(profile, monkeypatch):
    monkeypatch.setattr(content_knn, "BLOCK", 5)
    train, test = stages()
    model = prepared(
        ContentKNN, train, modalities=WEIGHTS, profile=profile, whiten=None, floor=0.1
    )
    pick = {"mean": lambda s: math.fsum(s) / len(s), "max": max}[profile]
    for domain, found in scores(model, test.graphs).items():
        data = test.graphs[domain]
        for u, row in enumerate(histories(data)):
            mine = np.nonzero(row)[0]
            for i in range(found.shape[1]):
                expected = pick([cosine(data, i, j) for j in mine]) if len(mine) else 0
                assert abs(float(found[u, i]) - expected) < 1e-5


def test_whitened_content_has_one_space_for_all_domains():
    train, test = stages()
    model = prepared(
        ContentKNN, train, modalities={"text": 1.0}, profile="max", whiten=4, floor=0.1
    )
    seen = [g["item"]["text"][g["item"]["text_mask"]] for g in train.graphs.values()]
    maps = closed_forms.whitening(torch.cat(seen).double().numpy(), dim=4, floor=0.1)
    items = test.graphs["books"]["item"]
    found = model(test.graphs)["books"].item
    rows = [closed_forms.whiten(x.double().numpy(), *maps) for x in items["text"]]
    expected = torch.tensor(np.array(rows)).float() * items["text_mask"].view(-1, 1)
    assert_close(found @ found.T, expected @ expected.T, rtol=1e-4, atol=1e-5)
