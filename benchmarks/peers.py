"""The peers' own environment: RecBole, and what the official INMO code needs.

It lies in the user's cache (about 1.3 GB) and is made once per version of this
file's pins. PyG and faiss are measured in the project's environment.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.harness import CannotRunError
from scripts.setup import torch_index

PINS = Path(__file__).with_name("peers.txt")
TORCH = "torch==2.13.0"
DGL = "dgl==1.1.3"
"""The last version that is not tied to one version of torch."""
DONE = ".complete"


def python() -> Path:
    """Return the Python of the peers' environment, made if need be.

    Raises:
        CannotRunError: It cannot be installed here.
    """
    folder = _folder()
    found = folder / "bin" / "python"
    if (folder / DONE).is_file():
        return found
    print(f"installing the peers in {folder} (once, about 1.3 GB)", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        venv.create(folder, with_pip=True)
        # torch comes first: a package that asks for it may bring another build
        _pip(found, TORCH, *torch_index())
        _pip(found, "--requirement", str(PINS))
    except subprocess.CalledProcessError as error:
        raise CannotRunError(f"installing failed: {_last(error)}") from error
    try:
        _pip(found, DGL)
    except subprocess.CalledProcessError as error:
        print(f"{DGL} cannot be installed ({_last(error)}): not measured")
    (folder / DONE).touch()
    return found


def has_dgl(python: Path) -> bool:
    """Return whether DGL loads in the peers' environment."""
    command = [str(python), "-c", "import dgl"]
    env = {**os.environ, "DGLBACKEND": "pytorch"}
    return subprocess.run(command, capture_output=True, env=env).returncode == 0


def _folder() -> Path:
    key = [TORCH, DGL, PINS.read_text(), sys.version]
    digest = hashlib.sha256("\n".join(key).encode()).hexdigest()[:12]
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "micrec_pyg" / f"peers-{digest}"


def _pip(python: Path, *arguments: str) -> None:
    """Install under the pins; raises CalledProcessError if it fails."""
    command = [str(python), "-m", "pip", "install", "--quiet", "--no-input"]
    constraints = ["--constraint", str(PINS)]
    subprocess.run(
        [*command, *constraints, *arguments], check=True, capture_output=True, text=True
    )


def _last(error: subprocess.CalledProcessError) -> str:
    lines = (error.stderr or "").strip().splitlines()
    return lines[-1] if lines else str(error)
