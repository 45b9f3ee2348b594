"""Every domain is scored by the function that the model makes for it."""

from collections.abc import Mapping

import pytest
import torch
from reference import ranking, worlds
from reference.ranking import Fake
from torch import Tensor
from torch_geometric.data import HeteroData

from micrec_pyg.evaluation.evaluate import evaluate, summary
from micrec_pyg.evaluation.rank import rank
from micrec_pyg.evaluation.validate import validate
from micrec_pyg.graph.build import test_stage as make_test_stage
from micrec_pyg.graph.build import train_stage
from micrec_pyg.schema import INTERACTED_BY, Embeddings, Score, TestStage, ValidStage

OPTIONS = {"ks": [2, 4], "batch_size": 5, "groups": True}


class Towers(Fake):
    """Scores each domain by a tower of its own, which is no inner product."""

    def __init__(self, towers: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.towers = towers
        self.made: list[str] = []

    def scorer(
        self,
        domain: str,
        z: Mapping[str, Embeddings],
        graphs: Mapping[str, HeteroData],
    ) -> Score:
        self.made.append(domain)
        mine, tower = z[domain], self.towers[domain]
        # exact, so that no CPU's order of sums decides between equal scores
        return lambda user: _steps(mine.user[user]) @ (_steps(mine.item) * tower).T


def _steps(values: Tensor) -> Tensor:
    """Return values in steps of an eighth, none beyond 1."""
    return (8 * values).round().clamp(-8, 8) / 8


class Histories(Fake):
    """Scores an item by the number of its edges, and lower if the user has it."""

    def scorer(
        self,
        domain: str,
        z: Mapping[str, Embeddings],
        graphs: Mapping[str, HeteroData],
    ) -> Score:
        taken = (graphs[domain][INTERACTED_BY].adj_t.to_dense() > 0).float()
        return lambda user: taken.sum(0) - 0.5 * taken[user]


TOWERS = {"a": torch.tensor([1.0, 2.0, -1.0]), "b": torch.tensor([-2.0, 1.0, 3.0])}


def test_each_domain_is_scored_by_its_own_tower() -> None:
    stage = ranking.stage()
    model = Towers(TOWERS)
    report = evaluate(model, stage, **OPTIONS)
    assert model.made == ["a", "b"]
    for domain, tower in TOWERS.items():
        # the same towers for all: right in this domain, wrong in the other
        same = evaluate(Towers(dict.fromkeys("ab", tower)), stage, **OPTIONS)
        assert report.per_user[domain].equals(same.per_user[domain])
        other = "b" if domain == "a" else "a"
        assert not report.per_user[other].equals(same.per_user[other])


def test_selection_uses_the_towers_too() -> None:
    stage = ranking.stage()
    valid = ValidStage(stage.graphs, stage.tasks, stage.overlap)
    model = Towers(TOWERS)
    means = validate(model, valid, k=4, batch_size=3)
    whole = summary(evaluate(Towers(TOWERS), stage, **OPTIONS))
    assert model.made == ["a", "b"]
    for domain, values in means.items():
        expected = {name: whole[domain]["all"][name] for name in values}
        assert values == pytest.approx(expected)


def _stages(**changes: object) -> TestStage:
    domains, splits = worlds.worlds()
    options = worlds.options(**changes)
    train = train_stage(domains, splits, options)
    return make_test_stage(train, domains, splits, options)


def test_in_a_union_a_domain_reads_the_scores_of_its_own_nodes() -> None:
    union, plain = _stages(union=True), _stages(num_neighbors=0)
    (graph,) = union.graphs
    model = Histories()
    z = model(union.graphs)
    whole = model.scorer(graph, z, union.graphs)
    report = evaluate(model, union, **OPTIONS)
    for name, task in union.tasks.items():
        users = task.hidden[0].unique()
        lists = rank(
            lambda rows, t=task: torch.stack(
                [whole(t.user[row].view(1))[0][t.item] for row in rows]
            ),
            users=users,
            n_id=users,
            known=task.known,
            k=4,
            candidates=None,
            batch_size=3,
        )
        frame = report.per_user[name].filter(group="all")
        assert frame["user_row"].to_list() == users.tolist()
        hidden = set(map(tuple, task.hidden.T.tolist()))
        hits = [
            any((user, item) in hidden for item in row)
            for user, row in zip(users.tolist(), lists.item.tolist(), strict=True)
        ]
        assert frame["hit@4"].to_list() == [float(hit) for hit in hits]
    # the groups are those of the domains' own graphs
    other = evaluate(Histories(), plain, **OPTIONS)
    for name, frame in report.per_user.items():
        keys = ["group", "user_row"]
        assert frame.select(keys).equals(other.per_user[name].select(keys))
