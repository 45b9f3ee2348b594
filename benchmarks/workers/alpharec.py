"""AlphaRec's code from a user's own clone: one training epoch per turn."""

import contextlib
import io
import os
import sys
import time
import types
import warnings
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader
from turns import Turns, arguments

warnings.filterwarnings("ignore")

NAME = "bench"
ABSENT = {
    "matplotlib": (),
    "matplotlib.pyplot": (),
    "matplotlib.patches": (),
    "parse": ("parse_args",),
    "reckit": (),
    "wandb": (),
    "models.General.base.evaluator": ("ProxyEvaluator",),
    "models.General.base.util": ("DataIterator", "typeassert", "argmax_top_k"),
    "models.General.base.util.cython": (),
    "models.General.base.util.cython.tools": ("float_type", "is_ndarray"),
}
"""What it imports for its evaluation, which is compiled, for plots and for reports."""

turns = Turns()
given = arguments()
data = np.load(given["data"])
for name, inside in ABSENT.items():
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(dict.fromkeys(inside))
# A compiled package draws the negatives of a sample. This draws them faster than any
# that leaves out what the user took.
sys.modules["reckit"].randint_choice = (  # type: ignore[attr-defined]
    lambda count, size, exclusion: np.random.randint(count, size=size)
)
torch.Tensor.cuda = lambda self, *_: self  # where it asks for CUDA come what may
sys.path.insert(0, given["clone"])
os.chdir(given["folder"])

from models.General.AlphaRec import AlphaRec, AlphaRec_Data, AlphaRec_RS  # noqa: E402

place = Path(NAME)
for folder in ("cf_data", "item_info"):
    (place / folder).mkdir(parents=True)
for part, key in {"train": "train", "valid": "hidden", "test": "hidden"}.items():
    rows: list[list[int]] = [[user] for user in range(int(data["num_users"]))]
    for user, item in data[key].T.tolist():
        rows[user].append(item)
    lines = [" ".join(map(str, row)) for row in rows]
    (place / "cf_data" / f"{part}.txt").write_text("\n".join(lines))
np.save(place / "item_info" / "item_cf_embeds_array.npy", data["text"])
args = types.SimpleNamespace(
    data_path="./",
    dataset=NAME,
    model_name="AlphaRec",
    lm_model="v2",  # its hidden layer is twice as wide as the text
    model_version="mlp",
    cuda="cpu",
    nodrop=False,
    candidate=False,
    infonce=1,
    neg_sample=given["num_negatives"],
    batch_size=given["batch_size"],
    hidden_size=given["dim"],
    n_layers=given["num_layers"],
    tau=0.15,
    regs=0.0,
    train_norm=True,
    pred_norm=True,
    num_workers=0,
)
torch.manual_seed(0)
found = AlphaRec_Data(args)
model = AlphaRec(args, found)
adam = torch.optim.Adam(model.parameters(), lr=5e-4)
run = types.SimpleNamespace(
    data=found, device="cpu", args=args, model=model, optimizer=adam
)


def epoch() -> float:
    """Train an epoch by its own loop, without its bar; return the seconds."""
    begin = time.perf_counter()
    with contextlib.redirect_stderr(io.StringIO()):
        AlphaRec_RS.train_one_epoch(run, 0)
    return time.perf_counter() - begin


def loader(processes: int) -> DataLoader:
    """Return its loader, in so many processes. The last, smaller batch is left out."""
    return DataLoader(
        found.train_data,
        batch_size=given["batch_size"],
        shuffle=True,
        num_workers=processes,
        drop_last=True,
    )


fastest = {}
for processes in (0, 1):
    found.train_loader = loader(processes)
    fastest[epoch()] = found.train_loader
found.train_loader = fastest[min(fastest)]
turns.done(steps=len(found.train_loader))
while True:
    turns.done(seconds=epoch())
