"""What ``micrec serve`` does with its arguments."""

import argparse
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from micrec_pyg.schema import InputError
from micrec_pyg.serve.app import make_app
from micrec_pyg.serve.keys import Keys, keys_of
from micrec_pyg.serve.process import is_loopback, listen, run
from micrec_pyg.serve.shelf import Served, Shelf, load_served, names_of

logger = logging.getLogger(__name__)

WRITE_KEY, READ_KEY = "MICREC_WRITE_KEY", "MICREC_READ_KEY"
"""Environment variables that may hold a key."""


def serve(given: argparse.Namespace) -> int:
    """Return 0 when the service has been stopped.

    Args:
        given: The arguments of ``micrec serve``.

    Raises:
        InputError: There is no artefact, or an argument is impossible.
    """
    keys = _keys(given)
    writable = bool(keys.write) and not given.read_only
    names = names_of(given.artefacts)
    with listen(given.host, given.port) as place:
        served = _loaded(given, names, writable=writable)
        host, port = place.getsockname()[:2]

        def started() -> None:
            logger.info(
                "http://%s:%d answers for %s; additions are %s",
                f"[{host}]" if ":" in host else host,
                port,
                ", ".join(names),
                "taken" if writable else "off",
            )

        run(make_app(Shelf(served), keys=keys), place, started=started)
    for each in served:
        if each.journal is not None:
            each.journal.close()
    return 0


def _keys(given: argparse.Namespace) -> Keys:
    """Return the keys; without one to read, only this machine may ask.

    Raises:
        InputError: Other machines could ask, and nothing says that they may.
    """
    keys = Keys(
        read=keys_of(given.read_key_file, os.environ.get(READ_KEY)),
        write=keys_of(given.write_key_file, os.environ.get(WRITE_KEY)),
    )
    if not (is_loopback(given.host) or keys.read or given.open):
        raise InputError(
            f"--host {given.host} lets other machines ask; give --read-key-file, or "
            "--open if everybody who reaches it may"
        )
    return keys


def _loaded(
    given: argparse.Namespace, names: Mapping[str, Path], *, writable: bool
) -> list[Served]:
    return [
        load_served(
            name,
            path,
            device=given.device,
            state=None if given.state is None else given.state / name,
            writable=writable,
            carry=given.carry,
        )
        for name, path in names.items()
    ]
