"""``micrec serve``: answers over HTTP, from runs or their artefacts."""

import argparse

import uvicorn

from micrec_pyg.cli.process import log_to_stderr, prepare
from micrec_pyg.serve.app import make_app
from micrec_pyg.serve.shelf import Shelf, load_served, names_of


def main(argv: list[str]) -> int:
    """Return 0 when the service has been stopped.

    Raises:
        InputError: There is no artefact, or an argument is impossible.
    """
    given = _parser().parse_args(argv)
    prepare()
    log_to_stderr()
    shelf = Shelf(
        [
            load_served(name, path, device=given.device)
            for name, path in names_of(given.artefacts).items()
        ]
    )
    uvicorn.run(make_app(shelf), host=given.host, port=given.port, log_level="warning")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "micrec serve",
        description="Answer over HTTP: lists for known and new people, similar items, "
        "explanations, additions (docs/service.md).",
    )
    parser.add_argument(
        "artefacts",
        nargs="+",
        metavar="[NAME=]PATH",
        help="folders of runs or of artefacts; the first answers requests that name "
        "no model",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="8000; 0 takes any")
    parser.add_argument("--device", default="cpu", help="where the model computes")
    return parser
