import os
import platform

import pytest

from micrec_pyg.cli.process import keep_freed_memory, prepare


def test_glibc_accepts_the_settings() -> None:
    expected = platform.libc_ver()[0] == "glibc"
    assert keep_freed_memory() is expected


def test_a_user_decides_over_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    prepare()
    assert os.environ["HF_HUB_OFFLINE"] == "0"
