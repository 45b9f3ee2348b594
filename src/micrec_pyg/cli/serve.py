"""``micrec serve``: answers over HTTP, from runs or their artefacts."""

import argparse
import logging
import os
from pathlib import Path

from micrec_pyg.cli.process import log_to_stderr, prepare
from micrec_pyg.schema import InputError

logger = logging.getLogger(__name__)

WRITE_KEY, READ_KEY = "MICREC_WRITE_KEY", "MICREC_READ_KEY"
"""Environment variables that may hold a key."""


def main(argv: list[str]) -> int:
    """Return 0 when the service has been stopped and every request is answered.

    Raises:
        InputError: There is no artefact, or an argument is impossible.
    """
    given = _parser().parse_args(argv)
    prepare()
    log_to_stderr()
    try:
        from micrec_pyg.serve import app, keys, process, shelf
    except ModuleNotFoundError as error:
        raise InputError(
            f"the service needs {error.name}; install it: pip install 'micrec-pyg"
            "[serve]'"
        ) from error
    found = keys.Keys(
        read=keys.keys_of(given.read_key_file, os.environ.get(READ_KEY)),
        write=keys.keys_of(given.write_key_file, os.environ.get(WRITE_KEY)),
    )
    if not (process.is_loopback(given.host) or found.read or given.open):
        raise InputError(
            f"--host {given.host} lets other machines ask; give --read-key-file, or "
            "--open if everybody who reaches it may"
        )
    writable = bool(found.write) and not given.read_only
    names = shelf.names_of(given.artefacts)
    place = process.listen(given.host, given.port)
    served = [
        shelf.load_served(
            name,
            path,
            device=given.device,
            state=None if given.state is None else given.state / name,
            writable=writable,
            carry=given.carry,
        )
        for name, path in names.items()
    ]
    host, port = place.getsockname()[:2]

    def started() -> None:
        logger.info(
            "http://%s:%d answers for %s; additions are %s",
            f"[{host}]" if ":" in host else host,
            port,
            ", ".join(names),
            "taken" if writable else "off",
        )

    process.run(app.make_app(shelf.Shelf(served), keys=found), place, started=started)
    for each in served:
        if each.journal is not None:
            each.journal.close()
    return 0


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
    parser.add_argument(
        "--write-key-file",
        type=Path,
        metavar="FILE",
        help=f"keys, one a line, that may add and remove; or {WRITE_KEY}; without one "
        "nobody may",
    )
    parser.add_argument(
        "--read-key-file",
        type=Path,
        metavar="FILE",
        help=f"keys, one a line, that may ask; or {READ_KEY}; without one all may",
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
    parser.add_argument("--device", default="cpu", help="where the model computes")
    return parser
