"""A run that differs from a finished one in its term alone takes its net over."""

import json

import pytest
import torch

from micrec_pyg.cli.train import train_job
from micrec_pyg.runs import job
from micrec_pyg.runs.save import MODEL
from micrec_pyg.storage.tensors import read_tensors

TERM = ["term=ease_xc", "term.betas=[0.0,0.5]", "term.net.fit_on=graph"]


def refused(*args, **kwargs):
    raise AssertionError("trained again")


def found(folder):
    """Return what a run found: tensors, metrics without times, history likewise."""
    record = json.loads((folder / "metrics.json").read_text())
    lines = (folder / "history.jsonl").read_text().splitlines()
    rows = [{**json.loads(line), "seconds": 0} for line in lines]
    kept = ("epochs", "best_epoch", "val", "model", "test_evaluations")
    return read_tensors(folder / MODEL)[0], {k: record[k] for k in kept}, rows


def test_the_result_is_that_of_training_it_all(small, tmp_path, monkeypatch) -> None:
    apart = [f"output_dir={tmp_path}/apart" if "output_dir" in s else s for s in small]
    tensors, record, rows = found(train_job([*apart, *TERM]))
    train_job(small)
    monkeypatch.setattr(job, "fit", refused)
    again = found(train_job([*small, *TERM]))
    assert again[1:] == (record, rows)
    assert again[0].keys() == tensors.keys()
    assert all(torch.equal(again[0][name], value) for name, value in tensors.items())


@pytest.mark.parametrize("changed", ["seed=1", "model.net.dim=8"])
def test_another_net_is_trained(small, monkeypatch, changed) -> None:
    train_job(small)
    monkeypatch.setattr(job, "fit", refused)
    with pytest.raises(AssertionError, match="trained again"):
        train_job([*small, *TERM, changed])


def test_a_damaged_run_lends_no_net(small, monkeypatch, caplog) -> None:
    folder = train_job(small)
    path = folder / MODEL
    path.write_bytes(path.read_bytes()[:-4] + b"\0\1\2\3")
    monkeypatch.setattr(job, "fit", refused)
    with pytest.raises(AssertionError, match="trained again"):
        train_job([*small, *TERM])
    assert "the net is trained again for this run" in caplog.text


def test_a_run_without_an_epoch_lends_no_net(small) -> None:
    train_job([*small, "fit.max_epochs=0"])
    folder = train_job([*small, *TERM, "fit.max_epochs=0"])
    assert json.loads((folder / "metrics.json").read_text())["epochs"] == 0
