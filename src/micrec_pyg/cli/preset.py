"""A preset of ``micrec reproduce``: which runs, and the tables made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from micrec_pyg.cli.pool import Job
from micrec_pyg.cli.studies.steps import Step
from micrec_pyg.report.figure import Panel
from micrec_pyg.schema import InputError

FIXED = ("model", "seed", "split")
"""Keys that a preset decides for each of its runs."""

DATA = ("data", "pair", "dataset")
"""Keys, or what their names begin with, that say what the data is."""

PLACES = ("data.path", "data.root")
"""Keys that say where the data lies, and not what it is."""


@dataclass(frozen=True)
class Row:
    """One model or ablation: its name in the tables, and what makes it."""

    label: str
    overrides: Sequence[str]
    tune: bool = True
    """Whether its settings are searched, where the preset does so."""
    splits: Sequence[str] = ()
    """Those of the preset's splits that it is run on; none: all."""

    def is_on(self, split: str) -> bool:
        """Return whether the row is run on a split."""
        return not self.splits or split in self.splits


@dataclass(frozen=True)
class Preset:
    """What ``conf/reproduce/<name>.yaml`` says."""

    name: str
    title: str
    tuning: str
    seeds: Sequence[int]
    overrides: Sequence[str]
    splits: Sequence[str]
    rows: Sequence[Row]
    metrics: Sequence[str]
    groups: Sequence[str]
    trials: int = 0
    """Of the search of every row and split, on the first seed; 0: no search."""
    search_overrides: Sequence[str] = ()
    """Of the trials of the searches alone, behind ``overrides``."""
    picture: Sequence[Panel] = ()
    """Panels of the picture of the results; none: no picture."""
    gain_over: str = ""
    """Label that a second picture compares with, by group; none: no such picture."""
    steps: Sequence[Step] = ()
    """What is measured on every run beside its metrics."""

    @classmethod
    def read(cls, name: str) -> "Preset":
        """Return a preset by its name.

        Raises:
            InputError: There is none of this name; the message lists those there are.
        """
        names = sorted(path.stem for path in preset_folder().glob("*.yaml"))
        if name not in names:
            raise InputError(f"no preset '{name}'; give one of {', '.join(names)}")
        text = (preset_folder() / f"{name}.yaml").read_text(encoding="utf-8")
        values: dict[str, Any] = yaml.safe_load(text)
        rows = [Row(**row) for row in values.pop("rows")]
        panels = [Panel(**panel) for panel in values.pop("picture", [])]
        return cls(name=name, rows=rows, picture=panels, **values)

    def settings(self, extra: Sequence[str]) -> tuple[str, ...]:
        """Return what all runs share: the preset's overrides, then ``extra``."""
        return _last_wins([*self.overrides, *extra])

    def changed(self, extra: Sequence[str], splits: Sequence[str] | None) -> "Preset":
        """Return the preset as a command changes it, under a title that then holds.

        Its own title speaks of its data and settings. Where the command changes the
        data, the splits, or what else the preset sets, the title names the changes
        instead.

        Args:
            extra: As for ``jobs``.
            splits: In place of the preset's; None keeps these.
        """
        own = {_key(override) for override in self.overrides}
        changes = [
            override
            for override in extra
            if override not in self.overrides
            and _key(override) not in PLACES
            and (_key(override) in own or _key(override).split(".")[0] in DATA)
        ]
        changes += [split for split in splits or () if split not in self.splits]
        title = f"Preset {self.name} with {' '.join(changes)}"
        return replace(
            self, title=title if changes else self.title, splits=splits or self.splits
        )

    def searches(
        self, *, extra: Sequence[str], output_dir: str
    ) -> dict[tuple[str, str], Job]:
        """Return the searches by label and split: each a run without its settings.

        Args:
            extra: As for ``jobs``.
            output_dir: Likewise.

        Raises:
            InputError: ``extra`` has a key that the preset decides.
        """
        if not self.trials:
            return {}
        jobs = self.of_searches().searched(extra=extra, output_dir=output_dir)
        return {
            place: replace(job, steps=(), trials=self.trials)
            for place, job in jobs.items()
        }

    def of_searches(self) -> "Preset":
        """Return the preset with the settings of its searches for those of its runs."""
        own = [*self.overrides, *self.search_overrides]
        return replace(self, overrides=own, search_overrides=())

    def searched(
        self, *, extra: Sequence[str], output_dir: str
    ) -> dict[tuple[str, str], Job]:
        """Return the first seed's runs of rows that are searched, by label and split.

        They are without what a search finds.

        Args:
            extra: As for ``jobs``.
            output_dir: Likewise.

        Raises:
            InputError: ``extra`` has a key that the preset decides.
        """
        rows = [row for row in self.rows if row.tune]
        jobs = replace(self, rows=rows).jobs(
            seeds=self.seeds[:1], extra=extra, output_dir=output_dir
        )
        places = [
            (row.label, split)
            for split in self.splits
            for row in rows
            if row.is_on(split)
        ]
        return dict(zip(places, jobs, strict=True))

    def jobs(
        self,
        *,
        seeds: Sequence[int],
        extra: Sequence[str],
        output_dir: str,
        found: Mapping[tuple[str, str], Sequence[str]] | None = None,
    ) -> list[Job]:
        """Return every run; a seed's runs come together, so that tables fill evenly.

        Args:
            seeds: Of the runs.
            extra: Overrides of every run; those of a row win over them.
            output_dir: Folder of all runs.
            found: By label and split, settings that a search found. A row whose
                search failed has no runs: its defaults would be another row.

        Raises:
            InputError: ``extra`` has a key that the preset decides.
        """
        for override in extra:
            if _key(override) in FIXED or "=" not in override:
                raise InputError(
                    f"'{override}' was given; give key=value with any key but "
                    f"{', '.join(FIXED)}, which the preset decides (--seeds 0,1)"
                )
        return [
            Job(
                label=row.label,
                name=f"{row.label}, {split}, seed {seed}",
                overrides=_last_wins(
                    [
                        *self._group(extra),
                        *self.settings(extra),
                        split,
                        *row.overrides,
                        *(found or {}).get((row.label, split), ()),
                        f"seed={seed}",
                        f"output_dir={output_dir}",
                    ]
                ),
                steps=tuple(self.steps),
            )
            for seed in seeds
            for split in self.splits
            for row in self.rows
            if row.is_on(split)
            and (found is None or not row.tune or (row.label, split) in found)
        ]

    def _group(self, extra: Sequence[str]) -> list[str]:
        """Return the setting that makes the runs one group at wandb, where it is on."""
        on = "logger=wandb" in self.settings(extra)
        return [f"logger.group={self.name}"] if on else []


def _key(override: str) -> str:
    return override.lstrip("+~").partition("=")[0]


def _last_wins(overrides: Sequence[str]) -> tuple[str, ...]:
    """Return the overrides with each key once, as Hydra wants its groups."""
    return tuple({_key(override): override for override in overrides}.values())


def preset_folder() -> Path:
    """Return the folder of all presets."""
    from micrec_pyg.runs.build import conf_dir

    return conf_dir() / "reproduce"
