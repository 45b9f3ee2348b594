"""``micrec data audit``: what leaks or is broken in data, split and graphs."""

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from micrec_pyg.cli.config import Config, composed
from micrec_pyg.cli.data.audit_output import Audited, content, text
from micrec_pyg.cli.overrides import folder_settings
from micrec_pyg.cli.process import log_to_stderr, prepare, show
from micrec_pyg.cli.sentences import entry
from micrec_pyg.data.audit.files import check_dropped, check_folder
from micrec_pyg.data.audit.finding import CHECKS, Finding
from micrec_pyg.data.audit.report import audit, in_order
from micrec_pyg.data.catalogue.reader import domain_folders
from micrec_pyg.data.splits.at_random import ready
from micrec_pyg.data.splits.leak import LeakClass, claim_of
from micrec_pyg.features.encode import encode
from micrec_pyg.features.encoder import Encoder
from micrec_pyg.graph.audit.stages import audit_stages
from micrec_pyg.graph.build import test_stage, train_stage, valid_stage
from micrec_pyg.runs.build import build
from micrec_pyg.runs.progress import step
from micrec_pyg.schema import Domain, DomainCatalogue, EdgeSplit, InputError
from micrec_pyg.storage.writing import write_json
from micrec_pyg.yaml_files import parse_yaml

BROKEN = frozenset({"overlap", "foreign_edges", "unseen_in_train", "duplicates"})
"""Faults of a split with which no graph can be built, or none that says more."""
LABELS = [each.label for each in LeakClass]


class _NotCachedError(Exception):
    """Vectors are missing on disk; an audit encodes nothing."""


class _CachedOnly:
    """An encoder whose vectors are taken from disk or not at all."""

    def __init__(self, encoder: Encoder) -> None:
        self.name, self.reads = encoder.name, encoder.reads
        self.settings = encoder.settings

    def encode(self, items: Sequence[str]) -> Tensor:
        raise _NotCachedError(f"{len(items)} items")


def main(argv: list[str]) -> int:
    """Return 0 if nothing is wrong, 1 if an error is found that is not waived.

    Raises:
        InputError: The settings or the data cannot be used.
    """
    given = _parser().parse_intermixed_args(argv)
    overrides, waived, claim = _settings(given)
    prepare()
    log_to_stderr()
    outcome = run(composed(overrides), waived=waived, claim=claim)
    show(text(outcome))
    if given.json:
        write_json(Path(given.json), content(outcome))
    return 1 if outcome.failed else 0


def run(config: Config, *, waived: Sequence[str], claim: str | None) -> Audited:
    """Return the audit of the data, the split and the graphs of one configuration.

    Args:
        config: Resolved configuration.
        waived: Names of checks whose errors do not count.
        claim: Leak class that the split promises; None takes that of its protocol.

    Raises:
        InputError: The data or the settings cannot be used.
    """
    protocol = build(config["split"])
    with step("data"):
        catalogues = build(config["data"])
    splits = protocol(catalogues)
    with step("checks of data and split"):
        promised = claim_of(protocol)
        result = audit(catalogues, splits, promised=promised, claim=claim)
        found = [*result.findings, *_repeated(protocol, catalogues, splits)]
        found += _files(config, catalogues, ready=protocol.func is ready)
    skipped = []
    if any(f.check in BROKEN for f in result.findings):
        skipped.append("graphs: the split is broken, so they were not built")
    else:
        with step("checks of the graphs"):
            stages, skipped = _graphs(config, catalogues, splits)
            found += stages
    if any(f.check == "overlap" for f in found):
        result = dataclasses.replace(result, measured=LeakClass.OVERLAP)
    result = dataclasses.replace(result, findings=in_order(found))
    return Audited(config, result, waived, skipped)


def _repeated(
    protocol: Callable[..., dict[str, EdgeSplit]],
    catalogues: Mapping[str, DomainCatalogue],
    splits: Mapping[str, EdgeSplit],
) -> list[Finding]:
    """Return a finding if the same settings give another split a second time."""
    again = protocol(catalogues)
    changed = [name for name, split in splits.items() if _differ(split, again[name])]
    message = "the same data, options and seed were divided in another way"
    return [Finding("unstable_split", True, name, 1, message) for name in changed]


def _differ(one: EdgeSplit, other: EdgeSplit) -> bool:
    """Return whether two splits have other edges, another order or another rule."""
    parts = [f.name for f in dataclasses.fields(EdgeSplit) if f.name != "select"]
    return one.select != other.select or any(
        not getattr(one, part).equal(getattr(other, part)) for part in parts
    )


def _files(
    config: Config, catalogues: Mapping[str, DomainCatalogue], *, ready: bool
) -> list[Finding]:
    """Return what the files repeat, where they are in the own-catalogue format."""
    options = config["data"]
    found: list[Finding] = []
    # a source that is converted has no such files of the user
    if str(options["_target_"]).endswith(".Tables.read"):
        root = Path(options["path"]).expanduser()
        for folder in domain_folders(root, options["domains"]):
            found += check_folder(folder, options["columns"], ready=ready)
    # linked users may repeat each other's pairs, which no single file shows
    return found or list(check_dropped(catalogues))


def _graphs(
    config: Config,
    catalogues: Mapping[str, DomainCatalogue],
    splits: Mapping[str, EdgeSplit],
) -> tuple[list[Finding], list[str]]:
    """Return what the graphs of a run know and must not, and what was skipped."""
    options = build(config["graph"])
    skipped = []
    domains = _domains(config, catalogues)
    if domains is None:
        skipped.append(
            "neighbors, user_features: an audit encodes nothing, and not all texts or "
            "files are encoded yet; train once with these features, or give "
            "features=none"
        )
        domains = encode(catalogues, {}, cache_dir="")
    elif options.num_neighbors == 0:
        skipped.append("neighbors, user_features: K=0, there are no similarity edges")
    elif options.neighbors == "features" and not any(
        domain.features for domain in domains.values()
    ):
        skipped.append("neighbors, user_features: no item has features")
    train = train_stage(domains, splits, options)
    stages = (
        train,
        valid_stage(train, domains, splits, options),
        test_stage(train, domains, splits, options),
    )
    return audit_stages(domains, splits, options, stages), skipped


def _domains(
    config: Config, catalogues: Mapping[str, DomainCatalogue]
) -> dict[str, Domain] | None:
    """Return the encoded domains, None if something is not encoded yet."""
    make = build(config["features"])
    encoders = {k: v for k, v in make.keywords.items() if isinstance(v, Encoder)}
    cached = {name: _CachedOnly(each) for name, each in encoders.items()}
    try:
        made: dict[str, Domain] = make(catalogues, **cached)
    except _NotCachedError:
        return None
    return made


def _parser() -> argparse.ArgumentParser:
    names = "\n".join(entry(name, what, 21) for name, what in CHECKS.items())
    parser = argparse.ArgumentParser(
        "micrec data audit",
        description="Find what leaks or is broken in data, split and graphs.",
        epilog=f"checks:\n{names}\n\nleak classes: {', '.join(LABELS)}\n"
        "docs/audit.md explains them.\n\n"
        "Exit code 0: no error, 1: errors that are not waived, 2: refused input.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="PATH|KEY=VALUE",
        help="a folder in the own-catalogue format, and settings of a run",
    )
    parser.add_argument(
        "--waive",
        action="append",
        default=[],
        metavar="CHECK",
        help="errors of this check do not count; also audit.waive=[CHECK,CHECK]",
    )
    parser.add_argument(
        "--claim",
        metavar="CLASS",
        help="the worst leak class that the split permits; also audit.claim=CLASS",
    )
    parser.add_argument("--json", metavar="FILE", help="write the findings there")
    return parser


def _settings(
    given: argparse.Namespace,
) -> tuple[list[str], list[str], str | None]:
    """Return the overrides of a run, the waived checks and the claimed class."""
    own: dict[str, Any] = {"waive": [], "claim": given.claim}
    overrides = []
    for setting in given.settings:
        key, equals, value = setting.partition("=")
        if not equals or Path(setting).expanduser().exists():
            overrides += folder_settings(setting)
        elif key.startswith("audit."):
            if key.removeprefix("audit.") not in own:
                raise InputError(f"{key}: give audit.waive=[...] or audit.claim=...")
            own[key.removeprefix("audit.")] = parse_yaml(value, key)
        else:
            overrides.append(setting)
    listed = own["waive"] if isinstance(own["waive"], list) else [own["waive"]]
    waived = [*given.waive, *map(str, listed)]
    unknown = [name for name in waived if name not in CHECKS]
    if unknown:
        raise InputError(f"waive={unknown[0]}: give any of {', '.join(CHECKS)}")
    return overrides, waived, own["claim"]
