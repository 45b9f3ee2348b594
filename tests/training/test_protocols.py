"""Every protocol of conf/split through graphs, training and the test.

The models' own contract (tests/models, tests/training) must hold under each of them.
"""

import dataclasses
import functools
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from reference import fitting, worlds
from reference.reading import READING

from micrec_pyg.data.sources import Synthetic
from micrec_pyg.evaluation.evaluate import evaluate
from micrec_pyg.evaluation.validate import validate
from micrec_pyg.graph.build import (
    check_graph,
    domain_sizes,
    test_stage,
    train_stage,
    valid_stage,
)
from micrec_pyg.models.inmo import INMO
from micrec_pyg.models.micrec import MICRec
from micrec_pyg.nn.neighbor import NeighborAggregation
from micrec_pyg.nn.ranking import BPR
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.runs.build import build
from micrec_pyg.schema import ITEM, USER, Domain
from micrec_pyg.training.fit import fit

CONF = Path(__file__).parents[2] / "conf" / "split"
ELSEWHERE = {"files", "saved", "random_811"}
"""From files: tests/cli/test_protocols.py; and random with other numbers."""
COLD = ("new_nodes", "zero_edge", "history_elsewhere", "global_time")
"""Protocols in which selection can rank new nodes."""
NAMES = sorted({path.stem for path in CONF.glob("*.yaml")} - ELSEWHERE)
NAMES.append("new_interactions graph=old")
NAMES += [f"{n} select=new" for n in COLD]
WEIGHTS = {"ranking": 1.0, "self_enhanced": 0.01}
NET = {
    "dim": 4,
    "std": 0.1,
    "loss": BPR(),
    "num_layers": 2,
    "dropout": 0.3,
    "alpha_decay": 0.9,
}
OPTIONS = fitting.options(max_epochs=2, batch_size=128, metric="ndcg@5")


@pytest.fixture(scope="module")
def domains(tmp_path_factory):
    """Return two synthetic domains with a column x_label and random features."""
    catalogues = Synthetic.read(
        **READING,
        root=str(tmp_path_factory.mktemp("synthetic")),
        num_domains=2,
        num_users=40,
        num_items=30,
        interactions_per_user=10,
        overlap=0.7,
        num_topics=4,
        num_colors=2,
        num_groups=2,
        text_signal=0.8,
        image_signal=0.3,
        interaction_signal=0.5,
        overlap_signal=0.9,
        with_images=False,
        seed=0,
    )
    found = {}
    for name, catalogue in catalogues.items():
        data = catalogue.interactions
        labelled = dataclasses.replace(
            data,
            part=torch.arange(len(data.user)) % 3,
            time=data.time + data.user % 12,  # not everybody is there from the start
        )
        found[name] = Domain(
            name=name,
            interactions=labelled,
            features=worlds.features(len(data.items), 1),
            digest="",
        )
    return found


@pytest.fixture(scope="module", params=NAMES)
def split(request):
    """Return a split as its yaml says, with seed 0."""
    name, *changes = request.param.split()
    tree = OmegaConf.create({"seed": 0, "split": OmegaConf.load(CONF / f"{name}.yaml")})
    options = OmegaConf.to_container(tree, resolve=True)["split"]
    options |= dict(change.split("=") for change in changes)
    return build(options)


def stages(domains, split, **options):
    """Return the splits and all three stages."""
    graph = worlds.options(**options)
    splits = split(domains)
    train = train_stage(domains, splits, graph)
    test = test_stage(train, domains, splits, graph)
    return splits, train, valid_stage(train, domains, splits, graph), test


@pytest.fixture(scope="module")
def staged(domains, split):
    """Return what ``stages`` makes of the split; no test changes it."""
    return stages(domains, split)


@pytest.fixture(scope="module")
def whole(staged):
    """Return MICRec after a training that nothing interrupted, and its epochs."""
    _, train, valid, _ = staged
    rows = []
    model = micrec(train)
    return trained(model, train, valid, gamma=0.01, on_epoch=rows.append), rows


def micrec(train):
    return MICRec(
        sizes=domain_sizes(train),
        streams=RandomStreams(0),
        neighbor=NeighborAggregation(aggregation="residual", temperature=0.2),
        temperature=0.2,
        **NET,
    )


def inmo(train):
    return INMO(sizes=domain_sizes(train), streams=RandomStreams(0), **NET)


def trained(model, train, valid, *, gamma=0.0, folder=None, on_epoch=lambda row: None):
    """Return the model after two epochs."""
    contrastive = {"contrastive": gamma} if isinstance(model, MICRec) else {}
    fit(
        model,
        train,
        valid,
        options=OPTIONS,
        weights={**WEIGHTS, **contrastive},
        streams=RandomStreams(1),
        validate=functools.partial(validate, k=5, batch_size=16),
        folder=folder,
        on_epoch=on_epoch,
    )
    return model


def answers(model, graphs):
    """Return every embedding of some graphs, by name."""
    with torch.no_grad():
        return {
            (name, node): getattr(z, node)
            for name, z in model.train(False)(graphs).items()
            for node in (USER, ITEM)
        }


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(found[key], value), key


def test_graphs_hold_what_the_split_says(domains, staged):
    splits, train, valid, test = staged
    for name, part in splits.items():
        trained_on, known = train.graphs[name], test.graphs[name]
        for graph in (trained_on, known):
            check_graph(graph)
        assert torch.equal(trained_on[USER].n_id, part.seen_user.nonzero().flatten())
        assert torch.equal(trained_on[ITEM].n_id, part.seen_item.nonzero().flatten())
        message = part.known_at_test
        for row, node in enumerate((USER, ITEM)):
            degree = torch.zeros(known[node].num_nodes, dtype=torch.int32)
            for end in message[row].tolist():
                degree[end] += 1
            assert torch.equal(known[node].degree, degree)
        # the test excludes and hides every edge of the data once
        every = torch.cat([test.tasks[name].known, test.tasks[name].hidden], dim=1)
        pairs = sorted(every.T.tolist())
        assert pairs == sorted(domains[name].interactions.edges.T.tolist())
        assert torch.equal(test.tasks[name].hidden, part.test)
        # validation ranks pairs of seen nodes alone, unless its graph grows
        task = valid.tasks[name]
        nodes, hidden = task.data, task.hidden
        ends = nodes[USER].n_id[hidden[0]], nodes[ITEM].n_id[hidden[1]]
        expected = [
            [u, i]
            for u, i in part.val.T.tolist()
            if part.select == "new" or (part.seen_user[u] and part.seen_item[i])
        ]
        assert torch.stack(ends).T.tolist() == expected


def test_every_tested_user_is_reported(staged):
    splits, train, _, test = staged
    model = micrec(train)
    assert all(bool(z.isfinite().all()) for z in answers(model, test.graphs).values())
    report = evaluate(model, test, ks=[5], batch_size=7, groups=True)
    for name, part in splits.items():
        frame = report.per_user[name]
        users = {
            group: set(rows["user_row"]) for (group,), rows in frame.group_by("group")
        }
        tested = set(part.test[0].tolist())
        assert users["all"] == tested
        new = {user for user in tested if not part.seen_user[user]}
        assert users.get("new_user", set()) == new
        shown = set(part.known_at_test[1].tolist())
        zero = {user for user, item in part.test.T.tolist() if item not in shown}
        assert users.get("item_degree_0", set()) == zero


def test_micrec_without_its_additions_is_inmo(domains, split):
    _, train, valid, test = stages(domains, split, num_neighbors=0)
    one, other = (trained(make(train), train, valid) for make in (inmo, micrec))
    for graphs in (train.graphs, test.graphs):
        assert_same(answers(other, graphs), answers(one, graphs))


class KilledError(Exception):
    pass


def test_a_killed_run_resumes_to_the_same_bits(staged, whole, tmp_path):
    _, train, valid, test = staged

    def kill(row):
        if row["epoch"] == 1:
            raise KilledError

    with pytest.raises(KilledError):
        trained(micrec(train), train, valid, gamma=0.01, folder=tmp_path, on_epoch=kill)
    model, rows = whole
    resumed, again = micrec(train), []
    trained(resumed, train, valid, gamma=0.01, folder=tmp_path, on_epoch=again.append)
    # the best epoch is kept: what was trained last may be seen here alone
    assert [told(row) for row in again] == [told(rows[1])]
    assert_same(resumed.state_dict(), model.state_dict())
    assert_same(answers(resumed, test.graphs), answers(model, test.graphs))


def told(row):
    """Return what an epoch came to, without how long it took."""
    return {name: value for name, value in row.items() if name != "seconds"}


def test_the_order_of_domains_is_irrelevant(domains, split, staged, whole):
    turned = dict(reversed(domains.items()))
    _, train, valid, test = stages(turned, split)
    assert list(train.graphs) == list(reversed(staged[1].graphs))
    other = trained(micrec(train), train, valid, gamma=0.01)
    assert_same(answers(other, test.graphs), answers(whole[0], staged[3].graphs))


def test_the_old_graph_and_the_full_one_differ_in_messages_alone(domains):
    options = OmegaConf.to_container(OmegaConf.load(CONF / "new_interactions.yaml"))
    old, full = (
        stages(domains, build({**options, "seed": 0, "graph": graph}))
        for graph in ("old", "full")
    )
    assert_same(*(answers(micrec(s[1]), s[1].graphs) for s in (old, full)))
    for name in domains:
        assert torch.equal(old[3].tasks[name].hidden, full[3].tasks[name].hidden)
        excluded = [
            set(map(tuple, s[3].tasks[name].known.T.tolist())) for s in (old, full)
        ]
        assert excluded[0] == excluded[1]
        more = (
            full[3].graphs[name][USER].degree - old[3].graphs[name][USER].degree
        ).sum()
        assert int(more) == full[0][name].support.shape[1] > 0
