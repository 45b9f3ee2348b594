"""MICRec+ against its equations, and against INMO without its additions."""

import numpy as np
import pytest
import torch
from reference import micrec_plus as reference
from reference import nn, worlds
from torch.testing import assert_close

from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage
from micrec_pyg.models.inmo import INMO
from micrec_pyg.models.micrec_plus import MICRecPlus
from micrec_pyg.nn.neighbor import NeighborAggregation
from micrec_pyg.nn.ranking import BPR
from micrec_pyg.nn.step_graph import StepGraph
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.schema import (
    INTERACTED_BY,
    ITEM,
    ITEM_TEMPLATE,
    SIMILAR_ITEM,
    SIMILAR_USER,
    USER,
    USER_TEMPLATE,
    Batch,
    Triplets,
)

INMO_OPTIONS = {
    "dim": 5,
    "std": 0.5,
    "num_layers": 2,
    "dropout": 0.3,
    "alpha_decay": 0.8,
}
SIDES = (
    (USER, USER_TEMPLATE, SIMILAR_USER, "user"),
    (ITEM, ITEM_TEMPLATE, SIMILAR_ITEM, "item"),
)


def micrec_plus(train, streams, *, targets=True, edges=0.0, **changes):
    options = {
        "step_graph": StepGraph(targets=targets, edges=edges, users=0.0),
        "content_width": 7,
        "neighbor": NeighborAggregation(aggregation="residual", temperature=0.2),
        "degree_gate": True,
        "transfer": True,
        "num_negatives": 3,
        "temperature": 0.2,
        **INMO_OPTIONS,
        **changes,
    }
    model = MICRecPlus(sizes=domain_sizes(train), streams=streams, **options)
    model.prepare(train)
    return model


def moved(model):
    """Return a model whose parameters are all away from their start."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return model


def numbers(tensor):
    return tensor.detach().double().numpy()


def vectors(data, kind, template, table):
    """Return the vectors of templates by graph row."""
    rows = data[kind].n_id.tolist()
    return {
        rows.index(n): numbers(table)[place]
        for place, n in enumerate(data[template].n_id.tolist())
    }


def without(edges, batch, domain):
    """Return the edges of a step's graph."""
    if batch is None:
        return edges
    samples = batch.negatives[domain]
    gone = set(zip(samples.user.tolist(), samples.pos.tolist(), strict=True))
    return [edge for edge in edges if edge not in gone]


def expected(model, graphs, alpha, batch=None):
    """Return z of users and items of every domain, by the equations.

    Whitened contents are those of the model: their directions have no sign.
    """
    edges, degree, h, x = {}, {}, {}, {}
    for domain, data in graphs.items():
        edges[domain] = without(nn.edges_of(data, INTERACTED_BY), batch, domain)
        sizes = data[USER].num_nodes, data[ITEM].num_nodes
        degree[domain] = [
            [sum(edge[side] == node for edge in edges[domain]) for node in range(size)]
            for side, size in enumerate(sizes)
        ]
        key = f"domain_{domain}"
        x[domain] = numbers(model.space(data))
        layer = model.templates.template[key]
        sides = reference.template_sums(
            edges[domain],
            sizes,
            [vectors(data, k, t, getattr(layer, name)) for k, t, _, name in SIDES],
            [numbers(layer.user_token)[0], numbers(layer.item_token)[0]],
            alpha,
            x[domain] @ numbers(model.content[key].weight),
        )
        h[domain] = [
            reference.gated_neighbors(
                side,
                nn.similar_of(data, similar),
                known,
                numbers(getattr(model.gate[key], name)),
            )
            for side, known, (_, _, similar, name) in zip(
                sides, degree[domain], SIDES, strict=True
            )
        ]
    users = with_transfer(model, graphs, edges, degree, h, x)
    return {
        domain: nn.lightgcn(users[domain], h[domain][1], edges[domain], 2)
        for domain in graphs
    }


def with_transfer(model, graphs, edges, degree, h, x):
    """Return the vectors of users after the transfer, by domain."""
    users = {domain: sides[0].copy() for domain, sides in h.items()}
    for target, data in graphs.items():
        for source, other in graphs.items():
            if source == target:
                continue
            pair = model.transfer.targets[f"domain_{target}"][f"domain_{source}"]
            items = x[source] @ numbers(model.content[f"domain_{target}"].weight)
            for row, e in vectors(other, ITEM, ITEM_TEMPLATE, pair.item).items():
                items[row] += e
            people = other[USER].person.tolist()
            told = reference.transfer(
                h[source][0],
                edges[source],
                [
                    (people.index(person), row)
                    for row, person in enumerate(data[USER].person.tolist())
                    if person in people
                ],
                degree[target][0],
                numbers(pair.gate),
                numbers(pair.matrix),
                items,
            )
            for user, t in told.items():
                users[target][user] += t
    return users


def stages(*, unlike, bare=False, **options):
    """Return the graphs of training and of the test; every two domains share users."""
    domains, splits = worlds.worlds(first_of_music=6)
    if bare:
        for domain in domains.values():
            domain.features.clear()
    elif unlike:
        del domains["food"].features["image"], domains["music"].features["text"]
        domains["books"].features.clear()
    chosen = worlds.options(**options)
    train = train_stage(domains, splits, chosen)
    return train, test_stage(train, domains, splits, chosen)


@pytest.mark.parametrize("which", ["train", "test"])
@pytest.mark.parametrize(
    ("unlike", "options"),
    [
        (False, {"max_user_neighbors": 2}),
        (True, {}),
        (False, {"template_ratio": 0.5}),
        (False, {"bare": True, "num_neighbors": 0}),
    ],
    ids=["default", "unlike modalities", "few templates", "ids alone"],
)
def test_z_follows_the_equations(unlike, options, which):
    train, test = stages(unlike=unlike, **options)
    graphs = {"train": train, "test": test}[which].graphs
    model = moved(micrec_plus(train, RandomStreams(1)))
    model.begin_epoch(3)
    found = model(graphs)
    for domain, sides in expected(model, graphs, 0.8**3).items():
        assert_close(numbers(found[domain].user), sides[0], rtol=1e-4, atol=1e-5)
        assert_close(numbers(found[domain].item), sides[1], rtol=1e-4, atol=1e-5)


def batch_of(train, many, seed=0):
    """Return positives that are edges, negatives, and samples of the other losses."""
    generator = torch.Generator().manual_seed(seed)
    sizes = domain_sizes(train)
    negatives = {}
    for domain, labels in train.labels.items():
        place = torch.randint(labels.shape[1], (8,), generator=generator)
        user, pos = labels[:, place]
        neg = torch.randint(sizes[domain].num_items, (8, many), generator=generator)
        negatives[domain] = Triplets(user=user, pos=pos, neg=neg)
    other = worlds.batch(train, sizes, seed)
    return Batch(
        negatives=negatives,
        template_triplets=other.template_triplets,
        overlap=other.overlap,
    )


def test_losses_follow_the_equations_on_the_graph_of_the_step():
    train, _ = stages(unlike=False)
    model = moved(micrec_plus(train, RandomStreams(1), dropout=0.0))
    batch = batch_of(train, 3)
    losses = model.losses(train.graphs, batch, RandomStreams(2))
    z = expected(model, train.graphs, 1.0, batch)
    ranking = 0.0
    for domain, samples in batch.negatives.items():
        columns = (samples.user, samples.pos, samples.neg)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        ranking += reference.hardest_bpr(*z[domain], list(rows))
    views = []
    for pair, shared in sorted(batch.overlap.items()):
        both = []
        for domain, rows in zip(pair, shared, strict=True):
            head = model.head[f"domain_{domain}"]
            x = z[domain][0][rows.numpy()]
            x = x @ numbers(head.inner.weight).T + numbers(head.inner.bias)
            x = np.maximum(x, 0) @ numbers(head.outer.weight).T
            both.append(x + numbers(head.outer.bias))
        views.append(nn.info_nce(*both, 0.2))
    assert len(views) == 3
    assert_close(losses["ranking"].item(), ranking, rtol=1e-4, atol=0)
    assert_close(losses["contrastive"].item(), np.mean(views), rtol=1e-4, atol=0)


def test_without_its_additions_it_is_inmo_bit_for_bit():
    domains, splits = worlds.worlds(first_of_music=6)
    train = train_stage(domains, splits, worlds.options(num_neighbors=0))

    def bare(train, streams):
        changes = {"content_width": 0, "degree_gate": False, "transfer": False}
        return micrec_plus(train, streams, targets=False, num_negatives=1, **changes)

    def inmo(train, streams):
        return INMO(
            sizes=domain_sizes(train), streams=streams, loss=BPR(), **INMO_OPTIONS
        )

    found = []
    for make in (inmo, bare):
        streams = RandomStreams(5)
        model = make(train, streams)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        history = []
        for epoch in range(4):
            model.begin_epoch(epoch)
            losses = model.losses(train.graphs, one_negative(train, epoch), streams)
            assert len(losses) == 2
            loss = next(iter(losses.values())) + 0.01 * losses["self_enhanced"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            history.append(loss.item())
        found.append((history, model(train.graphs), model.state_dict()))
    (losses, z, state), (other_losses, other_z, other_state) = found
    assert losses == other_losses
    assert len(set(losses)) == 4
    for name, embeddings in z.items():
        assert torch.equal(embeddings.user, other_z[name].user)
        assert torch.equal(embeddings.item, other_z[name].item)
    for name, value in state.items():
        assert torch.equal(value, other_state[name]), name
    assert all(n.startswith("head.") for n in other_state.keys() - state.keys())


def one_negative(train, seed):
    """Return the same samples for both models, each in the part that it reads."""
    given = batch_of(train, 1, seed)
    triplets = {
        domain: Triplets(user=each.user, pos=each.pos, neg=each.neg[:, 0])
        for domain, each in given.negatives.items()
    }
    return Batch(
        triplets=triplets,
        negatives=given.negatives,
        template_triplets=given.template_triplets,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"content_width": 0},
        {"degree_gate": False},
        {"transfer": False},
        {"targets": False},
        {"edges": 0.5},
    ],
    ids=str,
)
def test_each_part_alone_changes_the_loss(change):
    train, _ = stages(unlike=False)
    found = []
    for changes in ({}, change):
        model = moved(micrec_plus(train, RandomStreams(1), **changes))
        batch = batch_of(train, 3)
        found.append(model.losses(train.graphs, batch, RandomStreams(2))["ranking"])
    assert found[0] != found[1]


def test_at_inference_nothing_is_taken_away():
    train, _ = stages(unlike=False)
    whole, thinned = (
        moved(micrec_plus(train, RandomStreams(1), targets=True, edges=edges))
        for edges in (0.0, 0.9)
    )
    for name, z in whole(train.graphs).items():
        assert torch.equal(z.user, thinned(train.graphs)[name].user)
