"""The commands of docs/scale.md, and the model that predicts the next size."""

import importlib
import json
import subprocess
import sys

import pytest


@pytest.fixture
def scale(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root))
    return importlib.import_module("benchmarks.scale")


def test_the_next_size_follows_from_the_two_before_it(scale):
    seconds = {1: 99.0, 10: 2.0, 100: 16.0}  # eight times for each factor of ten
    assert scale.predicted(seconds, "s", 1000) == pytest.approx(128)
    memory = {1: 99.0, 10: 300.0, 100: 1200.0}  # 200 and 10 for each
    assert scale.predicted(memory, "MB", 1000) == pytest.approx(10_200)


def test_the_largest_measured_size_is_predicted_from_the_others(scale):
    time, of_all, memory, _ = scale.lines(1e9)
    known = scale.measured()["s"]
    largest = max(known)
    smaller = {size: value for size, value in known.items() if size != largest}
    expected = scale.predicted(smaller, "s", largest)
    assert f"predicted {expected:,.1f}, measured {known[largest]:,.1f} s" in time
    assert "1,000,000,000 interactions" in of_all
    assert memory.startswith("peak memory of the run")


def test_the_sizes_are_those_of_one_machine(scale, tmp_path):
    rows = [
        {
            "part": "growth",
            "name": f"{scale.UNITS[unit]}, {size}",
            "unit": unit,
            "interactions": size,
            "ours": size * factor,
            "machine": {"CPU": cpu},
        }
        for cpu, factor in (("Abacus, 2 rods", 2.0), ("Slide rule, 1 cursor", 3.0))
        for size in (10, 100)
        for unit in scale.UNITS
    ]
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(rows))
    assert scale.measured(path=path)["s"] == {10: 20.0, 100: 200.0}
    assert scale.measured("slide", path)["MB"] == {10: 30.0, 100: 300.0}
    with pytest.raises(SystemExit, match=r"measured were Abacus, 2 rods; Slide rule"):
        scale.measured("loom", path)


@pytest.mark.fuzz
@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["ingest", "--lines", "20000"], "20,000 lines"),
        (["unit_costs", "--interactions", "2000", "--nodes", "2000"], "[20, 10, 5]"),
    ],
    ids=["ingest", "unit_costs"],
)
def test_the_commands_of_the_page_measure(root, argv, told):
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{argv[0]}", *argv[1:]],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert told in done.stdout
