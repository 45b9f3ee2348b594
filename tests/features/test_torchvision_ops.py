import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

# A process of its own: operators, once declared, stay for the life of a process.
# A shared library that loads stands in for a healthy torchvision binary.
_FAKES = """
import shutil, sys
from pathlib import Path
import safetensors._safetensors_rust as loadable
import torch
from micrec_pyg.features.torchvision_ops import ensure_importable

def fake(name, binary):
    folder = Path(sys.argv[1], name, "torchvision")
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    binary(folder / "_C.so")
    sys.path.insert(0, str(folder.parent))
    ensure_importable.cache_clear()
    return ensure_importable()

assert not fake("healthy", lambda path: shutil.copy(loadable.__file__, path))
assert not hasattr(torch.ops.torchvision, "nms")
assert fake("broken", lambda path: path.write_bytes(b"not a library"))
assert hasattr(torch.ops.torchvision, "nms")
assert hasattr(torch.ops.torchvision, "qnms")
assert fake("again", lambda path: path.write_bytes(b"not a library"))
"""

_REAL = """
from micrec_pyg.features.torchvision_ops import ensure_importable
declared = ensure_importable()
import torchvision, torchvision.transforms
from torchvision.extension import _has_ops
assert declared is not _has_ops()
"""


_STRICT = """
import micrec_pyg, torch, types
# one module of the package alone; the others take seconds to import
package = types.ModuleType("micrec_pyg.features")
package.__path__ = [micrec_pyg.__path__[0] + "/features"]
sys.modules["micrec_pyg.features"] = package
# from here on a warning is an error; those of the libraries imported above are not
import micrec_pyg.features.torchvision_ops, warnings
warnings.simplefilter("error")
"""


def _run(script: str, *arguments: str) -> None:
    path = Path(__file__).parents[2] / "src"
    script = f"import sys; sys.path.insert(0, {str(path)!r})\n{_STRICT}\n{script}"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_operators_are_declared_only_if_the_binary_does_not_load(
    tmp_path: Path,
) -> None:
    _run(_FAKES, str(tmp_path))


@pytest.mark.fuzz  # slow
@pytest.mark.skipif(find_spec("torchvision") is None, reason="needs torchvision")
def test_the_installed_torchvision_imports() -> None:
    _run(_REAL)
