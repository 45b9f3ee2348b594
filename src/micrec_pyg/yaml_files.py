"""YAML files that somebody else may have written."""

from pathlib import Path
from typing import Any

import yaml

from micrec_pyg.schema import InputError

MAX_BYTES = 2**20
"""Largest file; the configuration of a run has some kilobytes."""
MAX_NODES = 10**5
"""Most values after every alias was replaced by what it stands for: a few lines of
aliases to lists of aliases would become billions."""


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file: plain values, lists and mappings.

    Raises:
        InputError: the file cannot be read, is no YAML, is too large, or its aliases
            stand for too much or for themselves.
    """
    need = "a YAML file as this project writes it is needed"
    try:
        size = path.stat().st_size
        if not path.is_file() or size > MAX_BYTES:
            raise InputError(
                f"{path}: it is {size:,} bytes or no regular file; {need}, at most "
                f"{MAX_BYTES:,} bytes"
            )
        return parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{path}: it cannot be read ({reason}); {need}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: it is not UTF-8 text; {need}") from error


def parse_yaml(text: str, where: str) -> Any:
    """Return the content of a YAML text.

    Args:
        text: one document.
        where: what to call it in messages.

    Raises:
        InputError: as ``read_yaml``.
    """
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _expanded(node, {}, where) > MAX_NODES:
            raise InputError(
                f"{where}: its aliases stand for more than {MAX_NODES:,} values; write "
                "the values out"
            )
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise InputError(broken(error, where)) from error
    except InputError:
        raise
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:
        # the last two come of the library, as for "!!bool maybe"
        reason = " ".join(str(error).split())
        raise InputError(f"{where}: no readable YAML ({reason})") from error
    except RecursionError as error:
        raise InputError(f"{where}: its values are nested too deeply") from error


def broken(error: yaml.YAMLError, where: str) -> str:
    """Return the sentence about a text that is no YAML, with its line and column.

    Args:
        error: Of the parser.
        where: What the text is called.
    """
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return f"{where}: no readable YAML ({' '.join(str(error).split())})"
    problem = getattr(error, "problem", None) or getattr(error, "context", None)
    return f"{where}, line {mark.line + 1}, column {mark.column + 1}: {problem}"


def _expanded(node: yaml.Node, known: dict[int, int], where: str) -> int:
    """Return how many values a node has once its aliases are written out.

    Raises:
        InputError: a node holds itself.
    """
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) in known:
        if known[id(node)] < 0:
            line = node.start_mark.line + 1
            raise InputError(f"{where}, line {line}: an alias stands for what holds it")
        return known[id(node)]
    known[id(node)] = -1
    inside = [part for child in node.value for part in _parts(child)]
    known[id(node)] = 1 + sum(_expanded(part, known, where) for part in inside)
    return known[id(node)]


def _parts(child: yaml.Node | tuple[yaml.Node, yaml.Node]) -> tuple[yaml.Node, ...]:
    """Return a node of a list, or key and value of a mapping."""
    return child if isinstance(child, tuple) else (child,)
