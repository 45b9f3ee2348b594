"""Even users like even items: every trained model must rank the withheld item first."""

import pytest
import torch
from hydra.utils import instantiate
from reference import fitting
from reference.checkerboard import Checkerboard
from reference.reading import READING

from micrec_pyg.cli.config import compose
from micrec_pyg.data.splits.at_random import ready
from micrec_pyg.evaluation.rank import rank
from micrec_pyg.evaluation.validate import validate
from micrec_pyg.features.encode import encode
from micrec_pyg.graph.build import (
    GraphOptions,
    domain_sizes,
    test_stage,
    train_stage,
    valid_stage,
)
from micrec_pyg.random_streams import RandomStreams
from micrec_pyg.training.fit import fit

QUICK = ("bpr_mf", "lightgcn", "micrec")
"""The others are trained by ``make fuzz``."""
MODELS = ["bpr_mf", "lightgcn", "lightgcn_neighbors", "inmo_mf", "inmo", "micrec"]


@pytest.mark.parametrize(
    "model_name",
    [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.fuzz)
        for name in MODELS
    ],
)
def test_the_withheld_item_comes_first(model_name, tmp_path):
    catalogues = Checkerboard.read(
        **READING, root=str(tmp_path), size=16, num_domains=2
    )
    domains = encode(catalogues, {}, cache_dir=str(tmp_path / "f"))
    splits = ready(domains)
    options = GraphOptions(
        num_neighbors=0,
        max_user_neighbors=None,
        w=0.9,
        modality_weights={},
        knn_include_self=False,
        knn_lists=0,
        template_ratio=1.0,
        template_metric="error_sort",
        seed=0,
        neighbors="features",
        overlap="links",
        overlap_ratio=1.0,
        union=False,
        cache_dir=None,
    )
    train = train_stage(domains, splits, options)
    cfg = compose([f"model={model_name}", "data=synthetic"])
    streams = RandomStreams(0)
    model = instantiate(cfg.model.net)(sizes=domain_sizes(train), streams=streams)
    fit(
        model,
        train,
        valid_stage(train, domains, splits, options),
        options=fitting.options(
            max_epochs=150,
            patience=150,
            batch_size=256,
            lr=0.02,
            metric="ndcg@2",
            eval_every=10,
        ),
        weights=dict(cfg.model.weights),
        streams=streams,
        validate=lambda m, v: validate(m, v, k=2, batch_size=64),
        folder=None,
        on_epoch=lambda row: None,
    )
    stage = test_stage(train, domains, splits, options)
    with torch.no_grad():
        z = model(stage.graphs)
    for name, task in stage.tasks.items():
        hidden = task.hidden
        lists = rank(
            model.scorer(name, z, stage.graphs),
            users=hidden[0].sort().values,
            n_id=hidden[0].sort().values,
            known=task.known,
            k=1,
            candidates=None,
            batch_size=64,
        )
        withheld = hidden[1][hidden[0].argsort()]
        assert torch.equal(lists.item[:, 0], withheld), name
