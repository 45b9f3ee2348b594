"""What workers say."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

SCRIPT = """
import logging
from concurrent.futures import ThreadPoolExecutor
from micrec_pyg.cli.pool import worker_pool

def work(number):
    logger = logging.getLogger("micrec_pyg.anything")
    logger.info("not shown")
    logger.warning("of the data\\x1b[31m")
    logger.warning("of run %d", number)

if __name__ == "__main__":
    with worker_pool(2) as pool:
        list(pool.map(work, range(8)))
"""


def test_a_worker_says_each_warning_once(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    said = Counter(done.stderr.splitlines())
    assert said.pop(r"of the data\x1b[31m") in (1, 2)  # how many workers were needed
    assert said == {f"of run {number}": 1 for number in range(8)}
