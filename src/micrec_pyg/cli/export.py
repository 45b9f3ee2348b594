"""``micrec export``: vectors, an index or a network for other programs."""

import argparse
from collections.abc import Callable
from pathlib import Path

from micrec_pyg.cli.process import log_to_stderr, prepare, show
from micrec_pyg.inference.artefact import read_artefact
from micrec_pyg.inference.domains import check_domain
from micrec_pyg.inference.exports.index import KINDS, write_index
from micrec_pyg.inference.exports.tables import write_tables
from micrec_pyg.inference.exports.tower_network import write_tower
from micrec_pyg.inference.world import World, make_world
from micrec_pyg.schema import InputError


def main(argv: list[str]) -> int:
    """Return 0 when everything that was asked for is written.

    Raises:
        InputError: There is no artefact, or the model has no such thing.
    """
    given = _parser().parse_args(argv)
    prepare()
    log_to_stderr()
    if given.k < 1:
        raise InputError(f"-k {given.k}: give 1 or more")
    if given.index is not None and given.way != "faiss":
        raise InputError(
            f"--index {given.index}: {given.way} has no index; leave it out, or give "
            "faiss"
        )
    world = make_world(read_artefact(Path(given.run)), device=given.device)
    names = list(world.domains)
    if given.domain is not None:
        names = [check_domain(world, given.domain)]
    folder = Path(given.output)
    for name in names:
        for line in WAYS[given.way](world, name, folder, given):
            show(f"{line}\n")
    return 0


def _index(
    world: World, name: str, folder: Path, given: argparse.Namespace
) -> list[str]:
    found = write_index(world, name, folder, kind=given.index or "auto", k=given.k)
    path, table = found.files
    return [
        f"{path}: an index of faiss ({found.kind}) of {name}'s items; recall@{given.k} "
        f"{found.recall:.4f} of the exact lists of {found.users:,} users",
        f"{table}: row, item and title of every vector in it",
    ]


def _network(
    world: World, name: str, folder: Path, given: argparse.Namespace
) -> list[str]:
    path, table = write_tower(world, name, folder)
    return [
        f"{path}: history (rows of items, padded by -1) to user (a vector)",
        f"{table}: row, item, title and vector of every item of {name}; the inner "
        "product of the vectors is the score",
    ]


def _tables(
    world: World, name: str, folder: Path, given: argparse.Namespace
) -> list[str]:
    found = write_tables(world, name, folder, k=given.k)
    users, items, top = found.files
    vector = ", vector" if found.vectors else ""
    without = "" if found.vectors else f" (the model {world.name} has no vectors)"
    return [
        f"{users}: row, user, interactions{vector} of {name}{without}",
        f"{items}: row, item, title{vector}",
        f"{top}: the {given.k} best items of every user",
    ]


Way = Callable[[World, str, Path, argparse.Namespace], list[str]]

WAYS: dict[str, Way] = {"faiss": _index, "onnx": _network, "parquet": _tables}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "micrec export",
        description="Write what other programs take over from a trained model "
        "(docs/exports.md).",
    )
    parser.add_argument(
        "way",
        choices=WAYS,
        help="faiss: item vectors as an index with its ids; onnx: the network from a "
        "history to a user's vector; parquet: vectors, ids, titles and lists",
    )
    parser.add_argument("run", metavar="RUN", help="folder of a run, or of an artefact")
    parser.add_argument(
        "--output", required=True, metavar="DIR", help="folder of the files"
    )
    parser.add_argument("--domain", help="only this one; else all, a file of each")
    parser.add_argument(
        "-k", type=int, default=20, help="length of lists, also of the recall (20)"
    )
    parser.add_argument(
        "--index",
        choices=KINDS,
        help="of faiss: flat is exact; auto, the default, takes hnsw above 200,000 "
        "items",
    )
    parser.add_argument("--device", default="cpu", help="where the model computes")
    return parser
