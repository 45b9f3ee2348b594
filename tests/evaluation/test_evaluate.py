"""Whole evaluations of a fake model, group by group, against naive loops."""

import logging
from collections.abc import Mapping

import polars as pl
import pytest
import torch
from reference import metrics as reference
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from micrec_pyg.evaluation.evaluate import Report, evaluate, summary, validate
from micrec_pyg.schema import (
    INTERACTS,
    ITEM,
    USER,
    Embeddings,
    InputError,
    TestStage,
    UnseenNodeError,
    ValidStage,
)

USERS, ITEMS, K = 14, 24, 4


class Fake(nn.Module):
    """Answers with fixed whole-numbered vectors, hence many tied scores."""

    def __init__(self, *, seen_only: bool = False) -> None:
        super().__init__()
        self.seen_only = seen_only
        self.calls = 0
        self.modes: set[bool] = set()

    def forward(self, graphs: Mapping[str, HeteroData]) -> dict[str, Embeddings]:
        self.calls += 1
        self.modes.add(self.training or torch.is_grad_enabled())
        found = {}
        for name, data in graphs.items():
            if self.seen_only and bool((data[USER].train_row < 0).any()):
                raise UnseenNodeError("no vector for new users")
            user = _vectors(data[USER].n_id, 3)
            found[name] = Embeddings(user, _vectors(data[ITEM].n_id, 7))
        return found

    def scores(self, z: Embeddings, user: Tensor, item: Tensor | None = None) -> Tensor:
        return z.user[user] @ z.item.T


def _vectors(n_id: Tensor, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-2, 3, (100, 3), generator=generator).float()[n_id]


def _graph(new_users: int, new_items: int, known: Tensor) -> HeteroData:
    """Return a graph whose last users and items are new."""
    data = HeteroData()
    for kind, count, new in ((USER, USERS, new_users), (ITEM, ITEMS, new_items)):
        row = torch.arange(count)
        data[kind].n_id, data[kind].num_nodes = row.clone(), count
        row[count - new :] = -1
        data[kind].train_row = row
    dense = torch.zeros(ITEMS, USERS)
    dense[known[1], known[0]] = 1
    data[INTERACTS].adj_t = dense.to_sparse_csr()
    return data


def _stage(seed: int = 0, domains: tuple[str, ...] = ("a", "b")) -> TestStage:
    """Return a task with 3 new users, 6 new items, 2 of these without an edge."""
    graphs, known, hidden = {}, {}, {}
    for offset, name in enumerate(domains):
        generator = torch.Generator().manual_seed(seed + offset)
        draw = torch.rand(USERS, ITEMS, generator=generator)
        draw[:, -2:] += 0.3  # never known: zero-edge items
        draw[4] = 2.0  # a user with nothing held out
        known[name] = (draw < 0.3).nonzero().T
        hidden[name] = ((draw >= 0.3) & (draw < 0.5)).nonzero().T
        graphs[name] = _graph(3, 6, known[name])
        graphs[name][ITEM].image_mask = torch.arange(ITEMS) % 2 == 0
    overlap = (
        {("a", "b"): torch.tensor([[0, 2, 12], [5, 4, 1]])} if "b" in domains else {}
    )
    return TestStage(graphs, known, hidden, overlap)


def _expected(stage: TestStage, domain: str, name: str) -> dict[int, dict[str, float]]:
    """Return {user: metrics} of a group by sets and loops."""
    known, hidden = (
        {(u, i) for u, i in part[domain].T.tolist()}
        for part in (stage.known, stage.hidden)
    )
    degree = [sum(item == i for _, item in known) for i in range(ITEMS)]
    everyone, every = set(range(USERS)), set(range(ITEMS))
    new_u, new_i = {11, 12, 13}, set(range(18, ITEMS))
    old_u, old_i = everyone - new_u, every - new_i
    shared = {"a": {0, 2, 12}, "b": {5, 4, 1}}[domain]
    zero = {i for i in every if degree[i] == 0}
    few = {i for i in every if 1 <= degree[i] <= 2}
    users, candidates, items = {
        "all": (everyone, every, every),
        "old_user": (old_u, every, every),
        "new_user": (new_u, every, every),
        "old_item": (everyone, old_i, old_i),
        "new_item": (everyone, new_i, new_i),
        "old_user_old_item": (old_u, old_i, old_i),
        "new_user_new_item": (new_u, new_i, new_i),
        "item_degree_0": (everyone, zero, zero),
        "item_degree_1_2": (everyone, every, few),
        "overlap_user": (shared, every, every),
        "single_domain_user": (everyone - shared, every, every),
        "no_image": (everyone, every, {i for i in every if i % 2}),
    }[name]
    scores = _vectors(torch.arange(USERS), 3) @ _vectors(torch.arange(ITEMS), 7).T
    found = {}
    for user in sorted(users):
        truth = {i for u, i in hidden if u == user and i in items}
        if truth:
            seen = {i for u, i in known if u == user}
            listed = reference.ranked(scores[user].numpy(), seen, K, candidates)
            found[user] = reference.values(listed, truth, K)
    return found


def _evaluate(model: Fake, stage: TestStage | ValidStage, **options: object) -> Report:
    chosen = {"ks": [2, K], "batch_size": 5, "groups": True, **options}
    return evaluate(model, stage, **chosen)


@pytest.mark.parametrize("domain", ["a", "b"])
@pytest.mark.parametrize(
    "name",
    [
        "all",
        "old_user",
        "new_user",
        "old_item",
        "new_item",
        "old_user_old_item",
        "new_user_new_item",
        "item_degree_0",
        "item_degree_1_2",
        "overlap_user",
        "single_domain_user",
        "no_image",
    ],
)
def test_every_group_equals_a_naive_loop(domain: str, name: str) -> None:
    stage = _stage()
    expected = _expected(stage, domain, name)
    assert expected
    frame = _evaluate(Fake(), stage).per_user[domain].filter(group=name)
    assert frame["user_row"].to_list() == sorted(expected)
    for row in frame.to_dicts():
        metrics = {key: row[key] for key in expected[row["user_row"]]}
        assert metrics == pytest.approx(expected[row["user_row"]])


def test_summary_holds_means_and_counts() -> None:
    report = _evaluate(Fake(), _stage())
    expected = _expected(_stage(), "a", "new_item")
    found = summary(report)["a"]["new_item"]
    assert found["users"] == len(expected)
    for key in (f"recall@{K}", f"ndcg@{K}", f"precision@{K}"):
        mean = sum(user[key] for user in expected.values()) / len(expected)
        assert found[key] == pytest.approx(mean)
    assert next(iter(summary(report)["a"])) == "all"
    assert f"recall@{2}" in found


def test_the_model_is_asked_once_and_left_as_it_was() -> None:
    model = Fake().train()
    _evaluate(model, _stage())
    assert (model.calls, model.modes, model.training) == (1, {False}, True)


def test_users_without_held_out_items_are_skipped_and_counted() -> None:
    stage = _stage()
    report = _evaluate(Fake(), stage)
    for domain in ("a", "b"):
        with_truth = set(stage.hidden[domain][0].tolist())
        ranked = report.per_user[domain].filter(group="all")["user_row"].to_list()
        assert set(ranked) == with_truth
        assert report.skipped[domain] == USERS - len(with_truth) > 0
    assert report.users_per_s > 0


def test_empty_groups_are_absent() -> None:
    stage = _stage()
    known = stage.known["a"]
    graphs = {"a": _graph(0, 0, known)}
    part = TestStage(graphs, {"a": known}, {"a": stage.hidden["a"]}, {})
    names = set(_evaluate(Fake(), part).per_user["a"]["group"])
    absent = {"new_user", "new_item", "new_user_old_item", "overlap_user", "has_image"}
    assert not names & absent
    assert {"all", "old_user", "old_item", "item_degree_0"} <= names


def test_groups_can_be_left_out() -> None:
    report = _evaluate(Fake(), _stage(), groups=False)
    assert report.per_user["a"]["group"].unique().to_list() == ["all"]


def test_batch_size_changes_no_bit() -> None:
    one, many = (_evaluate(Fake(), _stage(), batch_size=n) for n in (1, 100))
    for domain, frame in one.per_user.items():
        assert frame.equals(many.per_user[domain])


def _seen_only(stage: TestStage) -> ValidStage:
    """Return the task cut to its old users and items, which come first."""

    def old(pairs: Tensor) -> Tensor:
        return pairs[:, (pairs[0] < USERS - 3) & (pairs[1] < ITEMS - 6)]

    graphs = {}
    for name in stage.graphs:
        data = _graph(0, 0, old(stage.known[name]))
        for kind, count in ((USER, USERS - 3), (ITEM, ITEMS - 6)):
            data[kind].n_id = data[kind].n_id[:count]
            data[kind].train_row, data[kind].num_nodes = torch.arange(count), count
        dense = data[INTERACTS].adj_t.to_dense()[: ITEMS - 6, : USERS - 3]
        data[INTERACTS].adj_t = dense.to_sparse_csr()
        graphs[name] = data
    known = {name: old(pairs) for name, pairs in stage.known.items()}
    hidden = {name: old(pairs) for name, pairs in stage.hidden.items()}
    return ValidStage(graphs, known, hidden, {})


def test_a_model_without_new_nodes_is_judged_on_the_old_ones_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its numbers equal those of that group in the full evaluation."""
    stage = _stage()
    with caplog.at_level(logging.WARNING):
        report = _evaluate(Fake(seen_only=True), stage, fallback=_seen_only(stage))
    assert "no vector for new users" in caplog.text
    full = _evaluate(Fake(), stage)
    for domain, frame in report.per_user.items():
        same = full.per_user[domain].filter(group="old_user_old_item")
        assert frame.equals(same)
        assert len(frame) > 0


def test_without_a_fallback_the_refusal_stands() -> None:
    with pytest.raises(UnseenNodeError):
        _evaluate(Fake(seen_only=True), _stage())


def test_a_domain_with_nothing_held_out_is_left_empty() -> None:
    stage = _stage()
    hidden = {**stage.hidden, "b": torch.zeros(2, 0, dtype=torch.long)}
    report = _evaluate(
        Fake(), TestStage(stage.graphs, stage.known, hidden, stage.overlap)
    )
    assert report.per_user["b"].is_empty()
    assert report.skipped["b"] == USERS
    assert summary(report)["b"] == {}
    assert summary(report)["a"]


@pytest.mark.parametrize("ks", [[], [0], [ITEMS + 1]])
def test_cut_offs_that_no_list_can_fill_are_refused(ks: list[int]) -> None:
    with pytest.raises(InputError, match=f"domain 'a' has {ITEMS} items"):
        _evaluate(Fake(), _stage(), ks=ks)


def _valid(stage: TestStage) -> ValidStage:
    return ValidStage(stage.graphs, stage.known, stage.hidden, stage.overlap)


def test_validation_equals_the_group_all() -> None:
    model = Fake().train()
    found = validate(model, _valid(_stage()), k=K, batch_size=3)
    assert model.training
    assert model.modes == {False}
    means = summary(_evaluate(Fake(), _stage(), ks=[K]))
    for domain in ("a", "b"):
        expected = {k: v for k, v in means[domain]["all"].items() if k != "users"}
        assert found[domain] == pytest.approx(expected)


def test_validation_without_pairs_says_what_to_do() -> None:
    stage = _stage()
    hidden = {**stage.hidden, "b": torch.zeros(2, 0, dtype=torch.long)}
    empty = ValidStage(stage.graphs, stage.known, hidden, stage.overlap)
    with pytest.raises(InputError, match="domain 'b': no validation pair"):
        validate(Fake(), empty, k=K, batch_size=3)


def test_three_domains() -> None:
    stage = _stage(domains=("a", "b", "c"))
    report = _evaluate(Fake(), stage)
    assert set(report.per_user) == {"a", "b", "c"}
    whole = pl.concat(report.per_user.values())
    assert whole["domain"].unique(maintain_order=True).to_list() == ["a", "b", "c"]
