"""The command ``micrec``: find the subcommand, turn its errors into one sentence."""

import importlib
import os
import sys

from micrec_pyg.cli.interruptions import one_interruption
from micrec_pyg.cli.process import prepare, whole_streams
from micrec_pyg.cli.sentences import DONE, INTERRUPTED, REFUSED, refuse

COMMANDS = {
    "train": "train a model, or sweep over many settings (-m)",
    "sweep": "show what a sweep came to",
    "tune": "search the settings of a model by validation alone",
    "evaluate": "evaluate finished runs on the sealed test set",
    "recommend": "write lists for known or new people, from a run or its artefact",
    "serve": "answer over HTTP, with a page to look with",
    "export": "write vectors, an index or the user tower for other programs",
    "freshness": "measure how long a model stays good while data comes in",
    "report": "write tables from the runs under a folder",
    "compare": "test the differences between finished runs for significance",
    "data": "check, audit or describe a catalogue before training on it",
    "reproduce": "train and evaluate the models and ablations of a preset",
    "wandb": "send runs to Weights & Biases, and build their dashboard",
    "bench": "measure the claims of speed against peers, in a checkout",
}
"""Each is a module or package of this package with ``main(argv) -> exit code``."""

PLUGINS = "MICREC_PLUGINS"
"""See ``runs.plugins``, which is not imported here: it loads torch."""

PACKAGES = {"data": "data.main", "wandb": "tracking.main"}
"""Commands that are packages: where their ``main`` is."""


def main() -> int:
    """Return the exit code of the command in ``sys.argv``.

    0 done, 1 failed, 2 refused input, 130 interrupted.
    """
    whole_streams()
    with one_interruption():
        try:
            return _command()
        except KeyboardInterrupt:
            sys.stderr.write(
                "\nmicrec: interrupted; finished work is kept; the same command "
                "continues\n"
            )
            return INTERRUPTED


def _command() -> int:
    """Return the exit code of the command in ``sys.argv``."""
    argv = _with_plugins(sys.argv[1:])
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(_help())
        return DONE if argv else REFUSED
    if argv[0] == "--version":
        from micrec_pyg import __version__

        print(__version__)
        return DONE
    if argv[0] not in COMMANDS:
        return refuse(f"unknown command '{argv[0]}'; give one of {_names()}")
    return _run(argv[0], argv[1:])


def _run(command: str, argv: list[str]) -> int:
    # PyG imports huggingface_hub, which reads its variables at once and never again.
    prepare()
    # Commands import torch; the help above must not wait for that.
    module = importlib.import_module(f"micrec_pyg.cli.{PACKAGES.get(command, command)}")
    from micrec_pyg.cli.failures import attempt
    from micrec_pyg.cli.together import refuse_several
    from micrec_pyg.runs.plugins import import_all

    def call() -> int:
        if command not in ("train", "evaluate"):
            refuse_several(f"micrec {command}")
        if not {"-h", "--help"} & {*argv}:
            import_all()
        return int(module.main(argv))

    return attempt(call)


def _with_plugins(argv: list[str]) -> list[str]:
    """Return the arguments behind ``--plugin PACKAGE``, which are remembered."""
    found = [name for name in os.environ.get(PLUGINS, "").split(",") if name]
    while len(argv) > 1 and argv[0] == "--plugin":
        found.append(argv[1])
        argv = argv[2:]
    if found:
        os.environ[PLUGINS] = ",".join(dict.fromkeys(found))
        sys.path.insert(0, os.getcwd())  # a plug-in may be a file beside the user
    return argv


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
            "micrec --plugin PACKAGE COMMAND lets settings call what is in a package",
            "of yours (_target_: my_package.Model), and in no other one.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
