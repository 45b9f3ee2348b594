"""Inductive, multimodal, cross-domain recommendation on PyTorch Geometric.

What stands in ``__all__`` is for scripts and notebooks (docs/python.md). It is loaded
when it is first asked for: torch alone takes seconds.
"""

import importlib

__version__ = "0.1.0"

TYPE_CHECKING = False  # for type checkers True; typing itself takes long to load

if TYPE_CHECKING:
    from micrec_pyg import datasets
    from micrec_pyg.cli.python import compare, evaluate, load, train
    from micrec_pyg.inference.recommender import Recommender
    from micrec_pyg.runs.experiment import Experiment
    from micrec_pyg.runs.frames import Catalogue
    from micrec_pyg.runs.read import Run
    from micrec_pyg.schema import InputError

__all__ = [
    "Catalogue",
    "Experiment",
    "InputError",
    "Recommender",
    "Run",
    "compare",
    "datasets",
    "evaluate",
    "load",
    "train",
]

_PLACES = {
    "Catalogue": "runs.frames",
    "Experiment": "runs.experiment",
    "InputError": "schema",
    "Recommender": "inference.recommender",
    "Run": "runs.read",
    "compare": "cli.python",
    "evaluate": "cli.python",
    "load": "cli.python",
    "train": "cli.python",
}


def __getattr__(name: str) -> object:
    """Load a public name from the module that has it."""
    if name == "datasets":
        return importlib.import_module(f"{__name__}.datasets")
    if name not in _PLACES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    module = importlib.import_module(f"{__name__}.{_PLACES[name]}")
    value: object = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
