"""Commands run in this process, on small generated data, and leave no trace."""

import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from micrec_pyg.cli import config, preset, reproduce
from micrec_pyg.cli import main as command
from micrec_pyg.cli.train import train_job
from micrec_pyg.runs.build import conf_dir

Micrec = Callable[..., int]


@pytest.fixture
def micrec(monkeypatch: pytest.MonkeyPatch) -> Iterator[Micrec]:
    """Yield a function that runs a command line and returns its exit code."""
    ctrl_c = signal.getsignal(signal.SIGINT)  # a command keeps it until its end

    def run(*argv: object) -> int:
        monkeypatch.setattr(sys, "argv", ["micrec", *map(str, argv)])
        return command.main()

    yield run
    signal.signal(signal.SIGINT, ctrl_c)


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


def settings_of(data_root: Path, output: Path) -> list[str]:
    return [
        "data=synthetic",
        f"data.root={data_root}",
        "data.num_users=60",
        "data.num_items=40",
        "data.with_images=false",
        "features=none",
        f"features.cache_dir={data_root}/features",
        f"cache_dir={data_root}/knn",
        f"output_dir={output}",
        "device=cpu",
        "fit.max_epochs=2",
    ]


@pytest.fixture
def own_conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of conf/ that the command line reads."""
    copy = Path(shutil.copytree(conf_dir(), tmp_path / "conf"))
    monkeypatch.setattr(config, "conf_dir", lambda: copy)
    return copy


@pytest.fixture
def toy_preset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Return a function that makes a text the preset ``toy``, and the only one."""
    folder = tmp_path / "presets"
    folder.mkdir()
    for module in (preset, reproduce):
        monkeypatch.setattr(module, "preset_folder", lambda: folder)

    def make(text: str) -> None:
        (folder / "toy.yaml").write_text(text)

    return make


@pytest.fixture
def small(data_root: Path, tmp_path: Path) -> list[str]:
    """Return the overrides of a run that takes a moment."""
    return settings_of(data_root, tmp_path / "outputs")


@pytest.fixture(scope="session")
def _trained(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("trained") / "outputs"
    return train_job(settings_of(data_root, output))


@pytest.fixture
def ready(_trained: Path, tmp_path: Path) -> Path:
    """Return the folder of the run of ``small``: trained once, copied for each test."""
    outputs = _trained.parents[2]
    return Path(shutil.copytree(outputs, tmp_path / "outputs")) / _trained.relative_to(
        outputs
    )


@pytest.fixture
def runs(tmp_path: Path) -> Callable[[], list[Path]]:
    """Return a function that lists the folders of complete runs."""

    def find() -> list[Path]:
        return sorted(p.parent for p in (tmp_path / "outputs").rglob("metrics.json"))

    return find


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a file and returns its path."""

    def write(text: str, name: str = "file.csv") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write
