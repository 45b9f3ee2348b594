"""Sealed folders: a changed file is refused by name, a wanted change is sealed."""

import logging
from pathlib import Path

import pytest
from reference.damage import FEW, damages, place

from micrec_pyg.schema import DamagedFileError
from micrec_pyg.storage.seals import MANIFEST, changing, check, remedy, seal


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "artefact").mkdir(parents=True)
    for name in ("config.yaml", "metrics.json", "artefact/users-a.parquet"):
        (folder / name).write_text(f"content of {name}\n")
    seal(folder)
    return folder


@pytest.mark.parametrize("name", ["config.yaml", "artefact/users-a.parquet"])
def test_a_changed_file_of_a_run_is_refused_by_name(run: Path, name: str) -> None:
    check(run)
    content = (run / name).read_bytes()
    for case, damaged in damages(content, b"K: 7\n", places=FEW).items():
        place(run / name, damaged)
        with pytest.raises(DamagedFileError) as caught:
            check(run)
        assert str(run / name) in str(caught.value), case
        check(run, ["metrics.json"])
    place(run / name, content)
    check(run)


def test_a_file_that_was_never_sealed_is_refused(run: Path) -> None:
    (run / "new.json").touch()
    check(run)
    with pytest.raises(DamagedFileError, match=r"json does not list new\.json"):
        check(run, ["new.json"])


def test_what_to_do_ends_the_sentence(run: Path) -> None:
    (run / "config.yaml").unlink()
    with (
        pytest.raises(DamagedFileError, match=r"config\.yaml is missing; restore it$"),
        remedy("restore it"),
    ):
        check(run)


def test_a_change_is_sealed(run: Path) -> None:
    with changing(run, ["metrics.json", "card.md"]):
        (run / "metrics.json").write_text("new")
        (run / "card.md").write_text("new")
        check(run, ["config.yaml"])
    check(run, ["metrics.json", "card.md"])
    (run / "metrics.json").write_text("newer")
    with pytest.raises(DamagedFileError, match=r"metrics\.json"):
        check(run)


def test_a_kill_between_change_and_seal_keeps_the_run(
    run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def killed() -> None:
        with changing(run, ["metrics.json"]):
            (run / "metrics.json").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    with caplog.at_level(logging.INFO):
        check(run)
    assert "metrics.json: a change was interrupted" in caplog.text
    with changing(run, ["metrics.json"]):
        (run / "metrics.json").write_text("newer")
    (run / "metrics.json").write_text("by hand")
    with pytest.raises(DamagedFileError):
        check(run)


def test_a_folder_without_a_manifest_stays_without(run: Path) -> None:
    (run / MANIFEST).unlink()
    with changing(run, ["metrics.json"]):
        (run / "metrics.json").write_text("new")
    assert not (run / MANIFEST).exists()
    check(run)
