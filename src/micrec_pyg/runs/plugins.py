"""Packages of the user whose classes and functions settings may call too."""

import importlib
import os
import traceback
from types import ModuleType

from micrec_pyg.schema import InputError

PLUGINS = "MICREC_PLUGINS"
"""Their names, joined by commas. An environment variable, which worker processes
inherit and no file can set."""


def beginnings() -> tuple[str, ...]:
    """Return the beginnings of the names in packages that the user trusts."""
    return tuple(f"{name}." for name in _names())


def import_all() -> None:
    """Import every plug-in, so that a broken one is told before any work.

    Raises:
        InputError: One is not there, or fails.
    """
    for name in _names():
        try:
            imported(name)
        except ModuleNotFoundError as error:
            reason = needed(name, error) or (
                "no such package on the Python path; install it, or call micrec in "
                "the folder that holds it"
            )
            raise InputError(f"--plugin {name}: {reason}") from error


def imported(module: str) -> ModuleType:
    """Return a module by its name.

    Raises:
        InputError: It is a plug-in's and fails, which is no fault of this project.
        ModuleNotFoundError: It is not there, or needs what is not there.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        raise
    except Exception as error:
        if not f"{module}.".startswith(beginnings()):
            raise
        raise InputError(
            f"the plug-in {module} failed at import: {_told(error)}; mend it"
        ) from error


def needed(module: str, error: ModuleNotFoundError) -> str:
    """Return what a module lacks, in words; nothing if it is not there itself."""
    if error.name and not f"{module}.".startswith(f"{error.name}."):
        return f"{module} needs the package '{error.name}', which is not installed"
    return ""


def _told(error: Exception) -> str:
    """Return an error, and where it arose."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    what, file, line = str(error), frame.filename, frame.lineno
    if isinstance(error, SyntaxError):  # it arose in no line that was run
        what, file, line = error.msg, error.filename or file, error.lineno
    return f"{type(error).__name__}: {what}, in {file} line {line}"


def _names() -> list[str]:
    return [name for name in os.environ.get(PLUGINS, "").split(",") if name]
