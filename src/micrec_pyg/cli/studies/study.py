"""A study: one question, its runs, and how its table and figure are made.

``conf/reproduce/<preset>/<study>.yaml`` has the keys of a preset; what it leaves out
is that of ``conf/reproduce/<preset>.yaml``. Beside them stand those of ``Study``. In
the overrides of a row ``VALUE`` stands for each value of ``sweep`` and ``DOMAIN`` for
each domain of the data, so such a row becomes several.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from micrec_pyg.cli.job_checks import check_jobs
from micrec_pyg.cli.pool import Job
from micrec_pyg.cli.preset import Preset, Row
from micrec_pyg.cli.studies.facts import NEEDS, DataFacts, facts_of
from micrec_pyg.cli.studies.steps import Step
from micrec_pyg.report.figure import Panel
from micrec_pyg.report.line_figure import Point
from micrec_pyg.schema import InputError
from micrec_pyg.yaml_files import read_yaml

VALUE, DOMAIN = "VALUE", "DOMAIN"

UNALIGNED = "gamma=0"
"""In every run on domains that share no user: there is nothing to align."""

Values = Mapping[str, Any]

_ALL = DataFacts("", (), 0, 0, 0, has=frozenset(NEEDS), digest="")
"""Of data that has whatever a row needs, but domains of unknown names."""


@dataclass(frozen=True)
class Study:
    """One question about one data set."""

    name: str
    question: str
    preset: Preset
    """Its runs and tables; the rows are those that this data has an answer for."""
    view: str
    """What its table and figure show: a key of ``views.VIEWS``."""
    axis: str
    """Name of what the figure has on its x axis; empty without a sweep."""
    points: Mapping[str, Point]
    """By the label of a row: its line and place in the figure of a sweep."""
    curves: bool
    """Whether the losses and the validation of every run are drawn too."""
    lacks: str
    """What the data would have to have, in words; empty if it has all."""
    facts: DataFacts

    def is_unaligned(self, extra: Sequence[str]) -> bool:
        """Return whether its runs align nothing, as the domains share no user.

        Args:
            extra: Overrides of every run.
        """
        return self.facts.strangers and UNALIGNED in self.preset.settings(extra)


@dataclass(frozen=True)
class Draft:
    """A study before its data is read: not yet known is which rows it has."""

    preset: Preset
    """Without rows."""
    values: Values
    """What the files say."""

    def jobs(self, extra: Sequence[str]) -> list[Job]:
        """Return a run of every row that some data has, on the first seed.

        Args:
            extra: Overrides of every run.

        Raises:
            InputError: ``extra`` has a key that a study decides.
        """
        preset = replace(self.preset, rows=list(dict(_rows(self.values, _ALL))))
        return preset.jobs(seeds=preset.seeds[:1], extra=extra, output_dir="outputs")

    def read(self, extra: Sequence[str]) -> Study:
        """Return the study as this data set allows it.

        Args:
            extra: Overrides of every run.

        Raises:
            InputError: The data cannot be read.
        """
        values = self.values
        facts = facts_of(self.preset.settings(extra))
        rows = dict(_rows(values, facts))
        unaligned = [UNALIGNED] if facts.strangers else []
        lacks = facts.lacks(values.get("needs", []))
        return Study(
            name=self.preset.name,
            question=values["question"],
            preset=replace(
                self.preset,
                rows=list(rows),
                overrides=[*self.preset.overrides, *unaligned],
            ),
            view=values.get("view", "rows"),
            axis=values.get("sweep", {}).get("name", ""),
            points={row.label: point for row, point in rows.items()},
            curves=bool(values.get("curves", False)),
            lacks=lacks or ("" if rows else facts.lacks(_needs_of_rows(values))),
            facts=facts,
        )


@dataclass(frozen=True)
class Manifest:
    """What ``conf/reproduce/<name>.yaml`` says of a preset of studies."""

    name: str
    values: Values
    folder: Path

    @classmethod
    def find(cls, name: str, folder: Path) -> "Manifest | None":
        """Return the manifest of this name; None if it is none of studies.

        Args:
            name: Of the preset.
            folder: Of all presets.
        """
        path = folder / f"{name}.yaml"
        values = read_yaml(path) if path.is_file() else {}
        if "studies" not in values:
            return None
        return cls(name, values, folder / name)

    def drafts(
        self,
        *,
        names: Sequence[str] | None,
        splits: Sequence[str] | None,
        extra: Sequence[str],
    ) -> list["Draft"]:
        """Return the studies in their order, for any data; their settings are possible.

        Args:
            names: Those that are wanted; None wants all.
            splits: In place of the manifest's; a study with its own keeps them.
            extra: Overrides of every run.

        Raises:
            InputError: A name is no study, or a setting cannot be used.
        """
        known = list(self.values["studies"])
        if unknown := [name for name in names or [] if name not in known]:
            raise InputError(
                f"--studies {','.join(unknown)}: give any of {', '.join(known)}"
            )
        base = {**self.values, **({"splits": splits} if splits else {})}
        found = [_draft(n, base, self._read(n), extra) for n in names or known]
        check_jobs(job for each in found for job in each.jobs(extra))
        return found

    def digest(self, extra: Sequence[str]) -> str:
        """Return the digest of the data without what single studies change of it.

        Args:
            extra: Overrides of every run.
        """
        shared = _draft(self.name, self.values, {}, extra).preset
        return facts_of(shared.settings(extra)).digest

    def _read(self, name: str) -> Values:
        """Return what the file of a study says, over that of the study it is like."""
        own = read_yaml(self.folder / f"{name}.yaml")
        return {**(self._read(own["like"]) if "like" in own else {}), **own}


def data_of(base: Values, extra: Sequence[str]) -> str:
    """Return the option of the group ``data`` that all runs have.

    Args:
        base: What the manifest says.
        extra: Overrides of every run.
    """
    given = [*base["overrides"], *extra]
    return str([each[5:] for each in given if each.startswith("data=")][-1])


def _draft(name: str, base: Values, own: Values, extra: Sequence[str]) -> Draft:
    """Return one study before its data is read."""
    data = data_of(base, extra)
    overrides = [
        *base["overrides"],
        *base.get("by_data", {}).get(data, []),
        *own.get("overrides", []),
        *own.get("by_data", {}).get(data, []),
    ]
    values = {**base, **own}
    preset = Preset(
        name=name,
        title=values["title"],
        tuning=values["tuning"],
        seeds=values["seeds"],
        overrides=_without_undone(overrides),
        splits=values["splits"],
        rows=[],
        metrics=values["metrics"],
        groups=values.get("groups", []),
        picture=[Panel(**panel) for panel in values.get("picture", [])],
        steps=[Step.of(each) for each in values.get("steps", [])],
    )
    return Draft(preset, values)


def _without_undone(overrides: Sequence[str]) -> list[str]:
    """Return overrides without those of a key that a later ``~key`` takes back."""
    kept: list[str] = []
    for each in overrides:
        if each.startswith("~"):
            kept = [other for other in kept if other.partition("=")[0] != each[1:]]
        else:
            kept.append(each)
    return kept


def _needs_of_rows(values: Values) -> list[str]:
    return list(
        dict.fromkeys(n for row in values["rows"] for n in row.get("needs", []))
    )


def _rows(values: Values, facts: DataFacts) -> Iterator[tuple[Row, Point]]:
    """Yield the rows that this data has an answer for, with their places."""
    tuned = values.get("tuned", {})
    lines = [row for row in values["rows"] if not facts.lacks(row.get("needs", []))]
    swept = [row for row in lines if _has(row, VALUE)]
    for row in lines:
        overrides = _with_tuned(row["overrides"], tuned)
        if _has(row, DOMAIN):
            for domain in facts.domains:
                filled = [each.replace(DOMAIN, domain) for each in overrides]
                label = row["label"].replace(DOMAIN, domain)
                yield Row(label, tuple(filled)), Point(label, None)
        elif row in swept:
            for place in values["sweep"]["values"]:
                filled = [each.replace(VALUE, str(place)) for each in overrides]
                label = f"{values['sweep']['name']} {place}"
                if len(swept) > 1:
                    label = f"{row['label']}, {label}"
                yield Row(label, tuple(filled)), Point(row["label"], float(place))
        else:
            yield Row(row["label"], tuple(overrides)), Point(row["label"], None)


def _has(row: Values, place: str) -> bool:
    return any(place in override for override in row["overrides"])


def _with_tuned(
    overrides: Sequence[str], tuned: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return the overrides of a row behind those that were tuned for its model."""
    model = next((each[6:] for each in overrides if each.startswith("model=")), "")
    return [*tuned.get(model, []), *overrides]
