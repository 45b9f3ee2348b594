"""How near the accounts of one user are: the rank of the true counterpart."""

import pytest
import torch

from micrec_pyg.cli.train import train_job
from micrec_pyg.runs.alignment import (
    counterpart_ranks,
    measure_alignment,
    shared_vectors,
)
from micrec_pyg.runs.read import Run
from micrec_pyg.schema import InputError


def test_ranks_against_a_loop() -> None:
    generator = torch.Generator().manual_seed(3)
    asked, there = torch.randn(2, 30, 4, generator=generator)
    wanted = []
    for row in range(30):
        cosine = [torch.cosine_similarity(asked[row], x, dim=0).item() for x in there]
        wanted.append(1 + sum(value > cosine[row] for value in cosine))
    assert counterpart_ranks(asked, there).tolist() == wanted


def test_the_own_vector_has_rank_one_and_equal_ones_that_of_chance() -> None:
    vectors = torch.eye(5)
    assert counterpart_ranks(vectors, 3 * vectors).tolist() == [1] * 5
    assert counterpart_ranks(torch.ones(5, 2), torch.ones(5, 2)).tolist() == [3] * 5


def test_alignment_brings_accounts_together_where_it_acts(small: list[str]) -> None:
    settings = ["model=micrec", "gamma=100", "fit.lr=0.02", "fit.max_epochs=8"]
    folder = train_job([*small, *settings, "fit.eval_every=8"])
    table = measure_alignment(folder)
    (chance,) = table["chance"].unique().to_list()
    assert chance == (table["users"][0] + 1) / 2
    ranks = dict(table.select("stage", "mean_rank").rows())
    assert ranks["projected"] < 0.7 * chance
    assert ranks["projected"] < ranks["e"]
    # asked for again, it is read
    assert measure_alignment(folder).equals(table)


def test_z_is_what_the_run_recommends_with(small: list[str]) -> None:
    folder = train_job([*small, "model=micrec"])
    ((pair, stages),) = shared_vectors(folder).items()
    for domain, vectors in zip(pair, stages["z"], strict=True):
        every = Run.read(folder).embeddings(domain).user
        known = torch.tensor(every["vector"].to_list())
        distance = (vectors[:, None] - known).abs().amax(dim=2).amin(dim=1)
        assert distance.max() < 1e-5
        assert len(vectors) < len(known)


def test_a_model_without_templates_is_refused(small: list[str]) -> None:
    folder = train_job([*small, "model=lightgcn"])
    with pytest.raises(InputError, match="the model lightgcn has no templates"):
        measure_alignment(folder)
