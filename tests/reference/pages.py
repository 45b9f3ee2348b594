"""Run folders with all that a page shows, and with names that try to break it."""

import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from PIL import Image
from reference.runs import write_run

EVIL = "<script>window.broken=1</script><img src=x onerror='window.broken=1'>"
EVIL_END = "<!--<script>&{{7*7}}'"
DOMAINS = ("A", f"B{EVIL_END}")
DATASET, MODELS = f"toy {EVIL}", ("base", f"ours{EVIL}")
GROUPS = ("all", "new_item", "item_degree_0", "item_degree_11_", "user_history_1_2")
USERS, SEEDS, EPOCHS = 4, (0, 1, 2), 5


def write_study(root: Path) -> Path:
    """Return a folder with two models, three seeds and K = 0 and 3 of the second."""
    for place, (model, k) in enumerate(
        [(MODELS[0], 3), *((MODELS[1], k) for k in (0, 3))]
    ):
        for gamma in (0.0, 1.0) if place else (1.0,):
            for seed in SEEDS:
                value = 0.1 + 0.2 * place + 0.01 * seed + 0.003 * gamma
                name = f"{place}-{gamma:g}-s{seed}"
                _write(root / name, model, value, seed, {"K": k, "gamma": gamma})
    return root


def examples() -> pl.DataFrame:
    """Return what a person has and is given; the first item has a picture."""
    whole = io.BytesIO()
    Image.new("RGB", (40, 60), "teal").save(whole, "JPEG")
    rows = [
        (kind, rank, f"i{rank}{EVIL_END}", title, score, reason, picture)
        for kind, rank, title, score, reason, picture in (
            ("history", 1, f"Tea {EVIL}", None, None, whole.getvalue()),
            ("history", 2, None, None, None, None),
            ("recommended", 1, f"Pot {EVIL}", 1.25, "history", None),
        )
    ]
    names = ("kind", "rank", "item", "title", "score", "reason", "picture")
    return pl.DataFrame(rows, schema=names, orient="row", infer_schema_length=9).select(
        pl.lit(DOMAINS[1]).alias("domain"), pl.lit(f"u{EVIL}").alias("user"), *names
    )


def _write(
    folder: Path, model: str, value: float, seed: int, config: dict[str, Any]
) -> None:
    values = {
        domain: {
            group: {
                metric: [
                    value + 0.02 * place + 0.001 * user + 0.0001 * len(group)
                    for user in range(USERS)
                ]
                for metric in ("recall@20", "ndcg@20", "precision@20")
            }
            for group in GROUPS
        }
        for place, domain in enumerate(DOMAINS)
    }
    write_run(folder, values, model=model, seed=seed, config={**config, "note": EVIL})
    path = folder / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics |= {
        "dataset": DATASET,
        "val": {d: {"all": groups["all"]} for d, groups in metrics["test"].items()},
        "epochs": EPOCHS,
        "best_epoch": 3,
        "timing": {"fit_s": 1.5 + seed, "train_epoch_s": 0.25},
        "peak_memory_mb": 100.0,
        "device": "cpu",
        "versions": {"python": "3.11.7"},
        "test_evaluations": 2,
    }
    path.write_text(json.dumps(metrics))
    lines = [
        {
            "epoch": epoch,
            "loss": {"bpr": 1 / (1 + epoch)},
            "val": {d: {"ndcg@20": value + 0.01 * epoch} for d in DOMAINS},
        }
        for epoch in range(EPOCHS)
    ]
    (folder / "history.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))


def write_sweep(folder: Path, runs: Path) -> Path:
    """Return the folder of a sweep over K, gamma and seed, whose last job failed."""
    folder.mkdir()
    number = 0
    for path in sorted(runs.glob("[12]-*")):
        config = yaml.safe_load((path / "config.yaml").read_text())
        overrides = {key: f"{config[key]:g}" for key in ("K", "gamma", "seed")}
        job = {"number": number, "overrides": overrides, "metric": "ndcg@20"}
        job |= {"seconds": 2.0, "folder": str(path), "value": 0.25 + number / 64}
        job |= {"error": None}
        (folder / f"job-{number}.json").write_text(json.dumps(job))
        number += 1
    job = {"number": number, "overrides": {"K": "9", "gamma": "0", "seed": "0"}}
    job |= {"metric": "ndcg@20", "seconds": 1.0, "error": f"no good {EVIL}"}
    job |= {"folder": None, "value": None}
    (folder / f"job-{number}.json").write_text(json.dumps(job))
    return folder
