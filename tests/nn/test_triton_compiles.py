"""What the interpreter takes, the compiler takes too."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import micrec_pyg.nn

SCRIPT = Path(__file__).with_name("compile_triton.py")


def test_every_kernel_compiles_without_a_gpu(tmp_path):
    pytest.importorskip("triton.backends.nvidia")
    given = {n: v for n, v in os.environ.items() if n != "TRITON_INTERPRET"}
    sources = Path(micrec_pyg.nn.__file__).parent
    done = subprocess.run(
        [sys.executable, SCRIPT],
        env={
            **given,
            "TRITON_CACHE_DIR": str(tmp_path),
            "PYTHONPATH": str(sources.parents[1]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kernels = re.findall(
        r"@triton.jit\n@no_type_check\ndef (\w+)",
        "".join(path.read_text() for path in sources.glob("triton_*.py")),
    )
    assert sorted(done.stdout.split()) == sorted(kernels)
