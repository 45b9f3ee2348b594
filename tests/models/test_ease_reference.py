"""EASE and EASE-xc against numpy: same graphs in, same scores out."""

from functools import partial

import numpy as np
import pytest
import torch
from reference import closed_forms, worlds
from reference.scoring import scores
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.models.ease import EASE
from micrec_pyg.models.ease_xc import EASExc
from micrec_pyg.nn import closed_form, item_to_item
from micrec_pyg.nn.closed_form import ItemSide, Iterations
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import ITEM, USER

RIDGE, ALPHA, DECAY = 2.0, {"text": 1.5, "image": 0.4}, 0.5

xc = partial(
    EASExc,
    ridge=RIDGE,
    row_decay=DECAY,
    content=ALPHA,
    content_dim=4,
    content_floor=0.1,
    max_dense=1000,
)


def stages(**unseen):
    domains, splits = worlds.worlds(**unseen)
    options = worlds.options(num_neighbors=0)
    train = train_stage(domains, splits, options)
    return train, test_stage(train, domains, splits, options)


def prepared(make, train):
    model = make(sizes=domain_sizes(train), streams=RandomStreams(0))
    model.prepare(train)
    return model


def content(graphs, fitted_on):
    """Return alpha-weighted whitened content of all items, axes as columns."""
    parts = []
    for name, alpha in ALPHA.items():
        maps = closed_forms.whitening(
            np.concatenate([present(fitted_on[d], name) for d in sorted(fitted_on)]),
            dim=4,
            floor=0.1,
        )
        rows = []
        for domain in sorted(graphs):
            items = graphs[domain]["item"]
            for x, there in zip(items[name], items[f"{name}_mask"], strict=True):
                row = closed_forms.whiten(x.double().numpy(), *maps)
                rows.append(row * np.sqrt(alpha) * bool(there))
        parts.append(np.array(rows))
    return np.concatenate(parts, axis=1)


def present(data, name):
    return data["item"][name][data["item"][f"{name}_mask"]].double().numpy()


def compare(model, graphs, weights):
    """Assert that all scores are x B."""
    histories, persons, first = closed_forms.people(graphs)
    x = closed_forms.scaled(histories, DECAY)
    for domain, found in scores(model, graphs).items():
        columns = slice(first[domain], first[domain] + found.shape[1])
        rows = [persons.index(p) for p in graphs[domain][USER].person.tolist()]
        expected = torch.from_numpy((x @ weights)[rows, columns]).float()
        assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_ease_is_the_inverse_of_every_domain():
    train, test = stages(unseen=(USER,))
    model = prepared(partial(EASE, ridge=RIDGE, max_dense=1000), train)
    for domain, data in train.graphs.items():
        histories = closed_forms.people({domain: data})[0]
        weights = closed_forms.ease(histories, RIDGE)
        for graphs in (train.graphs, test.graphs):
            rows, persons, _ = closed_forms.people({domain: graphs[domain]})
            order = [persons.index(p) for p in graphs[domain][USER].person.tolist()]
            expected = torch.from_numpy((rows @ weights)[order]).float()
            assert_close(scores(model, graphs)[domain], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("fit_on", ["train", "new_items", "graph"])
def test_ease_xc_on_the_graphs_of_training(fit_on):
    train, _ = stages()
    model = prepared(partial(xc, fit_on=fit_on), train)
    histories = closed_forms.people(train.graphs)[0]
    rows = content(train.graphs, train.graphs)
    y = np.concatenate([closed_forms.scaled(histories, DECAY), rows.T])
    compare(model, train.graphs, closed_forms.ease(y, RIDGE))


def test_ease_xc_by_iterations_over_some_users_at_a_time(monkeypatch):
    monkeypatch.setattr(closed_form, "TOLERANCE", 1e-6)
    monkeypatch.setattr(Iterations, "at_once", 2)

    # that of iterations is an estimate, and has tests of its own
    def exact(self):
        return ItemSide(self.rows, self.ridge).rest()

    monkeypatch.setattr(Iterations, "rest", exact)
    train, _ = stages()
    model = prepared(partial(xc, fit_on="graph", max_dense=1), train)
    histories = closed_forms.people(train.graphs)[0]
    rows = content(train.graphs, train.graphs)
    y = np.concatenate([closed_forms.scaled(histories, DECAY), rows.T])
    compare(model, train.graphs, closed_forms.ease(y, RIDGE))
    assert isinstance(model.weights._solved[1].solver, Iterations)


def test_ease_xc_refitted_on_the_graphs_of_the_test():
    train, test = stages()
    model = prepared(partial(xc, fit_on="graph"), train)
    histories = closed_forms.people(test.graphs)[0]
    rows = content(test.graphs, train.graphs)
    y = np.concatenate([closed_forms.scaled(histories, DECAY), rows.T])
    compare(model, test.graphs, closed_forms.ease(y, RIDGE))


def test_ease_xc_kept_from_training_answers_new_users_by_the_same_weights():
    train, test = stages(unseen=(USER,))
    model = prepared(partial(xc, fit_on="train"), train)
    histories = closed_forms.people(train.graphs)[0]
    rows = content(train.graphs, train.graphs)
    y = np.concatenate([closed_forms.scaled(histories, DECAY), rows.T])
    weights = closed_forms.ease(y, RIDGE)
    known, persons, first = closed_forms.people(test.graphs)
    x = known / np.maximum(known.sum(1, keepdims=True), 1) ** (DECAY / 2)
    x *= np.sqrt(histories.sum() / sum(n ** (1 - DECAY) for n in histories.sum(1) if n))
    for domain, found in scores(model, test.graphs).items():
        order = [persons.index(p) for p in test.graphs[domain][USER].person.tolist()]
        columns = slice(first[domain], first[domain] + found.shape[1])
        expected = torch.from_numpy((x @ weights)[order, columns]).float()
        assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_new_item_is_a_column_over_the_people_of_training():
    train, test = stages()
    model = prepared(partial(xc, fit_on="new_items"), train)
    now, persons, first = closed_forms.people(test.graphs)
    fit, old = training_rows(train, test, persons, now.shape)
    assert now[fit.any(1)][:, ~old].any()
    scale = closed_forms.scaled(fit, DECAY).max(1, keepdims=True)  # 0 without a row
    factor = scale.max() * fit.sum(1)[scale.argmax()] ** (DECAY / 2)
    x = factor * now / np.maximum(now.sum(1, keepdims=True), 1) ** (DECAY / 2)
    axes = content(test.graphs, train.graphs).T
    y = np.concatenate([scale * np.where(old, fit, now), axes])
    fitted = y * old
    left = np.linalg.inv(fitted @ fitted.T / RIDGE + np.eye(len(y)))
    h = np.array([column @ left @ column / RIDGE for column in fitted.T])
    expected = (x @ y.T @ left @ y / RIDGE - x * h) / (1 - h)
    for domain, found in scores(model, test.graphs).items():
        order = [persons.index(p) for p in test.graphs[domain][USER].person.tolist()]
        columns = slice(first[domain], first[domain] + found.shape[1])
        wanted = torch.from_numpy(expected[order, columns]).float()
        assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def training_rows(train, test, persons, shape):
    """Return the rows of training in the places of the test, and which items it has."""
    rows, who, first = closed_forms.people(train.graphs)
    place = [
        int(row) + first[domain] if row >= 0 else -1
        for domain in sorted(test.graphs)
        for row in test.graphs[domain][ITEM].train_row
    ]
    found = np.zeros(shape)
    for person in who:
        for item, before in enumerate(place):
            if before >= 0:
                found[persons.index(person), item] = rows[who.index(person), before]
    return found, np.array(place) >= 0


def test_the_other_domains_answer_users_without_a_history():
    train, _ = stages()
    model = prepared(partial(xc, fit_on="train"), train)
    person = train.graphs["food"][USER].person
    shared = torch.isin(person, train.graphs["books"][USER].person)
    user = shared.nonzero()[0]
    bare = train.graphs["food"].clone()
    edges = bare["item", "interacted_by", "user"].adj_t.to_dense()
    edges[user] = 0
    bare["item", "interacted_by", "user"].adj_t = edges.to_sparse_csr()
    graphs = {**train.graphs, "food": bare}
    found = model.scorer("food", {}, graphs)(user)
    assert bool((found != 0).all())


def test_iterations_give_nearly_the_same_ranking():
    train, _ = stages()
    exact = prepared(partial(xc, fit_on="train"), train)
    other = prepared(partial(xc, fit_on="train", max_dense=2), train)
    for name, found in scores(other, train.graphs).items():
        expected = scores(exact, train.graphs)[name]
        close = torch.corrcoef(torch.stack([found.flatten(), expected.flatten()]))
        assert float(close[0, 1]) > 0.99


def test_a_guest_is_answered_and_changes_no_answer():
    train, _ = stages()
    model = prepared(partial(xc, fit_on="graph"), train)
    before = scores(model, train.graphs)["food"]
    user = 3
    guest = train.graphs["food"].clone()
    edges = guest["item", "interacted_by", "user"].adj_t.to_dense()
    # The user asks with other items, and no item knows of it.
    edges[user] = (torch.arange(edges.shape[1]) % 2).float()
    guest["item", "interacted_by", "user"].adj_t = edges.to_sparse_csr()
    after = scores(model, {**train.graphs, "food": guest})["food"]
    others = torch.arange(len(before)) != user
    assert_close(after[others], before[others], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(after[user], before[user], rtol=1e-2)


def test_weights_of_other_graphs_are_never_stale():
    train, test = stages()
    model = prepared(partial(xc, fit_on="graph"), train)
    for graphs in (train.graphs, test.graphs, train.graphs, train.graphs):
        fresh = prepared(partial(xc, fit_on="graph"), train)
        for name, found in scores(model, graphs).items():
            assert torch.equal(found, scores(fresh, graphs)[name])


def test_one_ranking_of_all_domains_solves_once(monkeypatch):
    train, _ = stages()
    model = prepared(partial(xc, fit_on="train"), train)
    made = []
    solve = item_to_item.ItemWeights.__init__
    monkeypatch.setattr(
        item_to_item.ItemWeights,
        "__init__",
        lambda self, *a, **k: (made.append(1), solve(self, *a, **k))[1],
    )
    scores(model, train.graphs)
    scores(model, train.graphs)
    assert len(made) == 1
