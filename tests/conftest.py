"""What all tests share: one thread, no network, and where data may be."""

import os
from pathlib import Path

# Before anything is imported that reads them. Two test processes with two threads
# each would fight over two cores; a test never waits for a network.
os.environ.update(
    HF_HUB_OFFLINE="1",
    OMP_NUM_THREADS="1",
    POLARS_MAX_THREADS="1",
    TOKENIZERS_PARALLELISM="false",
    TRANSFORMERS_OFFLINE="1",
    WANDB_MODE="disabled",
)

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
# How long an example takes says nothing on a busy machine.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of larger real data sets; skips where there is none."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs ../shared/data")
    return SHARED_DATA


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked for a GPU or for shared data where that is missing."""
    missing = {
        "gpu": not torch.cuda.is_available(),
        "shared": not SHARED_DATA.is_dir(),
    }
    for item in items:
        for mark, absent in missing.items():
            if absent and item.get_closest_marker(mark):
                item.add_marker(pytest.mark.skip(reason=f"marked '{mark}'"))
