"""``micrec serve``: answers over HTTP, from runs or their artefacts."""

import argparse
from importlib.util import find_spec
from pathlib import Path

from micrec_pyg.cli.process import log_to_stderr, prepare
from micrec_pyg.schema import InputError

NEEDED = ("fastapi", "prometheus_client", "uvicorn")
"""What the extra ``serve`` installs."""


def main(argv: list[str]) -> int:
    """Return 0 when the service has been stopped and every request is answered.

    Raises:
        InputError: There is no artefact, or an argument is impossible.
    """
    given = _parser().parse_args(argv)
    prepare()
    log_to_stderr()
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise InputError(
            f"the service needs {', '.join(missing)}; install them: "
            "pip install 'micrec-pyg[serve]'"
        )
    # only now: the help, and the sentence above, must not need these libraries
    from micrec_pyg.cli.serving import serve

    return serve(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "micrec serve",
        description="Answer over HTTP: lists for known and new people, similar items, "
        "explanations, additions that last (docs/service.md).",
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
    parser.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        help="where additions are kept, a folder for each artefact; else "
        "ARTEFACT.state beside it",
    )
    _add_access(parser)
    parser.add_argument("--device", default="cpu", help="where the model computes")
    return parser


def _add_access(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say who may ask and write."""
    parser.add_argument(
        "--write-key-file",
        type=Path,
        metavar="FILE",
        help="keys, one a line, that may add and remove; or MICREC_WRITE_KEY; without "
        "one nobody may",
    )
    parser.add_argument(
        "--read-key-file",
        type=Path,
        metavar="FILE",
        help="keys, one a line, that may ask; or MICREC_READ_KEY; without one all may",
    )
    parser.add_argument(
        "--open",
        action="store_true",
        help="let other machines ask without a key (with --host)",
    )
    parser.add_argument(
        "--read-only",
        action="store_true",
        help="take no additions; show those that are there when it starts",
    )
    parser.add_argument(
        "--carry",
        action="store_true",
        help="add to a newer artefact what was added to the one before",
    )
