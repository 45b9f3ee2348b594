"""The group ``term`` of the settings."""

from micrec_pyg.cli.config import composed
from micrec_pyg.models.fused import Fused
from micrec_pyg.runs.experiment import experiment_of
from micrec_pyg.runs.identity import decisive


def test_without_a_term_a_run_is_what_it_was():
    settings = composed(["data=synthetic", "device=cpu"])
    assert settings["term"] == {"name": "none"}
    before = {key: value for key, value in settings.items() if key != "term"}
    assert decisive(settings) == decisive(before)
    found, earlier = experiment_of(settings), experiment_of(before)
    assert (
        (found.model, found.betas) == (earlier.model, earlier.betas) == ("micrec", ())
    )
    assert found.make_model.func is earlier.make_model.func


def test_a_term_has_the_keys_of_its_model():
    changes = ["term=ease_xc", "term.betas=[0.5]", "term.net.fit_on=graph"]
    settings = composed(["data=synthetic", "device=cpu", *changes])
    net = composed(["data=synthetic", "device=cpu", "model=ease_xc"])["model"]["net"]
    assert settings["term"]["net"] == {**net, "fit_on": "graph"}
    found = experiment_of(settings)
    assert (found.model, found.betas) == ("micrec+ease_xc", [0.5])
    assert found.make_model.func is Fused
    assert found.dim == 64
    assert "term.betas" in decisive(settings)
