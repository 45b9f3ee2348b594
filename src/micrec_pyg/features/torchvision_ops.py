"""A cure for a torchvision whose compiled part does not fit the installed torch.

Beside a CPU-only torch, package indexes offer torchvision builds for CUDA alone. Their
binary does not load, and ``import torchvision`` fails with "operator torchvision::nms
does not exist", which takes timm, open_clip and sentence_transformers along. Only two
operators must be known by name for the import; transforms and models need neither.
"""

import functools
import logging
from importlib.util import find_spec
from pathlib import Path

import torch

logger = logging.getLogger(__name__)

_SCHEMAS = {
    name: f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    for name in ("nms", "qnms")
}
_BINARIES = ("_C*.so", "_C*.pyd")


@functools.cache
def ensure_importable() -> bool:
    """Return True if operators had to be declared so that torchvision imports.

    Call it before the first import of torchvision or of a package that uses it. It does
    nothing where torchvision's binary loads, or where torchvision is not installed.
    """
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None or _loads(Path(spec.origin).parent):
        return False
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            _library().define(schema)
    logger.debug("torchvision's binary does not load: declared %s", list(_SCHEMAS))
    return True


def _loads(folder: Path) -> bool:
    """Return whether the compiled part of the torchvision in this folder loads."""
    binaries = [path for pattern in _BINARIES for path in folder.glob(pattern)]
    try:
        for path in binaries:
            # The file that torchvision's own import is about to load, in the same way.
            torch.ops.load_library(path)
    except OSError:
        return False
    return bool(binaries)


@functools.cache
def _library() -> torch.library.Library:
    """Return the one library handle; its declarations end with its life."""
    return torch.library.Library("torchvision", "FRAGMENT")
