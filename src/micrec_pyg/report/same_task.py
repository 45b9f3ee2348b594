"""Whether two runs answered the same questions: same data, split and catalogue."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from micrec_pyg.runs.read import Run
from micrec_pyg.runs.sealed import check_run, remedy_of_run
from micrec_pyg.schema import InputError
from micrec_pyg.storage.reading import read_parquet


class OtherTaskError(InputError):
    """Two runs answered different questions: their values are no competition."""


def digests_of(run: Run) -> dict[str, str]:
    """Return the digest of every domain that a run was trained on.

    Raises:
        InputError: The run does not say.
    """
    digests: dict[str, str] = _read(run, "digests.json", json.loads)
    return digests


def check_same_domains(reference: Run, other: Run) -> None:
    """Refuse runs on different domains.

    Raises:
        InputError: One run has a domain that the other does not have.
    """
    mine, theirs = (sorted(digests_of(run)) for run in (reference, other))
    if mine != theirs:
        raise InputError(
            f"{reference.path} is on the domains {', '.join(mine)}, {other.path} on "
            f"{', '.join(theirs)}; compare runs on the same ones, or a joint run with "
            "single-domain runs: micrec compare --transfer JOINT --single SINGLE"
        )


def check_same_task(reference: Run, other: Run, domains: Sequence[str]) -> None:
    """Refuse runs whose results on these domains are answers to other questions.

    In each domain all edges of all parts of the split and the nodes seen in training
    must be the same (by the SHA-256 of the saved split), so must the ids of the
    catalogue, and the digest of the data. The digest covers the encoders: it may
    differ where the runs' settings of ``features`` do.

    Raises:
        OtherTaskError: They differ; the message says in what.
        InputError: A run does not say.
    """
    mine, theirs = digests_of(reference), digests_of(other)
    features = [run.config.get("features") for run in (reference, other)]
    splits = [_split_digests(run) for run in (reference, other)]
    names = f"{reference.path} and {other.path}"
    for domain in domains:
        for run, known in ((reference, mine), (other, theirs)):
            if domain not in known:
                raise OtherTaskError(
                    f"{run.path} is on {', '.join(sorted(known))}, without the domain "
                    f"{domain}; compare {names} on domains that both have"
                )
        if mine[domain] != theirs[domain] and features[0] == features[1]:
            raise OtherTaskError(
                f"domain {domain}: the data of {names} is not the same "
                "(artefact/digests.json), or one run is of a version that counted "
                "where its encoders ran, or the facts (kg) of the domains of data.only "
                "alone; train both on the same files and settings, with this version"
            )
        if splits[0].get(domain) != splits[1].get(domain):
            raise OtherTaskError(
                f"domain {domain}: {names} have different splits: {_shown(reference)} "
                f"and {_shown(other)}; compare runs of one split, with one seed of it. "
                "A split that looks at all domains is another one where there are "
                "other domains"
            )
        for kind in ("users", "items"):
            if not _ids(reference, kind, domain).equals(_ids(other, kind, domain)):
                raise OtherTaskError(
                    f"domain {domain}: {names} have different {kind}; train both on "
                    "the same data"
                )


def _split_digests(run: Run) -> dict[str, str]:
    """Return the SHA-256 of every domain's split."""

    def read(text: str) -> dict[str, str]:
        rows = json.loads(text)["domains"]
        return {name: row["sha256"] for name, row in rows.items()}

    digests: dict[str, str] = _read(run, "split/card.json", read)
    return digests


def _shown(run: Run) -> str:
    """Return name and settings of a split, without what only Hydra reads."""
    settings = run.config.get("split") or {}
    own = [f"{k}={v}" for k, v in settings.items() if not k.startswith("_")]
    return " ".join([run.record["split"], *own])


def _ids(run: Run, kind: str, domain: str) -> pl.Series:
    """Return the raw ids of a domain's users or items, sorted."""
    name = f"artefact/{kind}-{domain}.parquet"
    check_run(Path(run.path), [name])
    with remedy_of_run(Path(run.path)):
        return read_parquet(Path(run.path, name), columns=["id"])["id"].sort()


def _read(run: Run, name: str, parse: Callable[[str], Any]) -> Any:
    """Return the content of a file of the artefact."""
    path = Path(run.path, "artefact", name)
    check_run(Path(run.path), [f"artefact/{name}"])
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} cannot be read ({error!r}); a run without it cannot be compared: "
        "delete its folder and train it again"
    )
