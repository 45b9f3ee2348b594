"""An encoder of the user's own package, whose weights lie in a file and change."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from micrec_pyg.cli.train import train_job
from micrec_pyg.runs.plugins import PLUGINS

ENCODER = '''"""Texts -> vectors that follow the bytes of a file."""
from pathlib import Path

import torch

from micrec_pyg.features.encoder import READS_TEXT
from micrec_pyg.storage.digests import file_digest


class Mine:
    name, reads = "mine", READS_TEXT

    def __init__(self, *, path):
        self.path = Path(path)

    @property
    def settings(self):
        return {"weights": file_digest(self.path)}

    def encode(self, items):
        key = sum(self.path.read_bytes())
        rows = [[sum(item.encode()) % k for k in (2, 3, 5, key)] for item in items]
        return torch.tensor(rows, dtype=torch.float32)
'''

TERM = ["term=ease_xc", "term.betas=[0.0,0.5]", "term.net.fit_on=graph"]

Train = Callable[..., Path]


@pytest.fixture
def train(
    small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Train]:
    """Return a function that trains with the encoder's weights as they are given."""
    (tmp_path / "my_encoders.py").write_text(ENCODER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(PLUGINS, "my_encoders")
    weights = tmp_path / "weights.bin"
    encoder = f"{{_target_: my_encoders.Mine, path: {weights}}}"
    own = [*small, "model=lightgcn_neighbors", f"features.text={encoder}"]

    def run(*more: str, content: bytes | None = b"one") -> Path:
        weights.unlink(missing_ok=True)
        if content is not None:
            weights.write_bytes(content)
        return train_job([*own, *more])

    yield run
    sys.modules.pop("my_encoders", None)


def test_a_run_with_a_term_takes_no_net_of_another_encoder(
    train: Train, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    train()
    train(*TERM)
    assert "is not trained again" in caplog.text
    caplog.clear()
    train(*TERM, "term.betas=[0.0,1.0]", content=b"two")
    assert "is not trained again" not in caplog.text
    assert "what encodes d0, d1 has changed since " in caplog.text
    assert "the net is trained again for this run" in caplog.text


def test_a_finished_run_tells_that_its_encoder_has_changed(
    train: Train, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    folder = train()
    assert train() == folder
    assert "is complete and not trained again" in caplog.text
    assert "has changed" not in caplog.text
    assert train(content=b"two") == folder
    assert "the encoder of text has changed since it was trained" in caplog.text


def test_a_finished_run_needs_no_encoder(
    train: Train, caplog: pytest.LogCaptureFixture
) -> None:
    folder = train()
    assert train(content=None) == folder
    assert "has changed" not in caplog.text
