"""The ten lines of docs/own_catalogue.md do and print what the page says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from printed import same_text

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "own_catalogue.md").read_text("utf-8")
SECTION = PAGE.split("## In ten lines\n")[1].split("\n## ")[0]


@pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("awk")), reason="needs bash and awk"
)
@pytest.mark.fuzz  # slow: every command of the page
def test_the_ten_lines_print_what_the_page_shows(tmp_path: Path) -> None:
    lines = re.findall(r"^    (.*)$", SECTION, re.MULTILINE)
    commands = [line.split()[1:] for line in lines if line.startswith("micrec ")]
    env = {k: v for k, v in os.environ.items() if k != "MICREC_DATA"}
    env["PYTHONPATH"] = str(ROOT / "src")

    def run(*argv: str) -> str:
        done = subprocess.run(
            argv, cwd=tmp_path, env=env, check=True, capture_output=True, text=True
        )
        return done.stdout

    tables = "\n".join(line for line in lines if not line.startswith("micrec "))
    run("bash", "-ec", tables)
    micrec = [sys.executable, "-m", "micrec_pyg"]
    check, stats, train, tested = [run(*micrec, *argv) for argv in commands]
    sizes, training, test = re.findall(r"```text\n(.*?)```", SECTION, re.DOTALL)
    assert (check + stats).startswith(sizes)
    # of some 140 users some may find another item on another kind of CPU
    # the first line names the best epoch, which may be another there
    ours, theirs = (without_id(text).partition("\n")[2] for text in (train, training))
    assert same_text(ours, theirs, within=0.05)
    path, *tables = tested.splitlines()
    assert path == train.splitlines()[-1]
    (first,) = [n for n, line in enumerate(tables) if "recall@20" in line]
    head, *rows = [line.split() for line in tables[first : first + 4]]
    columns = ["domain", "group", "recall@20", "ndcg@20", "precision@20"]
    places = [head.index(name) for name in columns]
    shown = "\n".join(" ".join(row[n] for n in places) for row in (head, *rows))
    assert same_text(shown, test.replace("...", ""), within=0.05)


def without_id(text: str) -> str:
    """Return a text without the digits of the run, which change with any setting."""
    return re.sub(r"-s0-[0-9a-f]{8}", "", text)
