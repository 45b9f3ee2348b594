"""RecBole's LightGCN: one training epoch, or one full-sort evaluation, per turn."""

import itertools
import time

import numpy as np
from recbole_data import prepared
from turns import Turns, arguments

turns = Turns()

from recbole.model.general_recommender import LightGCN  # noqa: E402
from recbole.trainer import Trainer  # noqa: E402

WARM_UP = 5

given = arguments()
num_items = int(np.load(given["data"])["num_items"])
settings = {
    # counted in scores; its default of 4,096 would rank one user at a time
    "eval_batch_size": given["users_at_once"] * num_items,
    "embedding_size": 64,
    "n_layers": 3,
}
config, train, test = prepared("LightGCN", given, settings)
model = LightGCN(config, train.dataset)
trainer = Trainer(config, model)


def turn() -> None:
    """Train one epoch, or rank all users by freshly propagated embeddings."""
    if given["what"] == "epoch":
        trainer._train_epoch(train, 0, show_progress=False)
    else:
        model.restore_user_e = model.restore_item_e = None
        trainer.evaluate(test, load_best_model=False)


if given["what"] == "epoch":
    trainer._train_epoch(list(itertools.islice(train, WARM_UP)), 0, show_progress=False)
else:
    turn()
turns.done()
while True:
    begin = time.perf_counter()
    turn()
    turns.done(seconds=time.perf_counter() - begin)
