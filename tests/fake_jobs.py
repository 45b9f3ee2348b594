"""Runs of a preset without any training: known results, written at once."""

import json
from pathlib import Path
from typing import Any

import yaml


def _value(settings: dict[str, str], domain: str) -> float:
    """A recall that is known for each run: told apart by every setting."""
    base = {"ours": 0.4, "mf": 0.1}[settings["model"]] - 0.2 * ("K" in settings)
    return base + 0.1 * int(settings["seed"]) + 0.02 * (domain == "B")


class FakeJobs:
    """Writes run folders at once; remembers what was trained; fails on demand."""

    def __init__(self) -> None:
        self.trained: list[str] = []
        self.asked = 0
        self.fail: dict[str, BaseException] = {}

    def train_job(self, overrides: list[str], on_epoch: Any = None) -> Path:
        self.asked += 1
        settings = dict(text.split("=") for text in overrides)
        name = " ".join(settings.get(key, "") for key in ("model", "K", "split"))
        name = f"{name} {settings['seed']}".replace("  ", " ")
        folder = Path(settings["output_dir"]) / "toy" / name
        if name in self.fail:
            raise self.fail[name]
        if folder.exists():
            return folder
        self.trained.append(name)
        folder.mkdir(parents=True)
        config = {
            "asked": settings,
            "seed": int(settings["seed"]),
            "model": {"name": settings["model"]},
            "split": {"seed": int(settings.get("split.seed", settings["seed"]))},
            "fit": {
                "max_epochs": int(settings.get("fit.max_epochs", 9)),
                "patience": int(settings.get("fit.patience", 5)),
                "eval_every": int(settings.get("fit.eval_every", 1)),
                "metric": settings.get("fit.metric", "ndcg@20"),
            },
        }
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        metrics = {
            "schema": 1,
            "dataset": settings["data"],
            "model": settings["model"],
            "seed": int(settings["seed"]),
            "split": settings["split"],
            "epochs": int(settings.get("fit.max_epochs", 9)),
            "best_epoch": 0,
            "timing": {"fit_s": 5.0},
        }
        (folder / "metrics.json").write_text(json.dumps(metrics))
        return folder

    def evaluate_job(self, folder: Path) -> dict[str, Any]:
        settings = yaml.safe_load((folder / "config.yaml").read_text())["asked"]
        path = folder / "metrics.json"
        metrics: dict[str, Any] = json.loads(path.read_text())
        metrics["test"] = {
            domain: self._groups(settings, _value(settings, domain)) for domain in "AB"
        }
        path.write_text(json.dumps(metrics))
        return metrics

    @staticmethod
    def _groups(settings: dict[str, str], value: float) -> dict[str, Any]:
        new_nodes = settings["split"] == "new_nodes"
        if settings["model"] == "mf" and new_nodes:
            return {"old_user": {"recall@20": value, "ndcg@20": value, "users": 9}}
        names = ["all", "old_user", *(["new_user"] if new_nodes else [])]
        numbers = {"recall@20": value, "ndcg@20": value / 2, "users": 9}
        return dict.fromkeys(names, numbers)
