"""Settings of a preset that are impossible: refused before its runs are listed."""

import pytest

from micrec_pyg.cli.job_checks import check_jobs
from micrec_pyg.cli.pool import Job
from micrec_pyg.cli.studies import study
from micrec_pyg.schema import InputError

BEYOND = "9" * 20


@pytest.mark.parametrize("preset", ["quick", "pair", "paper"])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("Kfoo=3", "unknown key 'Kfoo'"),
        ("K=-1", "K=-1: give a whole number of 0 or more"),
        ("fit.lr=abc", "fit.lr=abc: give a number"),
        (f"--seeds={BEYOND}", f"--seeds {BEYOND} was given; give different whole"),
        (f"seeds=0,{'9' * 5000}", "--seeds 0,9999"),
        (f"seed={BEYOND}", "which the preset decides (--seeds 0,1)"),
    ],
)
def test_no_run_is_listed_if_a_setting_is_impossible(
    micrec, capsys, monkeypatch, preset: str, given: str, said: str
) -> None:
    monkeypatch.setattr(study, "facts_of", None)  # no data is read
    assert micrec("reproduce", "--dry-run", f"preset={preset}", given) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


def test_every_option_is_tried_and_the_run_is_named() -> None:
    jobs = [
        Job(label=model, name=model, overrides=(f"model={model}", "model.net.dim=8"))
        for model in ("micrec", "inmo", "popularity")
    ]
    check_jobs(jobs[:2])
    with pytest.raises(InputError, match=r"'model\.net\.dim' is no .* run popularity"):
        check_jobs(jobs)
