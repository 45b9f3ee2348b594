"""What every model owes when it scores, read from what it declares."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from reference import worlds
from reference.scoring import same, scores
from torch.testing import assert_close

from micrec_pyg.graph.build import test_stage, train_stage
from micrec_pyg.models.base import Model, reads_vectors_alone
from micrec_pyg.nn.per_domain import module_key
from micrec_pyg.schema import (
    ITEM,
    USER,
    Domain,
    InputError,
    Interactions,
    Vocab,
)
from micrec_pyg.storage.tensors import read_tensors, write_tensors
from micrec_pyg.threads import in_threads

CONF = Path(__file__).parents[2] / "conf" / "model"
FILES = sorted(CONF.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_model_is_called_as_its_file(path):
    assert OmegaConf.load(path).name == path.stem


def test_what_is_declared_exists(make, config, stage):
    model = make(stage[-1])
    assert set(config["weights"]) == set(model.terms)
    assert bool(list(model.parameters())) == bool(model.terms)
    assert model.answers <= {USER, ITEM}


def test_relabelling_nodes_permutes_scores(make, options):
    edges = worlds.random_edges(11, 13, 0.4, 5)
    domain = worlds.domain("food", edges, num_users=11, num_items=13)
    # Place p of the relabelled domain holds node order[p].
    users, items = (
        torch.randperm(n, generator=torch.Generator().manual_seed(n)) for n in (11, 13)
    )
    moved = torch.stack([users.argsort()[edges[0]], items.argsort()[edges[1]]])
    relabelled = Domain(
        name="food",
        interactions=Interactions(
            user=moved[0],
            item=moved[1],
            users=Vocab(domain.interactions.users.ids.gather(users.tolist())),
            items=Vocab(domain.interactions.items.ids.gather(items.tolist())),
        ),
        features={
            name: replace(f, values=f.values[items], mask=f.mask[items])
            for name, f in domain.features.items()
        },
        digest="",
    )
    stages = [
        train_stage({"food": d}, {"food": worlds.split(e, 11, 13)}, options)
        for d, e in ((domain, edges), (relabelled, moved))
    ]
    model, other = make(stages[0]), make(stages[1], seed=9)
    # What is learnt moves with the nodes; what follows from a graph, each has prepared.
    state = {**other.state_dict(), **dict(model.named_parameters())}
    for name, value in model.named_parameters():
        for axis, size in enumerate(value.shape):
            if size in (11, 13):  # an axis of nodes: no width is that long
                order = users if size == 11 else items
                state[name] = state[name].index_select(axis, order)
    other.load_state(state)
    before = scores(model, stages[0].graphs)["food"]
    after = scores(other, stages[1].graphs)["food"]
    assert_close(after, before[users][:, items])


def test_threads_that_ask_at_once_get_what_one_gets(make, stage):
    model = make(stage[-1]).eval()
    graphs = stage[-1].graphs
    expected = scores(model, graphs)
    with torch.no_grad():
        z = model(graphs)
    for domain, table in expected.items():
        score = model.scorer(domain, z, graphs)
        users = torch.arange(len(table)).split(2)
        found = in_threads(score, users * 4, workers=4)
        assert_close(torch.cat(found), table.repeat(4, 1))


def test_removing_an_edge_of_a_new_user_changes_the_scores_of_its_ends(
    make, answers, options
):
    if USER not in answers:
        pytest.skip("need not read the edges")
    domain, split = worlds.world(unseen=answers)
    train = train_stage({"food": domain}, {"food": split}, options)
    edge = int((~split.seen_user[split.support[0]]).nonzero()[0])
    user, item = split.support[:, edge]
    kept = torch.arange(split.support.shape[1]) != edge
    less = replace(split, support=split.support[:, kept])
    tests = (
        test_stage(train, {"food": domain}, {"food": each}, options, answers=answers)
        for each in (split, less)
    )
    model = make(train)
    before, after = (scores(model, each.graphs)["food"] for each in tests)
    changed = before != after
    assert bool(changed[user].any()) or bool(changed[:, item].any())


def with_labels(answers):
    domain, split = worlds.world(unseen=answers)
    return {"food": domain}, {"food": split}


def without_labels(answers):
    domain, split = worlds.world(unseen=answers)
    none = split.val[:, :0]
    known = torch.cat([split.train, split.support], dim=1)
    blind = replace(
        domain,
        interactions=replace(domain.interactions, user=known[0], item=known[1]),
    )
    return {"food": blind}, {"food": replace(split, val=none, test=none)}


def test_labels_never_change_scores(make, stages_of):
    found = []
    for worlds_of in (with_labels, without_labels):
        stages = stages_of(worlds_of)
        model = make(stages[0])
        found.append([scores(model, each.graphs) for each in stages])
    for before, after in zip(*found, strict=True):
        assert same(before, after)


def test_scores_are_inner_products_unless_overridden(make, stage):
    train = stage[-1]
    model = make(train)
    if type(model).scorer is not Model.scorer:
        pytest.skip("scores by a rule of its own")
    z, found = model(train.graphs)["food"], scores(model, train.graphs)["food"]
    for user in (2, 0):
        for item in range(len(z.item)):
            assert_close(found[user, item], (z.user[user] * z.item[item]).sum())


def test_items_are_known_by_their_vectors_where_that_is_declared(make, stage):
    train = stage[-1]
    model = make(train)
    if not model.scores_vectors:
        pytest.skip("declares nothing of its scorer")
    assert reads_vectors_alone(model)
    z, users = model(train.graphs), torch.arange(3)
    order = torch.arange(len(z["food"].item)).flip(0)
    moved = replace(z["food"], item=z["food"].item[order])
    before = model.scorer("food", z, train.graphs)(users)
    after = model.scorer("food", {**z, "food": moved}, train.graphs)(users)
    assert_close(after, before[:, order])
    assert not torch.equal(after, before)


def test_scores_belong_to_who_asked(make, stage):
    graphs = stage[-1].graphs
    model = make(stage[-1])
    whole = scores(model, graphs)
    with torch.no_grad():
        z = model(graphs)
        for name, expected in whole.items():
            score = model.scorer(name, z, graphs)
            score(torch.tensor([1, 0])).fill_(7)
            assert_close(score(torch.tensor([2, 0, 2])), expected[[2, 0, 2]])
            assert len(score(torch.arange(0))) == 0


def test_a_domain_alone_has_the_same_scores_unless_others_are_read(make, answers):
    options = worlds.options(num_neighbors=0)
    domains, splits = worlds.worlds(unseen=answers)
    found = []
    for names in (["food"], ["food", "books"]):
        some = {name: domains[name] for name in names}
        train = train_stage(some, splits, options)
        test = test_stage(train, some, splits, options)
        model = make(train)
        found.append([scores(model, each.graphs)["food"] for each in (train, test)])
    alone = [torch.equal(*each) for each in zip(*found, strict=True)]
    assert all(alone) != model.reads_other_domains


def three(answers):
    return worlds.worlds(unseen=answers)


def test_a_larger_graph_is_answered(make, answers, stages_of):
    domains, _ = three(answers)
    train, test = stages_of(three)
    for name, found in scores(make(train), test.graphs).items():
        sides = domains[name].interactions
        assert found.shape == (len(sides.users), len(sides.items))
        assert bool(found.isfinite().all())


def three_of_unlike_modalities(answers):
    domains, splits = worlds.worlds(unseen=answers)
    has = {"food": ("text", "image"), "books": ("image",), "music": ()}
    return {
        name: replace(domain, features={m: domain.features[m] for m in has[name]})
        for name, domain in domains.items()
    }, splits


def test_domains_may_have_unlike_modalities(make, stages_of):
    train, test = stages_of(three_of_unlike_modalities)
    found = scores(make(train), test.graphs)
    assert all(bool(each.isfinite().all()) for each in found.values())


def test_a_disconnected_component_changes_nothing_else(make, config, answers):
    """New users with edges to new items only, without similarity edges."""
    options = worlds.options(num_neighbors=0)
    users, items = 3 * (USER in answers), 4 * (ITEM in answers)
    old = worlds.random_edges(8, 9, 0.5, 6)
    new = worlds.random_edges(users, items, 0.7, 7) + torch.tensor([[8], [9]])
    sizes = {"num_users": 8 + users, "num_items": 9 + items}
    domain = worlds.domain("food", torch.cat([old, new], 1), **sizes)
    split = worlds.split(
        old,
        *sizes.values(),
        support=new,
        unseen_users=range(8, 8 + users),
        unseen_items=range(9, 9 + items),
    )
    train = train_stage({"food": domain}, {"food": split}, options)
    test = test_stage(train, {"food": domain}, {"food": split}, options)
    model = make(train)
    before, after = (scores(model, each.graphs)["food"] for each in (train, test))
    assert after.shape == tuple(sizes.values())
    assert_close(after[:8, :9], before, rtol=1e-6, atol=1e-7)


def test_the_saved_state_is_the_whole_model(make, stage, tmp_path):
    train = stage[-1]
    model = make(train)
    model.begin_epoch(3)
    write_tensors(tmp_path / "model.safetensors", model.state_dict(), {})
    other = make(train, seed=9, prepare=False)
    other.load_state(read_tensors(tmp_path / "model.safetensors")[0])
    assert same(scores(model, train.graphs), scores(other, train.graphs))


def test_a_state_of_something_else_is_refused(make, stage):
    model = make(stage[-1])
    with pytest.raises(InputError, match="a saved state does not fit"):
        model.load_state({**model.state_dict(), "other": torch.zeros(1)})


@pytest.mark.parametrize("name", ["food", "a.b", "a%2Eb", "keys", "type", "a b"])
def test_domains_may_have_any_name(name):
    module = torch.nn.ModuleDict({module_key(name): torch.nn.Identity()})
    assert module_key(name) in module


def test_names_of_domains_never_collide():
    names = ["a.b", "a%2Eb", "a%b", "a%25b", "ab"]
    assert len({module_key(name) for name in names}) == len(names)
