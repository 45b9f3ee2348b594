"""Options of a short training, with Adam and a learning rate that stays."""

from functools import partial

from micrec_pyg.training.optimizer import adam, schedule
from micrec_pyg.training.options import FitOptions

ADAM = partial(adam, weight_decay=0.0, rates={})


def options(**changes):
    """Return options: small defaults, changed by keyword."""
    values = {
        "max_epochs": 6,
        "patience": 50,
        "batch_size": 8,
        "lr": 0.01,
        "optimizer": ADAM,
        "schedule": partial(schedule, warm_up=0, decay=None),
        "metric": "ndcg@3",
        "eval_every": 1,
        "checkpoint_every_s": 0.0,
        "cuda_graph": False,
    }
    return FitOptions(**{**values, **changes})
