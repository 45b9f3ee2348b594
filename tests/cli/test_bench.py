import importlib
import json
import shutil
from functools import partial

import numpy as np
import pytest
import torch

from micrec_pyg.cli.bench import PARTS, main
from micrec_pyg.schema import InputError


@pytest.fixture(autouse=True)
def _benchmarks(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root))


@pytest.fixture
def harness():
    return importlib.import_module("benchmarks.harness")


@pytest.fixture
def page():
    return importlib.import_module("benchmarks.page")


@pytest.fixture
def rows_of(tmp_path):
    """Return a function that measures a part on tiny data."""

    def run(part):
        assert main([part, "--quick", "--json", str(tmp_path / "rows")]) == 0
        return json.loads((tmp_path / "rows").read_text())

    return run


class Pretended:
    """A contender of ``harness.Worker``'s form whose turns take what they are told."""

    started: list[tuple[str, dict]]
    seconds: dict[str, float]

    def __init__(self, script, arguments, **_):
        text = json.dumps([script, arguments])
        self.started.append((script, arguments))
        self.took = next(v for key, v in self.seconds.items() if key in text)
        self.ready = {"seconds": self.took, "num_users": 3, "num_items": 2}
        self.ready["shares"] = self.shares = {"products": 60.0, "Adam": self.took}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def turn(self):
        return {
            "seconds": self.took,
            "peak_mb": 10 * self.took,
            "shares": self.shares,
        }


@pytest.fixture
def pretend(monkeypatch):
    """Return a function that lets a part meet pretended contenders."""

    def use(part, seconds):
        module = importlib.import_module(f"benchmarks.{part}")
        found = type("Found", (Pretended,), {"started": [], "seconds": seconds})
        monkeypatch.setattr(module, "Worker", found)
        return found

    return use


@pytest.mark.parametrize(
    "part",
    [
        "propagation",
        "sampler",
        pytest.param("ranking", marks=pytest.mark.fuzz),
    ],
)
def test_a_part_writes_rows_of_medians_and_their_ratio(rows_of, part):
    rows = rows_of(part)
    assert {row["part"] for row in rows} == {part}
    for row in rows:
        assert row["ours_low"] <= row["ours"] <= row["ours_high"]
        if row["peer"] is not None:
            assert row["ratio"] == pytest.approx(row["peer"] / row["ours"])
        else:
            assert row["ratio"] is None
            assert row["peer_name"] == "" or "not measured" in row["peer_name"]


def test_propagation_has_a_row_per_peer(rows_of):
    assert {"PyG gather-scatter", "torch.sparse.mm COO"} <= {
        row["peer_name"] for row in rows_of("propagation")
    }


def test_one_gpu_is_measured_row_by_row(tmp_path, harness, monkeypatch):
    if not torch.cuda.is_available():
        pytest.importorskip("triton")  # its interpreter stands in
    gpu = importlib.import_module("benchmarks.gpu")
    steps = importlib.import_module("benchmarks.gpu_steps")
    monkeypatch.setattr(steps, "MODELS", {"inmo": (2, 0)})
    monkeypatch.setattr(steps, "ONE_CARD_MODELS", ("inmo",))
    kept, path = [], tmp_path / "rows"
    keep = harness.Options.keep
    monkeypatch.setattr(
        harness.Options, "keep", lambda self, rows: kept.append(keep(self, rows))
    )
    rows = gpu.measure(harness.Options(quick=True, json=path))
    assert json.loads(path.read_text()) == rows
    assert len(kept) == len(rows)
    peers = {row["peer_name"] for row in rows}
    assert {"cuSPARSE", gpu.FLOOR, "128 users at a time"} < peers
    assert [row["same_lists"] for row in rows if "same_lists" in row] == [True]
    monkeypatch.setattr(gpu, "BUDGET_S", 0.0)
    assert len(gpu.measure(harness.Options(quick=True))) == 1


def test_without_a_gpu_nothing_is_measured(harness, monkeypatch):
    gpu = importlib.import_module("benchmarks.gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.measure(harness.Options()) == []


@pytest.mark.fuzz  # slow
def test_neighbours_are_those_of_faiss(rows_of):
    timed, memory = rows_of("knn")
    if timed["peer"] is None:
        pytest.skip(timed["peer_name"])
    # of 11 that faiss finds one is the node itself; ties may differ
    assert timed["same_neighbors"] > 0.999
    assert "first" not in memory["name"]  # the search came to its end


@pytest.mark.fuzz  # slow
def test_growth_is_measured_on_whole_runs(rows_of, monkeypatch):
    growth = importlib.import_module("benchmarks.growth")
    monkeypatch.setattr(growth, "QUICK_SIZES", (1000,))
    seconds, floor, memory = rows_of("growth")
    assert (seconds["unit"], memory["unit"]) == ("s", "MB")
    assert 0 < floor["ratio"] < 1
    assert memory["ours"] > 50  # Python and torch alone take more


def test_growth_is_compared_with_linear_growth(pretend, rows_of):
    pretend("growth", {"batch_size=205": 16.0, "batch_size=20": 2.0})
    rows = rows_of("growth")
    larger = [row for row in rows if row["interactions"] == 10_000]
    # ten times the data in eight times the seconds and memory
    compared = [row["ratio"] for row in larger if "linear" in row["peer_name"]]
    assert compared == [pytest.approx(10 / 8)] * 2


def test_the_floor_counts_what_a_step_moves():
    floor = importlib.import_module("benchmarks.floor")
    nodes, edges, dim = 5, 3, 2
    moved = 0
    for _ in range(4):  # three layers: two whole products forward, two backward
        for _ in range(2 * edges):  # both directions
            moved += 4 + 4 + 4 * dim  # an index, a weight, a row
        moved += nodes * 4 * dim
    moved += 2 * edges * (4 + 4) + nodes * 4 * dim
    moved += nodes * dim * 4 * (4 + 3)  # Adam reads four tables and writes three
    assert floor.bytes_of_step(nodes, edges, dim, 3) == moved
    assert floor.copy_speed(10**6) > 10**6


def test_an_epoch_is_compared_with_each_peer(pretend, rows_of):
    found = pretend(
        "epoch",
        {
            "rank.py": 0.0,
            "pyg_lightgcn.py": 12.0,
            "loss=ssm": 4.0,
            "model=lightgcn": 3.0,
            "model=micrec_plus": 18.0,
            "model=micrec": 9.0,
            "[food]": 2.0,
            "[kitchen]": 4.0,
            "model=inmo": 5.0,
        },
    )
    rows = {row["peer_name"]: row for row in rows_of("epoch")}
    assert rows["PyG's own LightGCN"]["ratio"] == pytest.approx(12 / 3)
    assert rows["own loss=bpr"]["ratio"] == pytest.approx(3 / 4)
    joint, apart = (row for name, row in rows.items() if name.startswith("own INMO"))
    assert joint["ratio"] == pytest.approx(5 / 9)
    assert apart["ratio"] == pytest.approx((2 + 4) / 9)
    assert rows["own MICRec"]["ratio"] == pytest.approx(9 / 18)
    absent = rows["RecBole 1.2.1 (not measured: quick)"]
    assert (absent["ours"], absent["peer"], absent["ratio"]) == (3.0, None, None)
    batches = {
        arguments.get("batch_size", 2048)
        for script, arguments in found.started
        if script != "rank.py"
    }
    assert batches == {2048}


def test_waiting_for_training_leaves_the_first_epoch_out(pretend, rows_of):
    pretend("startup", {"train.py": 5.0})
    _, _, waiting = rows_of("startup")
    assert waiting["ours"] == pytest.approx(-5.0, abs=0.5)  # ready at once


def test_contenders_take_turns(harness):
    order = []

    def contender(name):
        order.append(name)
        return {"seconds": float(len(order))}

    turns = {name: partial(contender, name) for name in ("ours", "peer")}
    assert harness.alternate(turns, 2) == {"ours": [1, 3], "peer": [2, 4]}
    assert order == ["ours", "peer", "ours", "peer"]


def test_a_contender_that_ends_says_why(harness, tmp_path, monkeypatch):
    monkeypatch.setattr(harness, "WORKERS", tmp_path)
    (tmp_path / "broken.py").write_text("raise SystemExit('no such package')")
    with pytest.raises(harness.CannotRunError, match="no such package"):
        harness.Worker("broken.py", {})


def test_a_contender_speaks_whatever_else_it_prints(harness, tmp_path, monkeypatch):
    source = (harness.WORKERS / "turns.py").read_text()
    (tmp_path / "turns.py").write_text(source)
    (tmp_path / "chatty.py").write_text(
        "from turns import Turns, arguments\n"
        "turns = Turns()\n"
        "print('chat')\n"
        "asked = turns.done()\n"
        "turns.done(seconds=arguments()[asked])\n"
        "print('never asked again')\n"
    )
    monkeypatch.setattr(harness, "WORKERS", tmp_path)
    with harness.Worker("chatty.py", {"this": 7, "that": 8}) as worker:
        assert worker.turn("that")["seconds"] == 8


def test_rates_are_better_when_larger(harness):
    faster = harness.row("x", "1/s", [8.0], [2.0], "peer", larger_is_better=True)
    assert faster["ratio"] == pytest.approx(4)


def test_a_target_is_judged_on_the_median(harness):
    target = harness.ratio_of(2)
    ours = [1.0, 2.0, 90.0]
    assert harness.row("x", "s", ours, [4.0], "peer", target=target)["met"] is True
    assert harness.row("x", "s", ours, [3.9], "peer", target=target)["met"] is False
    assert harness.row("x", "s", ours, None, "gone", target=target)["met"] is None
    limit = harness.at_most(1.5, "s")
    assert harness.row("x", "s", ours, None, "", target=limit)["met"] is False


@pytest.mark.fuzz
def test_the_page_shows_every_row_and_its_target(harness, page, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "ROOT", tmp_path)
    monkeypatch.setattr(page, "PAGE", tmp_path / "performance.md")
    monkeypatch.setattr(page, "FOLDER", tmp_path / "performance")
    row = harness.row
    rows = [
        row(
            "fast", "s", [0.001, 0.002, 0.003], [0.02], "A", target=harness.ratio_of(5)
        ),
        row("slow", "s", [3.0], [1.5], "B", target=harness.ratio_of(1)),
        row(
            "lone",
            "s",
            [1234.5],
            None,
            "C (not measured: x)",
            target=harness.at_most(1, "s"),
        ),
    ]
    rows = [{**r, "part": "epoch"} for r in rows]
    for size in (10, 100):
        for unit in ("s", "MB"):
            grown = row(f"{size}", unit, [size / 2], None, "", interactions=size)
            rows.append({**grown, "part": "growth"})
    abacus = {"CPU": "an abacus", "Date": "2026-01-02"}
    rows = page.with_others(rows, abacus)
    page.write(rows)
    text = (tmp_path / "performance.md").read_text()
    assert "1 of 2 measured targets are met; 1 could not be measured." in text
    assert (
        "| fast | 2.00 ms (1.00 ms to 3.00 ms) | A | 20.0 ms | **10.00** "
        "| ratio >= 5: met |"
    ) in text
    assert "| slow | 3.00 s | B | 1.50 s | **0.50** | ratio >= 1: missed |" in text
    assert (
        "| lone | 1,230 s | C (not measured: x) |  |  | <= 1 s: not measured |" in text
    )
    assert "| CPU | an abacus |" in text
    for name in ("ratios.svg", "growth.svg"):
        assert "<svg" in (tmp_path / "performance" / name).read_text()
    assert json.loads((tmp_path / "performance" / "rows.json").read_text()) == rows
    # one part measured anew: the others stay, in the order of the parts
    sampled = {**row("drawn", "s", [1.0], None, ""), "part": "sampler"}
    again = {**row("fast", "s", [0.5], None, ""), "part": "epoch"}
    page.write(page.with_others([sampled, again], abacus))
    kept = json.loads((tmp_path / "performance" / "rows.json").read_text())
    new = [{**each, "machine": abacus} for each in (again, sampled)]
    assert kept == [*new, *rows[3:]]
    # another machine has a table of its own
    rule = {"CPU": "a slide rule", "Date": "2026-03-04"}
    page.write(page.with_others([again], rule))
    kept = json.loads((tmp_path / "performance" / "rows.json").read_text())
    assert len(kept) == len(rows) + 1 - 3 + 2
    text = (tmp_path / "performance.md").read_text()
    tables = text.partition("## Training epoch")[2].partition("## Sampling")[0]
    assert tables.index("an abacus; 2026-01-02") < tables.index("rule; 2026-03-04")
    assert "`micrec bench knn --page`" in (tmp_path / "performance.md").read_text()


def test_the_page_explains_every_part(page):
    assert set(page.PARTS) == set(PARTS)
    for _, module in page.PARTS.values():
        assert len(module.__doc__.strip().split("\n\n")) > 1


def test_generated_data_has_the_asked_size(tmp_path):
    data = importlib.import_module("benchmarks.data")
    tables = importlib.import_module("micrec_pyg.data.files.tables")
    sizes = {"a": data.Size(100, 50, 700), "b": data.Size(80, 60, 500)}
    data.write(tmp_path, sizes, shared_users=30)
    users = {}
    for domain, size in sizes.items():
        table = tables.pl.read_csv(
            tmp_path / domain / "interactions.tsv", separator="\t"
        )
        assert len(table) == len(table.unique(["user", "item"])) == size.interactions
        users[domain] = set(table["user"])
        assert len(users[domain]) == pytest.approx(size.users, abs=5)
    assert len(users["a"] & users["b"]) == pytest.approx(30, abs=3)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_the_trial_of_prefetching_compares_equal_products(tmp_path):
    prefetch = importlib.import_module("benchmarks.prefetch")
    kernels = prefetch.compiled(tmp_path)
    found = prefetch.measure(3_000, kernels, 1)
    assert [name for name, _, _ in found] == ["to users", "to items"]
    assert all(set(medians) == set(kernels) for _, _, medians in found)
    wrong = {**kernels, "wrong": lambda *given: kernels["in use"](*given) + 1}
    with pytest.raises(AssertionError):
        prefetch.measure(3_000, wrong, 1)


def test_every_model_is_compared_with_its_published_code(
    pretend, harness, tmp_path, monkeypatch
):
    published = importlib.import_module("benchmarks.published")
    monkeypatch.setattr(published.peers, "python", lambda: "python of the peers")
    monkeypatch.setattr(published, "MOVIES", {"movies": published.data.TINY})
    halves = dict.fromkeys(published.HALVES, published.data.TINY)
    monkeypatch.setattr(published, "HALVES", halves)
    chosen = [p for p in published.PEERS if p.label in ("BPR-MF", "VBPR", "SMORE")]
    monkeypatch.setattr(published, "PEERS", chosen)
    found = pretend(
        "published",
        {
            **{"train.py": 2.0, "export.py": 0.0},
            **{"recbole_model.py": 3.0, "VBPR": 5.0, "SMORE": 1.0},
        },
    )
    rows = published.measure(harness.Options(runs=1, clones=tmp_path))
    assert [row["peer"] for row in rows] == [3.0, None, None]
    assert "clone in MMRec" in rows[1]["peer_name"]
    (tmp_path / "MMRec").mkdir()
    rows = published.measure(harness.Options(runs=1, clones=tmp_path))
    assert [row["ratio"] for row in rows] == [1.5, 2.5, 0.5]
    assert all(row["met"] for row in rows)
    of_ours = [given["overrides"] for name, given in found.started if name[0] == "t"]
    assert all("fit.batch_size=2048" in overrides for overrides in of_ours)
    theirs = found.started[-1][1]
    assert (theirs["batch_size"], theirs["model"]) == (2048, "SMORE")
    assert theirs["settings"]["n_ui_layers"] == 3


@pytest.mark.parametrize("halves", [True, False])
def test_published_codes_get_what_ours_trains_on(halves, harness, tmp_path):
    published = importlib.import_module("benchmarks.published")
    source = published._source(tmp_path / "data", halves, harness.Options(quick=True))
    file = tmp_path / "data.npz"
    given = {"overrides": [*source, "model=vbpr"], "data": str(file)}
    with harness.Worker("export.py", given):
        pass
    data = np.load(file)
    for domain in ("a", "b") if halves else ("movies",):
        train, items = data[f"{domain}/train"], int(data[f"{domain}/num_items"])
        size = published.data.TINY
        assert 0.6 * size.interactions < train.shape[1] <= 0.71 * size.interactions
        assert train[0].max() < int(data[f"{domain}/num_users"]) <= size.users
        assert train[1].max() < items <= size.items
        assert data[f"{domain}/text"].shape == (items, 384)
        assert data[f"{domain}/image"].shape == (items, published.IMAGE_WIDTH)
    first = "a" if halves else "movies"
    assert np.array_equal(data["train"], data[f"{first}/train"])


def test_the_profile_lists_the_longest_kernels_first(capsys):
    profile = importlib.import_module("benchmarks.gpu_profile")
    found = [profile.Kernel(0.0, 2.0, "a"), profile.Kernel(3.0, 5.0, "b" * 200)]
    lines = profile.summary([*found, profile.Kernel(9.0, 1.5, "a")])
    assert lines[0] == "3 kernels, busy 8 us"
    assert [line.split() for line in lines[1:]] == [
        ["5.0", "us", "1", "x", "b" * 88],
        ["3.5", "us", "2", "x", "a"],
    ]
    if not torch.cuda.is_available():
        assert profile.main([]) == 1
        assert "no CUDA device" in capsys.readouterr().out


def test_an_unknown_part_lists_the_parts():
    with pytest.raises(InputError, match="propagation"):
        main(["propagatoin"])


def test_no_turn_at_all_is_refused():
    with pytest.raises(InputError, match="1 or more"):
        main(["propagation", "--runs", "0"])


def test_a_folder_without_the_inmo_code_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"trainer\.py"):
        main(["epoch", "--inmo", str(tmp_path)])


def test_a_folder_of_clones_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        main(["published", "--clones", str(tmp_path / "none")])


def test_help_names_every_part(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert all(part in shown for part in PARTS)
