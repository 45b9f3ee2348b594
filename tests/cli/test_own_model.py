"""A model of the user's own package, run by the command line, with mistakes in it."""

import os
import sys
from pathlib import Path

import pytest
import torch

from micrec_pyg.cli.train import train_job
from micrec_pyg.runs.files import read_json
from micrec_pyg.runs.plugins import PLUGINS
from micrec_pyg.schema import InputError

MODEL = '''"""A model whose user vectors come from PyTorch's own layers."""
import torch
from torch import nn

from micrec_pyg.models.base import Model
from micrec_pyg.nn.losses import bpr_loss, over_domains, gather
from micrec_pyg.schema import Embeddings, ITEM, USER


class Own(Model):
    terms = {"ranking": "triplets"}
    answers = frozenset()

    def __init__(self, *, sizes, streams, dim):
        super().__init__()
        self.user, self.item = nn.ModuleDict(), nn.ModuleDict()
        for domain, size in sizes.items():
            self.user[domain] = nn.Embedding(size.num_users, dim)
            self.item[domain] = nn.Embedding(size.num_items, dim)

    def forward(self, graphs, streams=None):
        found = {}
        for domain, graph in graphs.items():
            user = self.user[domain](graph[USER].train_row)
            item = self.item[domain](graph[ITEM].train_row)
            found[domain] = Embeddings(user=user, item=item)
        return found

    def losses(self, graphs, batch, streams):
        z = self(graphs)
        for d, each in z.items():
            user = torch.dropout(each.user, 0.1, train=True)
            z[d] = Embeddings(user=user, item=each.item)
        found = {d: gather(z[d], t) for d, t in batch.triplets.items()}
        return {"ranking": over_domains(bpr_loss, found)}
'''


YAML = """name: own
num_neighbors: 0
weights: {ranking: 1.0}
net: {_target_: my_models.Own, _partial_: true, dim: 4}
"""


@pytest.fixture
def own(small, own_conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that trains the model, after a change of its file."""
    (own_conf / "model" / "own.yaml").write_text(YAML)
    bare = YAML.replace("own\n", "bare\n").replace("ranking: 1.0", "")
    (own_conf / "model" / "bare.yaml").write_text(bare)
    path = tmp_path / "my_models.py"
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(PLUGINS, "my_models")

    def run(*more: str, extra: str = "", **options) -> Path:
        path.write_text(MODEL + extra)
        os.utime(path, (len(extra), len(extra)))  # python looks at the time
        sys.modules.pop("my_models", None)
        return train_job([*small, "model=own", *more], **options)

    yield run
    sys.modules.pop("my_models", None)


def test_what_torchs_own_layers_draw_follows_the_seed(own, tmp_path) -> None:
    torch.manual_seed(7)
    first = own(f"output_dir={tmp_path}/one")
    torch.manual_seed(8)
    second = own(f"output_dir={tmp_path}/two")
    assert first.name == second.name
    assert (
        read_json(first / "metrics.json")["val"]
        == (read_json(second / "metrics.json")["val"])
    )
    state = torch.get_rng_state()
    other = own(f"output_dir={tmp_path}/two", "seed=1")
    assert torch.equal(torch.get_rng_state(), state)  # a notebook draws on as it would
    assert (
        read_json(first / "metrics.json")["val"]
        != (read_json(other / "metrics.json")["val"])
    )


def test_a_file_that_has_changed_since_the_run_is_told(own, caplog) -> None:
    caplog.set_level("INFO")
    folder = own()
    assert own() == folder
    assert "is complete and not trained again" in caplog.text
    assert "has changed" not in caplog.text
    assert own(extra="# more\n") == folder
    assert "the code of my_models.Own has changed since it was trained" in caplog.text


EPOCHS = ["fit.max_epochs=4", "fit.checkpoint_every_s=0"]


def interrupt(row: dict) -> None:
    if row["epoch"] == 2:
        raise KeyboardInterrupt


def continued(own, folder: Path, extra: str) -> list[int]:
    """Return the epochs that a run still had to do."""
    rows: list[dict] = []
    assert own(*EPOCHS, extra=extra, on_epoch=rows.append) == folder
    return [row["epoch"] for row in rows]


@pytest.fixture
def interrupted(own, small, tmp_path: Path) -> Path:
    """Return the folder of a run that was interrupted after two epochs."""
    with pytest.raises(KeyboardInterrupt):
        own(*EPOCHS, on_epoch=interrupt)
    return next((tmp_path / "outputs").rglob("checkpoint.safetensors")).parent


def test_an_interrupted_run_of_other_code_starts_anew(
    own, interrupted, tmp_path, caplog
) -> None:
    caplog.set_level("INFO")
    other = "    num_negatives = 3\n"
    assert continued(own, interrupted, other) == [0, 1, 2, 3]
    assert "the code of my_models.Own has changed since " in caplog.text
    assert "its checkpoint is dropped, and training starts anew" in caplog.text
    whole = own(*EPOCHS, f"output_dir={tmp_path}/whole", extra=other)
    ours, theirs = (read_json(f / "metrics.json") for f in (interrupted, whole))
    assert ours["val"] == theirs["val"]
    assert ours["code"] == theirs["code"]
    assert not (interrupted / "begun.json").exists()


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"code": ["a"]}'])
def test_a_damaged_beginning_starts_anew(own, interrupted, caplog, text) -> None:
    (interrupted / "begun.json").write_text(text)
    assert continued(own, interrupted, "") == [0, 1, 2, 3]
    assert "begun.json is damaged; its checkpoint is dropped, and" in caplog.text


@pytest.mark.parametrize("earlier", [False, True])
def test_an_interrupted_run_goes_on(own, interrupted, caplog, earlier) -> None:
    if earlier:  # a version that wrote down no code
        (interrupted / "begun.json").unlink()
    assert continued(own, interrupted, "# more\n" if earlier else "") == [2, 3]
    assert "has changed" not in caplog.text


def test_a_run_has_the_code_that_it_began_with(own, tmp_path) -> None:
    def edit(row: dict) -> None:
        with (tmp_path / "my_models.py").open("a") as file:
            file.write("# more\n")

    before = read_json(own(f"output_dir={tmp_path}/one") / "metrics.json")
    edited = read_json(own(on_epoch=edit) / "metrics.json")
    assert edited["code"] == before["code"]


def test_a_run_with_a_term_takes_no_net_of_other_code(own, caplog) -> None:
    caplog.set_level("INFO")
    term = ["term=ease_xc", "term.net.fit_on=graph"]
    own()
    own(*term, "term.betas=[0.0,0.5]")
    assert "is not trained again" in caplog.text
    caplog.clear()
    own(*term, "term.betas=[0.0,1.0]", extra="# more\n")
    assert "is not trained again" not in caplog.text
    assert "the code of my_models.Own has changed since " in caplog.text
    assert "the net is trained again for this run" in caplog.text


@pytest.mark.parametrize(
    ("extra", "more", "said"),
    [
        ("    def prepare(self, train):\n        self.seen = 1\n", [], "keeps seen in"),
        (
            "    def scorer(self, domain, z, graphs):\n"
            "        return lambda rows: z[domain].user @ z[domain].item.T\n",
            [],
            "the scorer of Own gave",
        ),
        ("", ["model=bare"], "no loss is left to train: give one of model.w"),
        ("    answers = frozenset({'users'})\n", [], "Own.answers has users"),
        (
            "    def __init__(self, *, sizes, streams, dim, width):\n        pass\n",
            [],
            "model.net lacks width, which Own takes",
        ),
    ],
)
def test_a_mistake_is_one_sentence(own, extra: str, more: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        own(*more, extra=extra)
