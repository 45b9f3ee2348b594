"""A model with a term: trained as without it, scored as the sum says."""

from functools import partial

import numpy as np
import pytest
import torch
from reference import closed_forms, fitting, worlds
from reference.scoring import same, scores
from torch.testing import assert_close

from micrec_pyg.evaluation.validate import validate, validate_weights
from micrec_pyg.graph.build import domain_sizes, test_stage, train_stage, valid_stage
from micrec_pyg.models.ease import EASE
from micrec_pyg.models.ease_xc import EASExc
from micrec_pyg.models.fused import Fused, standardise
from micrec_pyg.models.inmo import INMO
from micrec_pyg.nn.ranking import BPR
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.runs.term import choose_weight, with_term
from micrec_pyg.schema import USER, InputError
from micrec_pyg.training.fit import fit

inmo = partial(
    INMO, dim=4, std=0.1, num_layers=1, dropout=0.3, alpha_decay=0.99, loss=BPR()
)
term = partial(
    EASExc,
    ridge=2.0,
    row_decay=0.5,
    content={"text": 1.0},
    content_dim=4,
    content_floor=0.1,
    fit_on="graph",
    max_dense=1000,
)


@pytest.fixture(scope="module")
def stages():
    domains, splits = worlds.worlds()
    options = worlds.options(num_neighbors=0)
    train = train_stage(domains, splits, options)
    return (
        train,
        valid_stage(train, domains, splits, options),
        test_stage(train, domains, splits, options),
    )


def trained(make, train, valid):
    streams = RandomStreams(3)
    model = make(sizes=domain_sizes(train), streams=streams)
    fit(
        model,
        train,
        valid,
        options=fitting.options(max_epochs=2),
        weights={"ranking": 1.0, "self_enhanced": 0.01},
        streams=streams,
        validate=judge,
        folder=None,
        on_epoch=lambda row: None,
    )
    return model


def judge(model, valid):
    found = scores(model, valid.graphs)
    return {name: {"ndcg@3": float(each.mean())} for name, each in found.items()}


def test_training_is_that_of_the_model_alone(stages):
    train, valid, test = stages
    alone = trained(inmo, train, valid)
    fused = trained(partial(Fused, net=inmo, term=term), train, valid)
    assert same(scores(alone, test.graphs), scores(fused, test.graphs))
    state = fused.net.state_dict()
    assert all(torch.equal(state[n], v) for n, v in alone.state_dict().items())


def test_scores_are_the_sum_of_what_is_standardised(stages):
    train, _, test = stages
    fused = Fused(
        sizes=domain_sizes(train), streams=RandomStreams(0), net=inmo, term=term
    )
    fused.prepare(train)
    fused.beta.fill_(0.7)
    parts = [scores(part, test.graphs) for part in (fused.net, fused.term)]
    for domain, found in scores(fused, test.graphs).items():
        rows, persons, _ = closed_forms.people({domain: test.graphs[domain]})
        for user, person in enumerate(test.graphs[domain][USER].person.tolist()):
            new = rows[persons.index(person)] == 0
            expected = 0.0
            for part, weight in zip(parts, (1.0, 0.7), strict=True):
                mine = part[domain][user].double().numpy()
                spread = np.std(mine[new])
                if spread > 1e-7:
                    expected += weight * (mine - np.mean(mine[new])) / spread
            assert_close(
                found[user].double(),
                torch.as_tensor(expected) + 0 * found[user],
                rtol=1e-3,
                atol=1e-4,
                check_dtype=False,
            )


def test_equal_scores_become_zero():
    scores_of_two = torch.tensor([[0.1, 0.1, 0.1], [1.0, 2.0, 9.0]])
    counted = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    found = standardise(scores_of_two, counted)
    assert_close(found, torch.tensor([[0.0, 0.0, 0.0], [-1.0, 1.0, 15.0]]))


def test_declarations_are_those_of_the_parts(stages):
    sizes = domain_sizes(stages[0])
    ease = partial(EASE, ridge=2.0, max_dense=9)
    fused = Fused(sizes=sizes, streams=RandomStreams(0), net=inmo, term=ease)
    assert fused.terms == INMO.terms
    assert fused.answers == frozenset({USER})
    assert not fused.reads_other_domains
    assert fused.reads_neighborhoods is INMO.reads_neighborhoods is True
    fused = Fused(sizes=sizes, streams=RandomStreams(0), net=inmo, term=term)
    assert fused.reads_other_domains
    assert Fused.terms == {}  # other objects are not touched


def test_the_weight_that_validates_best_is_kept(stages):
    fused = Fused(
        sizes=domain_sizes(stages[0]), streams=RandomStreams(0), net=inmo, term=term
    )
    asked = []

    def validate(model, valid, weights):
        asked.append(weights)
        values = {0.0: 0.2, 0.5: 0.4, 1.0: 0.4}
        return {
            weight: {"food": {"ndcg@3": values[weight]}, "books": {"ndcg@3": 0.1}}
            for weight in weights
        }

    choose = partial(choose_weight, fused, stages[1], metric="ndcg@3")
    choose([0.0, 0.5, 1.0], validate=validate)
    assert asked == [[0.0, 0.5, 1.0]]
    assert float(fused.beta) == 0.5
    choose([0.25], validate=validate)
    assert len(asked) == 1  # one alone is not validated
    assert float(fused.beta) == 0.25


@pytest.mark.parametrize("batch_size", [1, 3, "auto"])
def test_all_weights_in_one_pass_are_each_weight_alone(stages, batch_size):
    train, valid, _ = stages
    fused = trained(partial(Fused, net=inmo, term=term), train, valid)
    weights = [0.0, 0.4, 1.5]
    limits = {"k": 3, "batch_size": batch_size}
    expected = {}
    for weight in weights:
        fused.beta.fill_(weight)
        expected[weight] = validate(fused, valid, **limits)
    fused.beta.fill_(0.7)  # of no effect
    found = validate_weights(fused, valid, weights, parts=fused.parts, **limits)
    assert found == expected
    values = {str(means) for means in expected.values()}
    assert len(values) == len(weights)
    assert float(fused.beta) == pytest.approx(0.7)


def test_a_term_with_losses_is_refused():
    node = {"_target_": "micrec_pyg.models.inmo.INMO", "_partial_": True}
    with pytest.raises(InputError, match="a term is not trained"):
        with_term(inmo, {"name": "inmo", "net": node})


def test_a_term_without_a_model_is_refused():
    with pytest.raises(InputError, match=r"term.name=\$: this term scores nothing"):
        with_term(inmo, {"name": "$"})
