"""``micrec bench PART``: measure a claim of speed against its peers."""

import importlib.util
import sys
from pathlib import Path

from micrec_pyg.schema import InputError

HELP = """micrec bench [PART ...] [options of one PART]

Without a PART all are run. The parts are the scripts of benchmarks/ in a checkout:
  {parts}
"""


def main(argv: list[str]) -> int:
    """Run the scripts of ``benchmarks/`` that are named, or all of them.

    Raises:
        InputError: This is no checkout, or a part does not exist.
    """
    folder = Path(__file__).parents[3] / "benchmarks"
    parts = {path.stem: path for path in sorted(folder.glob("*.py"))}
    if not parts:
        raise InputError(
            "benchmarks/ is not here: it is part of a checkout of the project, not of "
            "an installed package"
        )
    if argv and argv[0] in ("-h", "--help"):
        sys.stdout.write(HELP.format(parts=" ".join(parts)))
        return 0
    named = argv[0] if argv else None
    if named is not None and named not in parts:
        raise InputError(f"bench {named}: give one of {', '.join(parts)}")
    chosen = parts if named is None else {named: parts[named]}
    return max(_run(path, argv[1:]) for path in chosen.values())


def _run(path: Path, argv: list[str]) -> int:
    spec = importlib.util.spec_from_file_location(f"benchmark_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    code: int = module.main(argv)
    return code
