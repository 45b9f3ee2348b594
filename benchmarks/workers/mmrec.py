"""A model of MMRec from a user's own clone: one training epoch per turn."""

import os
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from turns import Turns, arguments

warnings.filterwarnings("ignore")

NAME = "bench"
IMAGES = (
    *("ImageResize", "ImagePad"),
    *("image_to_tensor", "load_decompress_img_from_lmdb_value"),
)
ABSENT = {
    "lmdb": (),
    "matplotlib": (),
    "matplotlib.pyplot": (),
    "torch_scatter": (),
    "utils.data_utils": IMAGES,
}
"""What it imports for plots and for images that are files, and torch-scatter."""

turns = Turns()
given = arguments()
data = np.load(given["data"])
folder = Path(given["folder"])
for name, inside in ABSENT.items():
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(dict.fromkeys(inside))
sys.modules["torch_scatter"].scatter_add = (  # type: ignore[attr-defined]
    lambda values, index, dim, dim_size: values.new_zeros(dim_size).index_add_(
        dim, index, values
    )
)
torch.Tensor.cuda = lambda self, *_: self  # where it asks for CUDA come what may
source = Path(given["clone"]) / "src"
sys.path.insert(0, str(source))
os.chdir(source)  # it looks for its settings where it stands

from utils.configurator import Config  # noqa: E402
from utils.dataloader import TrainDataLoader  # noqa: E402
from utils.dataset import RecDataset  # noqa: E402
from utils.utils import get_model, get_trainer, init_seed  # noqa: E402

place = folder / NAME
place.mkdir()
parts = [data["train"], data["hidden"], data["hidden"]]
pd.DataFrame(
    {
        "userID": np.concatenate([pairs[0] for pairs in parts]),
        "itemID": np.concatenate([pairs[1] for pairs in parts]),
        "x_label": np.repeat([0, 1, 2], [pairs.shape[1] for pairs in parts]),
    }
).to_csv(place / "bench.inter", sep="\t", index=False)
for name in ("text", "image"):
    np.save(place / f"{name}.npy", data[name])
config = Config(
    given["model"],
    NAME,
    {
        "use_gpu": False,
        "data_path": f"{folder}/",
        "inter_file_name": "bench.inter",
        "USER_ID_FIELD": "userID",
        "ITEM_ID_FIELD": "itemID",
        "vision_feature_file": "image.npy",
        "text_feature_file": "text.npy",
        "train_batch_size": given["batch_size"],
        **given["settings"],
    },
)
init_seed(0)
pairs = RecDataset(config).split()[0]
str(pairs)  # it counts what the loader asks for
train = TrainDataLoader(config, pairs, given["batch_size"], shuffle=True)
train.pretrain_setup()
config["seed"] = 0
model = get_model(given["model"])(config, train).to(config["device"])
trainer = get_trainer()(config, model, False)


def epoch() -> None:
    """Train an epoch, as the trainer's own loop does."""
    trainer.model.pre_epoch_processing()
    trainer._train_epoch(train, 0)
    trainer.model.post_epoch_processing()


turns.repeat(epoch, steps=len(train))
