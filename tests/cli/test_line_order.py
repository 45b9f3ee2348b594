"""The order of the lines of a catalogue changes no bit of a run."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.random import Generator
from safetensors.torch import load_file

from micrec_pyg.cli.train import train_job

USERS, ITEMS, EACH = 30, 40, 6


def shop(folder: Path, shuffle: Generator | None) -> None:
    """Write two domains with common users; items have a vector."""
    rng = np.random.default_rng(0)

    def ordered(frame: pl.DataFrame) -> pl.DataFrame:
        return frame if shuffle is None else frame[shuffle.permutation(len(frame))]

    for name in ("food", "kitchen"):
        rows = [
            (f"u{user}", f"{name}{item}", int(rng.integers(10**6)))
            for user in range(USERS)
            for item in rng.choice(ITEMS, EACH, replace=False)
        ]
        edges = pl.DataFrame(rows, schema=["user", "item", "timestamp"], orient="row")
        ids = [f"{name}{item}" for item in range(ITEMS)]
        vectors = rng.normal(size=(ITEMS, 4)).tolist()
        (folder / name).mkdir(parents=True)
        ordered(edges).write_csv(folder / name / "interactions.csv")
        ordered(pl.DataFrame({"item": ids})).write_csv(folder / name / "items.csv")
        ordered(pl.DataFrame({"item": ids, "vector": vectors})).write_parquet(
            folder / name / "text.parquet"
        )


@pytest.mark.parametrize("model", ["micrec", "lightgcn"])
@pytest.mark.parametrize("split", ["random", "new_nodes"])
def test_shuffled_files_train_the_same_bits(tmp_path, model, split) -> None:
    shop(tmp_path / "given", None)
    shop(tmp_path / "mixed", np.random.default_rng(1))
    settings = [
        "data=tables",
        "features=none",
        f"split={split}",
        f"model={model}",
        "fit.max_epochs=2",
        f"cache_dir={tmp_path}/knn",
    ]
    found = []
    for name in ("given", "mixed"):
        place = [f"data.path={tmp_path}/{name}", f"output_dir={tmp_path}/{name}-runs"]
        artefact = train_job([*settings, *place]) / "artefact"
        users = pl.read_parquet(artefact / "users-food.parquet")
        found.append((load_file(artefact / "model.safetensors"), users))
    (given, users), (mixed, same_users) = found
    assert users.equals(same_users)
    assert given.keys() == mixed.keys()
    assert all(given[name].equal(mixed[name]) for name in given)
