"""The files of a run as artifacts and figures of wandb, with their digests."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from micrec_pyg.cli.tracking.session import name_at_wandb, waiting_files
from micrec_pyg.runs.files import read_json
from micrec_pyg.storage.digests import file_digest

PICTURES, PAGES = (".png", ".jpg"), (".svg", ".html")
"""Endings of figures, by how wandb shows them."""


def log_inputs_and_model(
    run: Any, folder: Path, settings: Mapping[str, Any], metrics: Mapping[str, Any]
) -> None:
    """Log data set, split and model of a finished run.

    The files stay where they are: they do not change again. Data and split have the
    same name in every run of the same, so that wandb keeps one copy. Where there is a
    network the run uses them, so that the graph of lineage begins there; without one
    wandb cannot record that.

    Args:
        run: The open wandb run.
        folder: Of the run.
        settings: The content of ``config.yaml``.
        metrics: The content of ``metrics.json``.
    """
    artefact = folder / "artefact"
    data, split = settings["dataset"], settings["split_name"]
    inputs = [
        _artifact(
            f"data-{data}",
            "dataset",
            [folder / "data_card.md", artefact / "digests.json"],
            {"digests": read_json(artefact / "digests.json")},
        ),
        _artifact(
            f"split-{data}-{split}-seed{settings['seed']}",
            "split",
            sorted((artefact / "split").glob("*")),
            {"protocol": split},
        ),
    ]
    for each in inputs:
        if run.offline:
            run.log_artifact(each)
        else:
            run.use_artifact(each)
    model = _artifact(
        f"model-{folder.name}",
        "model",
        sorted(path for path in artefact.iterdir() if path.is_file()),
        {"best_epoch": metrics.get("best_epoch"), "validation": metrics["val"]},
    )
    run.log_artifact(model, aliases=["best"])


def log_results(run: Any, folder: Path) -> None:
    """Log the files that an evaluation changes: metrics, values per user, the card."""
    paths = [folder / n for n in ("metrics.json", "per_user.parquet", "run_card.md")]
    with waiting_files(folder):
        run.log_artifact(
            _artifact(f"results-{folder.name}", "results", paths, {}, copied=True)
        )


def figures(folder: Path) -> dict[str, Any]:
    """Return the pictures and pages that lie in a run folder, by name, for wandb."""
    import wandb

    found: dict[str, Any] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in PICTURES:
            found[f"figures/{path.stem}"] = wandb.Image(str(path))
        elif path.suffix in PAGES:
            text = path.read_text(encoding="utf-8")
            found[f"figures/{path.stem}"] = wandb.Html(text, inject=False)
    return found


def _artifact(
    name: str,
    kind: str,
    paths: Sequence[Path],
    facts: Mapping[str, Any],
    *,
    copied: bool = False,
) -> Any:
    """Return an artifact of these files, their sha256 with the facts.

    Args:
        name: At wandb.
        kind: Its type, such as model.
        paths: Files; those that are not there are left out.
        facts: More metadata.
        copied: Whether the files may change before they are sent.
    """
    import wandb

    there = [path for path in paths if path.is_file()]
    digests = {path.name: file_digest(path) for path in there}
    found = wandb.Artifact(
        name_at_wandb(name), type=kind, metadata={**facts, "sha256": digests}
    )
    for path in there:
        # an absolute path: the files may be sent from another current folder
        found.add_file(
            str(path.resolve()),
            name=path.name,
            skip_cache=True,
            policy="mutable" if copied else "immutable",
        )
    return found
