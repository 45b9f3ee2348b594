"""Controls change what a model is trained on, and nothing else."""

import torch
from reference import worlds

from micrec_pyg.graph.build import test_stage, train_stage, valid_stage
from micrec_pyg.graph.fit_stage import fit_stage

PAIR = ("books", "food")


def stages(**changes):
    domains, splits = worlds.worlds()
    options = worlds.options(**changes)
    train = train_stage(domains, splits, options)
    fitted = fit_stage(train, domains, options)
    ranked = [valid_stage(train, splits), test_stage(train, domains, splits, options)]
    return fitted, train, ranked


def test_without_a_control_the_stage_is_the_same():
    fitted, train, _ = stages()
    assert fitted.graphs is train.graphs
    assert fitted.labels is train.labels
    assert train.overlap[PAIR].shape[1] > 3
    for pair, rows in train.overlap.items():
        assert torch.equal(fitted.overlap[pair], rows)


def test_links_are_hidden_from_training_alone():
    _, plain, plain_ranked = stages()
    fitted, train, ranked = stages(overlap_ratio=0.5)
    links = plain.overlap[PAIR].T.tolist()
    kept = fitted.overlap[PAIR].T.tolist()
    assert len(kept) == round(len(links) / 2)
    assert all(link in links for link in kept)
    assert fitted.graphs is train.graphs  # no user is hidden
    for stage, true in zip(ranked, plain_ranked, strict=True):
        assert torch.equal(stage.overlap[PAIR], true.overlap[PAIR])


def test_random_pairs_mix_the_kept_links():
    halved, _, _ = stages(overlap_ratio=0.75)
    fitted, _, ranked = stages(overlap_ratio=0.75, overlap="random_pairs")
    links, pairs = halved.overlap[PAIR], fitted.overlap[PAIR]
    assert links.shape[1] > 1
    assert torch.equal(links[0], pairs[0])
    assert not (links[1] == pairs[1]).any()
    assert torch.equal(links[1].sort().values, pairs[1].sort().values)
    _, plain, _ = stages()
    assert torch.equal(ranked[0].overlap[PAIR], plain.overlap[PAIR])
