"""A model of RecBole: one training epoch per turn."""

from recbole_data import prepared
from turns import Turns, arguments

turns = Turns()

from recbole.utils import get_model, get_trainer  # noqa: E402

given = arguments()
config, train, _ = prepared(given["model"], given, given["settings"])
model = get_model(given["model"])(config, train.dataset)
trainer = get_trainer(config["MODEL_TYPE"], given["model"])(config, model)
turns.repeat(
    lambda: trainer._train_epoch(train, 0, show_progress=False), steps=len(train)
)
