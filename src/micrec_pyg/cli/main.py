"""The command ``micrec``: find the subcommand, turn its errors into one sentence."""

import importlib
import os
import sys
from collections.abc import Callable

from micrec_pyg.cli.process import prepare, printable

COMMANDS = {
    "train": "train a model, or sweep over many settings (-m)",
    "evaluate": "evaluate finished runs on the sealed test set",
    "report": "write tables from the runs under a folder",
    "compare": "test the differences between finished runs for significance",
    "data": "check, audit or describe a catalogue before training on it",
    "reproduce": "train and evaluate the models and ablations of a preset",
    "bench": "measure the claims of speed against peers, in a checkout",
}
"""Each is a module or package of this package with ``main(argv) -> exit code``."""

PACKAGES = {"data": "data.main"}
"""Commands that are packages: where their ``main`` is."""

DONE, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130


def main() -> int:
    """Return the exit code of the command in ``sys.argv``.

    0 done, 1 failed, 2 refused input, 130 interrupted.
    """
    argv = sys.argv[1:]
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(_help())
        return DONE if argv else REFUSED
    if argv[0] == "--version":
        from micrec_pyg import __version__

        print(__version__)
        return DONE
    if argv[0] not in COMMANDS:
        return _refuse(f"unknown command '{argv[0]}'; give one of {_names()}")
    return _run(argv[0], argv[1:])


def _run(command: str, argv: list[str]) -> int:
    # PyG imports huggingface_hub, which reads its variables at once and never again.
    prepare()
    # Commands import torch; the help above must not wait for that.
    try:
        module = importlib.import_module(
            f"micrec_pyg.cli.{PACKAGES.get(command, command)}"
        )
        from micrec_pyg.schema import InputError
        from micrec_pyg.storage.failures import sentence

        run: Callable[[list[str]], int] = module.main
        try:
            return run(argv)
        except InputError as error:
            return _refuse(str(error))
        except BrokenPipeError:
            # else Python tries to write the rest when it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            _say("what read the output has closed it")
            return FAILED
        except OSError as error:
            _say(sentence(error))
            return FAILED
    except KeyboardInterrupt:
        sys.stderr.write(
            "\nmicrec: interrupted; finished work is kept; the same command continues\n"
        )
        return INTERRUPTED


def _refuse(message: str) -> int:
    """Print a message as one line and return the exit code of refused input."""
    _say(message)
    return REFUSED


def _say(message: str) -> None:
    """Print a message as one line."""
    sys.stderr.write(f"micrec: {printable(' '.join(message.split()))}\n")


def _names() -> str:
    return ", ".join(COMMANDS)


def _help() -> str:
    lines = [f"  {name:<10} {what}" for name, what in COMMANDS.items()]
    return "\n".join(
        [
            "usage: micrec COMMAND ...",
            "",
            "Inductive, multimodal, cross-domain recommendation.",
            "",
            "commands:",
            *lines,
            "",
            "micrec COMMAND --help explains one; micrec --version prints the version.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
