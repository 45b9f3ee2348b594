import ast
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import micrec_pyg

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
# What torch's CUDA builds bring, each pinned by torch itself.
BROUGHT_BY_TORCH = ("cuda-", "nvidia-", "triton")


def pins() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    rows = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in rows}


def declared() -> list[Requirement]:
    groups = [PROJECT["dependencies"], *EXTRAS.values()]
    found = [Requirement(line) for group in groups for line in group]
    return [r for r in found if not r.name.startswith(BROUGHT_BY_TORCH)]


def installed_extras() -> list[str]:
    code = (ROOT / "scripts" / "setup.py").read_text()
    found = re.search(r'extras = "([a-z,]+)"', code)
    assert found
    return found[1].split(",")


def needed(requirements: list[Requirement]) -> set[str]:
    """Return the names of these and of all they need, as installed here."""
    names: set[str] = set()
    todo = [(r.name, frozenset(r.extras)) for r in requirements]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen or name.startswith(BROUGHT_BY_TORCH):
            continue
        seen.add((name, extras))
        names.add(canonicalize_name(name))
        for line in importlib.metadata.requires(name) or []:
            found = Requirement(line)
            contexts = [{"extra": extra} for extra in extras or {""}]
            if not found.marker or any(map(found.marker.evaluate, contexts)):
                todo.append((found.name, frozenset(found.extras)))
    return names


@pytest.mark.parametrize("requirement", declared(), ids=lambda r: r.name)
def test_pin_lies_in_the_declared_range(requirement: Requirement) -> None:
    assert pins()[canonicalize_name(requirement.name)] in requirement.specifier


def test_every_package_that_setup_installs_is_pinned() -> None:
    groups = [
        PROJECT["dependencies"],
        *(EXTRAS[extra] for extra in installed_extras()),
    ]
    requirements = [Requirement(line) for group in groups for line in group]
    assert needed(requirements) - pins().keys() == set()


def imports(path: Path) -> Iterator[str]:
    """Yield the top-level name of every absolute import in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.split(".")[0]


def test_every_imported_package_is_declared() -> None:
    ours = {canonicalize_name(requirement.name) for requirement in declared()}
    packages = importlib.metadata.packages_distributions()
    undeclared = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / "src").rglob("*.py")
        for name in set(imports(path)) - sys.stdlib_module_names - {"micrec_pyg"}
        if not ours & set(map(canonicalize_name, packages.get(name, [name])))
        # optional: without it another kernel is taken
        and not name.startswith(BROUGHT_BY_TORCH)
    }
    assert undeclared == set()


def files_under(folder: Path) -> set[str]:
    files = {p.relative_to(folder) for p in folder.rglob("*") if p.is_file()}
    return {p.as_posix() for p in files if "__pycache__" not in p.parts}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    subprocess.run([*command, "-d", folder], cwd=ROOT, check=True)
    (found,) = folder.glob("*.whl")
    return found


def test_wheel_has_code_conf_and_types(wheel: Path) -> None:
    code = files_under(ROOT / "src" / "micrec_pyg")
    conf = {f"conf/{name}" for name in files_under(ROOT / "conf")}
    assert {"py.typed", "schema.py"} <= code
    assert any(name.endswith(".yaml") for name in conf)
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == {f"micrec_pyg/{name}" for name in code | conf}


# A process of its own, once for all that only a fresh one shows.
TRAIN = """
import sys, micrec_pyg
assert {*micrec_pyg.__all__} <= {*dir(micrec_pyg)}
heavy = {"torch", "polars", "hydra", "numpy"} & {*sys.modules}
assert not heavy, heavy
size = ["data.num_users=60", "data.num_items=40", "fit.max_epochs=1", "K=0"]
run = micrec_pyg.train("data=synthetic", "features=none", *size)
encoders = {"sentence_transformers", "timm", "open_clip", "torchvision"}
assert not encoders & {*sys.modules}, encoders & {*sys.modules}
print(micrec_pyg.__file__, run.path)
"""


def test_the_wheel_alone_is_light_and_trains_from_an_empty_folder(
    wheel: Path, tmp_path: Path
) -> None:
    installed, empty = tmp_path / "installed", tmp_path / "empty"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    empty.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", TRAIN],
        cwd=empty,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "training: " in done.stderr  # it tells its steps where nobody asked
    place, run = done.stdout.split()  # and nothing else
    assert Path(place).is_relative_to(installed)
    assert (empty / run / "metrics.json").is_file()


def test_every_folder_of_code_is_a_package() -> None:
    # Without __init__.py, type checks and the layer contracts pass it over.
    folders = {path.parent for path in (ROOT / "src" / "micrec_pyg").rglob("*.py")}
    assert [f for f in folders if not (f / "__init__.py").exists()] == []


def test_citation_has_the_version() -> None:
    text = (ROOT / "CITATION.cff").read_text()
    assert re.findall(r"^version: (.+)$", text, re.M) == [micrec_pyg.__version__]


def make(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run make as if from a shell, also where `make test` runs these tests."""
    outer = {"MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "PYTHON"}
    return subprocess.run(
        ["make", *arguments],
        cwd=cwd,
        env={key: value for key, value in os.environ.items() if key not in outer},
        capture_output=True,
        text=True,
    )


def test_help_is_the_default_and_lists_every_target() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.M)
    assert phony
    lines = [line.split(maxsplit=2) for line in make(cwd=ROOT).stdout.splitlines()]
    assert [line[:2] for line in lines] == [["make", t] for t in phony[1].split()]
    assert all(len(line) == 3 for line in lines)


@pytest.mark.parametrize(
    ("python", "complaint"),
    [("too_old", "too_old is not one"), ("", "none was found")],
)
def test_setup_refuses_a_python_that_is_too_old(
    tmp_path: Path, python: str, complaint: str
) -> None:
    for name in ["Makefile", "pyproject.toml", "constraints.txt"]:
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "setup.py").touch()
    old = tmp_path / "too_old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = make("setup", f"PYTHON={python and old}", cwd=tmp_path)
    assert done.returncode != 0
    assert "Python >= 3.11 is needed" in done.stderr
    assert complaint in done.stderr
    assert "PYTHON=" in done.stderr


@pytest.fixture
def setup() -> ModuleType:
    path = ROOT / "scripts" / "setup.py"
    spec = importlib.util.spec_from_file_location("micrec_setup", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_wheel_folder_counts_only_with_the_pinned_wheels_of_both(
    setup: ModuleType, tmp_path: Path
) -> None:
    tag = "cp311-cp311-linux_x86_64.whl"
    (tmp_path / f"torch_scatter-{setup.pinned('torch-scatter')}-{tag}").touch()
    (tmp_path / f"torch_sparse-0.0.1-{tag}").touch()
    assert not setup.complete(tmp_path)
    (tmp_path / f"torch_sparse-{setup.pinned('torch-sparse')}-{tag}").touch()
    assert setup.complete(tmp_path)


def test_wheels_are_looked_for_in_the_own_cache_then_in_shared(
    setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(setup, "ask", lambda code: "cp311-torch2.13.0+cpu-linux")
    assert setup.wheel_folders() == [
        tmp_path / "micrec_pyg" / "wheels" / "cp311-torch2.13.0+cpu-linux",
        ROOT.parent / "shared" / "wheels" / "cp311-torch2.13.0+cpu-linux",
    ]


def test_a_page_that_does_not_answer_counts_as_absent(setup: ModuleType) -> None:
    assert not setup.answers((ROOT / "no-such-page").as_uri())
    assert setup.answers((ROOT / "pyproject.toml").as_uri())
