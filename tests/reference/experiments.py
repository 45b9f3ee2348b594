"""Experiments made by hand, for what needs one and reads little of it."""

from functools import partial
from typing import Any

from reference import fitting, worlds

from micrec_pyg.evaluation.evaluate import evaluate
from micrec_pyg.models.popularity import Popularity
from micrec_pyg.runs.experiment import Experiment


def experiment(**changes: Any) -> Experiment:
    """Return an experiment with these fields; all others have some value."""
    fields = {
        "dataset": "toy",
        "model": "popularity",
        "split": "random",
        "load_data": dict,
        "encode": dict,
        "divide": dict,
        "graph": worlds.options(),
        "make_model": Popularity,
        "weights": {},
        "fit": fitting.options(
            max_epochs=3,
            patience=1,
            batch_size=8,
            lr=0.1,
            metric="ndcg@5",
            eval_every=1,
            checkpoint_every_s=0,
            cuda_graph=False,
        ),
        "rank": partial(evaluate, ks=[5], batch_size=100, groups=False),
        "seed": 0,
        "device": "cpu",
        "precision": "float32",
        "spmm": "auto",
        "output_dir": "outputs",
        "settings": {},
    }
    return Experiment(**{**fields, **changes})
