"""Make the golden artefact of this version: python tests/inference/golden.py FOLDER.

A later version must still read it and answer the same. It is made once per format.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import polars as pl
import torch

import micrec_pyg

QUESTIONS = [
    {"users": ["u1", "u7", "u20"], "domain": "food", "k": 4},
    {"users": ["u1"], "domain": "kitchen", "k": 4},
    {"history": {"food": ["food1", "food2"]}, "domain": "food", "k": 4},
    {"history": {"food": ["food1", "food2"]}, "domain": "kitchen", "k": 4},
    {"history": {}, "domain": "food", "k": 4},
]


def answers(rec: micrec_pyg.Recommender) -> pl.DataFrame:
    """Return the answers to all questions, numbered."""
    return pl.concat(
        rec.recommend(**question).with_columns(question=pl.lit(number))
        for number, question in enumerate(QUESTIONS)
    )


def write_shop(root: Path) -> None:
    """Write a catalogue of two domains that share users, with texts and vectors."""
    generator = torch.Generator().manual_seed(0)
    for place, name in enumerate(("food", "kitchen")):
        folder = root / name
        folder.mkdir(parents=True)
        edges = (torch.rand(24, 18, generator=generator) < 0.35).nonzero().T
        users = [f"u{u + 4 * place}" for u in edges[0].tolist()]
        items = [f"{name}{i}" for i in edges[1].tolist()]
        pl.DataFrame({"user": users, "item": items}).write_csv(
            folder / "interactions.csv"
        )
        ids = [f"{name}{i}" for i in range(19)]  # nobody has the last one
        titles = [f"tea {i}" if i % 5 else None for i in range(19)]
        pl.DataFrame({"item": ids, "title": titles}).write_csv(folder / "items.csv")
        vectors = torch.randn(19, 6, generator=generator)
        pl.DataFrame({"item": ids, "vector": vectors.tolist()}).write_parquet(
            folder / "text.parquet"
        )


def main(target: Path) -> None:
    """Write the artefact and its answers."""
    with tempfile.TemporaryDirectory() as root:
        write_shop(Path(root, "shop"))
        run = micrec_pyg.train(
            str(Path(root, "shop")),
            "features=none",
            f"cache_dir={root}/knn",
            f"features.cache_dir={root}/features",
            f"output_dir={root}/outputs",
            "device=cpu",
            "split=new_nodes",
            "fit.max_epochs=5",
            "rank.ks=[5]",
            "fit.metric=ndcg@5",
            "model.net.dim=8",
        ).evaluate()
        shutil.copytree(
            f"{run.path}/artefact", target, ignore=shutil.ignore_patterns("split")
        )
    rec = micrec_pyg.load(target)
    answers(rec).write_csv(target / "answers.csv")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
