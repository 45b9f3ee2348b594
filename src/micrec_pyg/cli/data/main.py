"""``micrec data``: look at a catalogue before anything is trained on it."""

import importlib
import sys
from collections.abc import Callable

from micrec_pyg.schema import InputError

SUBCOMMANDS = {
    "check": "read the files of a catalogue and say what is wrong with them",
    "audit": "find leaks and other faults in the data, the split and the graphs",
    "stats": "describe the data and the split in numbers",
    "fetch": "download the raw files of Amazon Reviews, or say how large they are",
    "export": "write a data set as RecBole's atomic files",
}
"""Each is a module of this package with ``main(argv) -> exit code``."""

EXAMPLES = """examples:
  micrec data check my_catalogue
  micrec data audit my_catalogue split=global_time
  micrec data audit data=movielens split=new_nodes
  micrec data stats data=movielens
  micrec data fetch data=amazon2018 pair=food_kitchen --dry-run
  micrec data export recbole my_catalogue my_atomic_files

micrec data COMMAND --help explains one."""


def main(argv: list[str]) -> int:
    """Return the exit code of the subcommand.

    Raises:
        InputError: There is no such subcommand, or it refuses its input.
    """
    if argv and argv[0] in ("-h", "--help"):
        sys.stdout.write(usage())
        return 0
    if not argv or argv[0] not in SUBCOMMANDS:
        given = f"data {argv[0]}" if argv else "data needs a command"
        raise InputError(f"{given}: give one of {', '.join(SUBCOMMANDS)}")
    module = importlib.import_module(f"micrec_pyg.cli.data.{argv[0]}")
    run: Callable[[list[str]], int] = module.main
    return run(argv[1:])


def usage() -> str:
    """Return the help page of all subcommands."""
    commands = [f"  {name:<8}{what}" for name, what in SUBCOMMANDS.items()]
    return "\n".join(
        [
            "usage: micrec data COMMAND PATH [KEY=VALUE ...]  a folder of your own",
            "       micrec data COMMAND [KEY=VALUE ...]       the settings of a run",
            "",
            "commands:",
            *commands,
            "",
            EXAMPLES,
            "",
        ]
    )
