"""Set up ``.venv``: the work behind ``make setup`` and ``make ext``.

Standard library only, since it runs before anything is installed. torch comes
first and everything is installed under constraints.txt, so that no package can
bring another torch.

torch-scatter and torch-sparse have no wheels on the package index and take many
minutes to compile. A wheel fits one Python, one torch and one platform, yet its
name does not tell which torch; so wheels are kept in folders named after all
three. ``install`` takes them where it finds them and goes on without them.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
CONSTRAINTS = ROOT / "constraints.txt"
EXTENSIONS = ("torch-scatter", "torch-sparse")
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PYG_PAGE = "https://data.pyg.org/whl/torch-{version}.html"
PAGE_SECONDS = 3
"""How long a page with wheels may take to answer before it counts as absent."""
MISSING = (
    "torch-scatter and torch-sparse: no wheel for this Python and torch was found. "
    "Without them neighbour-sampled loading and some CUDA kernels are off, all else "
    "works; `make ext` builds them once (needs a C++ compiler, takes many minutes)."
)


def main() -> int:
    """Return the exit code of the command that the arguments name."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    commands = {"install": install, "ext": ext, "at-hand": at_hand}
    parser.add_argument("command", choices=commands)
    try:
        return commands[parser.parse_args().command]()
    except subprocess.CalledProcessError as error:
        print(f"failed: {' '.join(map(str, error.cmd))}", file=sys.stderr)
        return 1


def install() -> int:
    """Return 0 once ``.venv`` holds the project and all that it needs."""
    start = time.monotonic()
    make_venv()
    say(start, "torch (a large download the first time)")
    # What builds packages comes with it: builds then need no environment apart.
    pip_install("torch", "torchvision", "setuptools", "hatchling", *torch_index())
    say(start, "the project and the packages it needs")
    extras = "ann,dev,html,joblib,onnx,serve,tsne,tune,wandb"
    pip_install("--no-build-isolation", "--editable", f"{ROOT}[{extras}]")
    say(start, "torch-scatter and torch-sparse")
    if not find_extensions():
        pip("uninstall", "--yes", *EXTENSIONS)  # would break torch-geometric's import
        print(MISSING)
    say(start, "done")
    return 0


def ext() -> int:
    """Return 0 once torch-scatter and torch-sparse are installed and load."""
    if find_extensions():
        print("torch-scatter and torch-sparse are installed")
        return 0
    compiler = os.environ.get("CXX", "c++")
    if shutil.which(compiler) is None:
        print(f"no C++ compiler ({compiler}); install one or set CXX", file=sys.stderr)
        return 1
    pip_install("setuptools", "numpy", "ninja")
    folder = cache_folder()
    if not build(folder):
        return 1
    print(f"kept for later environments in {folder}")
    return 0 if find_extensions() else 1


def at_hand() -> int:
    """Return 0 if a folder holds prebuilt wheels, so that ``ext`` is quick."""
    return 0 if any(map(complete, wheel_folders())) else 1


def make_venv() -> None:
    """Make ``.venv``, anew if the one there is broken or of another Python."""
    wanted = f"{sys.version_info.major}.{sys.version_info.minor}"
    code = "import pip, sys; print('%d.%d' % sys.version_info[:2])"
    if PYTHON.exists() and ask(code) == wanted:
        return
    try:
        venv.create(VENV, clear=True, with_pip=True)
    except subprocess.CalledProcessError:
        sys.exit(
            f"{sys.executable} cannot make a virtual environment with pip; install its "
            "venv and ensurepip modules, or name another: make setup PYTHON=..."
        )


def torch_index() -> list[str]:
    """Return pip's options for where torch comes from.

    Without an NVIDIA driver that is PyTorch's page of CPU builds, if it answers:
    the ordinary index has CUDA builds of several GB. TORCH_INDEX overrides it.
    """
    chosen = os.environ.get("TORCH_INDEX")
    if not chosen and sys.platform == "linux" and shutil.which("nvidia-smi") is None:
        chosen = TORCH_CPU_INDEX if answers(f"{TORCH_CPU_INDEX}/torch/") else None
    return ["--extra-index-url", chosen] if chosen else []


def find_extensions() -> bool:
    """Return whether both load, after installing them from the first wheels found."""
    if extensions_load():
        return True
    for folder in filter(complete, wheel_folders()):
        if install_wheels(str(folder)):
            return True
    page = PYG_PAGE.format(version=torch_build())
    return answers(page) and install_wheels(page)


def install_wheels(place: str) -> bool:
    """Return whether the wheels at a folder or page could be installed and load."""
    options = ["--no-deps", "--no-index", "--force-reinstall", "--find-links", place]
    try:
        pip_install(*options, *EXTENSIONS, stderr=subprocess.DEVNULL)
    except subprocess.CalledProcessError:
        return False
    return extensions_load()


def extensions_load() -> bool:
    """Return whether both are installed and fit the installed torch."""
    return ask("import torch_scatter, torch_sparse; print('yes')") == "yes"


def wheel_folders() -> list[Path]:
    """Return the folders that may hold fitting wheels, the own cache first."""
    folder = cache_folder()
    return [folder, ROOT.parent / "shared" / "wheels" / folder.name]


def cache_folder() -> Path:
    """Return the folder of the user's cache for this Python, torch and platform."""
    code = (
        "import sys, sysconfig, torch; print('cp%d%d-torch%s-%s' % ("
        "*sys.version_info[:2], torch.__version__, sysconfig.get_platform()))"
    )
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "micrec_pyg" / "wheels" / ask(code)


def complete(folder: Path) -> bool:
    """Return whether the folder has the pinned wheels of both."""
    return all(has_wheel(folder, name) for name in EXTENSIONS)


def has_wheel(folder: Path, name: str) -> bool:
    """Return whether the folder has a package's pinned wheel."""
    return any(folder.glob(f"{name.replace('-', '_')}-{pinned(name)}[-+]*.whl"))


def pinned(name: str) -> str:
    """Return the version that constraints.txt gives a package."""
    found = re.search(rf"^{re.escape(name)}==(\S+)", CONSTRAINTS.read_text(), re.M)
    if found is None:
        sys.exit(f"{CONSTRAINTS.name} has no line '{name}==VERSION'; add it")
    return found[1]


def torch_build() -> str:
    """Return torch's version with its build, such as ``2.13.0+cpu``."""
    version = ask("import torch; print(torch.__version__)")
    return version if "+" in version else f"{version}+cpu"


def build(folder: Path) -> bool:
    """Return whether what ``folder`` lacked was compiled, both side by side."""
    folder.mkdir(parents=True, exist_ok=True)
    lacking = [name for name in EXTENSIONS if not has_wheel(folder, name)]
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        jobs = {name: start_build(name, place) for name in lacking}
        print("compiling; logs: .venv/build-torch-*.log", flush=True)
        failed = [name for name, job in jobs.items() if job.wait() != 0]
        for name in failed:
            log = build_log(name)
            print(*log.read_text().splitlines()[-15:], sep="\n", file=sys.stderr)
            print(f"{name} did not compile; all of it: {log}", file=sys.stderr)
        for wheel in Path(place).glob("*.whl"):
            wheel.replace(folder / wheel.name)
    return not failed


def start_build(name: str, place: str) -> "subprocess.Popen[bytes]":
    """Return the running pip that compiles one package into a folder."""
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", place]
    # pip's own cache would hand out a wheel that was compiled for another torch.
    command = [str(PYTHON), "-m", "pip", "wheel", "--no-cache-dir", *options]
    search = f"{PYTHON.parent}{os.pathsep}{os.environ['PATH']}"  # where ninja is
    with build_log(name).open("wb") as log:
        return subprocess.Popen(
            [*command, f"{name}=={pinned(name)}"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": search},
        )


def build_log(name: str) -> Path:
    """Return the file that a package's compilation writes to."""
    return VENV / f"build-{name}.log"


def answers(url: str) -> bool:
    """Return whether a page can be had at once.

    A process of its own, because a name look-up knows no time limit.
    """
    code = "import sys, urllib.request as u; u.urlopen(sys.argv[1])"
    try:
        done = subprocess.run(
            [PYTHON, "-c", code, url], capture_output=True, timeout=PAGE_SECONDS
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def ask(code: str) -> str:
    """Return what the environment's Python prints; nothing if the code fails."""
    command = [str(PYTHON), "-W", "ignore", "-c", code]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def pip_install(*arguments: str, stderr: int | None = None) -> None:
    """Install under the constraints; raises CalledProcessError if it fails."""
    pip("install", "--constraint", str(CONSTRAINTS), *arguments, stderr=stderr)


def pip(verb: str, *arguments: str, stderr: int | None = None) -> None:
    """Run pip in the environment, silent but for errors."""
    options = ["-qq", "--disable-pip-version-check"]
    subprocess.run(
        [PYTHON, "-m", "pip", verb, *options, *arguments], check=True, stderr=stderr
    )


def say(start: float, what: str) -> None:
    """Tell what comes next, with the seconds since the start."""
    print(f"[{time.monotonic() - start:4.0f} s] {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
