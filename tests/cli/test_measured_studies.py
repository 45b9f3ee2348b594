"""Studies of what is measured beside the metrics, and a domain taken alone."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from micrec_pyg.cli import reproduce
from micrec_pyg.cli.config import experiment
from micrec_pyg.cli.pool import Job, Outcome
from micrec_pyg.cli.reproduce import main
from micrec_pyg.cli.studies.main import Asked
from micrec_pyg.cli.studies.paper import run_paper
from micrec_pyg.cli.studies.study import Manifest
from micrec_pyg.report.compare import Cell
from micrec_pyg.report.heat_figure import means
from micrec_pyg.report.pairs import Pairs
from micrec_pyg.report.transfer_figure import per_user_shares
from micrec_pyg.report.tsne_figure import Cloud, draw_clouds
from micrec_pyg.runs.inputs import data_digests, read_data
from micrec_pyg.schema import InputError

MANIFEST = """
title: One
studies: [transfer]
tuning: nothing
seeds: [0]
overrides: [data=synthetic]
splits: [split=random]
metrics: [ndcg@20]
"""
TRANSFER = """
title: Transfer
question: Whom?
needs: [shared_users]
view: transfer
rows:
  - {label: Joint, overrides: [model=popularity]}
  - {label: DOMAIN alone, overrides: [model=popularity, "data.only=[DOMAIN]"]}
"""


def test_transfer_of_a_model_that_knows_no_other_domain_is_none(
    small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one.yaml").write_text(MANIFEST)
    (tmp_path / "one" / "transfer.yaml").write_text(TRANSFER)
    monkeypatch.setattr(reproduce, "preset_folder", lambda: tmp_path)
    given = [each for each in small if not each.startswith("output_dir")]
    out = tmp_path / "out"
    assert main(["preset=one", "--jobs", "1", f"--output-dir={out}", *given]) == 0
    folder = out / "studies" / "synthetic"
    shares = pl.read_csv(folder / "transfer.csv")
    # joint and alone, every user has the same lists: the same data and split
    assert set(shares["domain"]) == {"d0", "d1"}
    assert shares["equal"].to_list() == [1.0] * shares.height
    assert (folder / "transfer.svg").is_file()
    assert "## split random" in (folder / "transfer.md").read_text()
    assert r"\caption{split random, share of users." in (
        (folder / "transfer.tex").read_text()
    )


def test_a_study_of_support_edges_has_its_own_numbers(
    small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one").mkdir()
    manifest = MANIFEST.replace("transfer", "support").replace("random", "new_nodes")
    (tmp_path / "one.yaml").write_text(manifest)
    monkeypatch.setattr(reproduce, "preset_folder", lambda: tmp_path)
    given = [each for each in small if not each.startswith("output_dir")]
    out = tmp_path / "out"
    nodes = []
    for counts in ("0 1 9", "0 1", "0 1 9"):
        (tmp_path / "one" / "support.yaml").write_text(
            f"{{title: Support, question: When, view: support_edges, "
            f"steps: [support_edges {counts}], "
            "rows: [{label: Popularity, overrides: [model=popularity]}]}"
        )
        assert main(["preset=one", "--jobs", "1", f"--output-dir={out}", *given]) == 0
        table = pl.read_csv(out / "studies" / "synthetic" / "support.csv")
        assert " ".join(map(str, table["edges"].unique().sort())) == counts
        nodes.append(table.filter(edges=0)["nodes"].sum())
    assert nodes[1] > nodes[0] == nodes[2]


def _digests(argv: list[str]) -> dict[str, str]:
    run = experiment(argv)
    return data_digests(read_data(run), run.settings["features"])


def test_a_domain_alone_has_the_facts_that_it_has_with_the_others(tmp_path) -> None:
    """Facts are counted over the domains as read, and so is the id of the run."""
    for name, first in (("a", 0), ("b", 2), ("c", 9)):
        (tmp_path / "shop" / name).mkdir(parents=True)
        pairs = [f"u{u},i{i}" for u in range(5) for i in range(6) if (u + i) % 3]
        text = "\n".join(["user,item", *pairs, ""])
        (tmp_path / "shop" / name / "interactions.csv").write_text(text)
        facts = [f"i{i},r,e{(i + first) // 2}" for i in range(6)]
        text = "\n".join(["item,relation,entity", *facts, ""])
        (tmp_path / "shop" / name / "kg.csv").write_text(text)
    (tmp_path / "shop" / "c" / "kg.csv").unlink()
    own = ["data=tables", f"data.path={tmp_path}/shop", "features=none", "device=cpu"]

    def encoded(*more: str):
        run = experiment([*own, *more])
        return run.encode(read_data(run))

    joint, alone = encoded(), encoded("data.only=[a]")
    assert list(alone) == ["a"]
    assert torch.equal(
        alone["a"].features["kg"].values, joint["a"].features["kg"].values
    )
    assert alone["a"].digest == joint["a"].digest
    # an earlier version counted the facts of the domain alone: that is another run
    assert _digests([*own, "data.only=[a]"])["a"] != _digests(own)["a"]
    for same in (["features.kg=null", "data.only=[a]"], ["data.only=[c]"]):
        assert _digests([*own, *same]).items() <= _digests(own).items()


def test_a_domain_alone_is_what_it_was_with_the_others(small: list[str]) -> None:
    filters = "data.filters.users=shared"
    every = _digests([*small, filters])
    alone = _digests([*small, filters, "data.only=[d1]"])
    assert alone == {"d1": every["d1"]}
    with pytest.raises(InputError, match=r"only=\['d7'\]: give some of d0, d1"):
        read_data(experiment([*small, "data.only=[d7]"]))


def test_shares_of_users_by_hand() -> None:
    difference = np.array([-0.5, 0.0, 0.25, 0.5])
    pairs = Pairs(difference, 0.1, 0.2, {0: 0.0625}, 0)
    names = {"domain": "A", "group": "all", "metric": "m", "reference": "r"}
    cell = Cell(**names, model="ours", pairs=pairs, result=None)
    none = Cell(**names, model="theirs", pairs=None, result=None)
    (row,) = per_user_shares([cell, none]).to_dicts()
    assert (row["worse"], row["equal"], row["better"]) == (0.25, 0.25, 0.5)
    assert row["users"] == 4
    assert row["difference"] == 0.0625


def test_a_heat_map_has_means_in_the_order_of_numbers() -> None:
    runs = pl.DataFrame(
        {
            "K": ["10", "3", "3", "10"],
            "gamma": ["0", "0", "0", "1"],
            "value": [0.5, 0.1, 0.3, 0.7],
        }
    )
    rows, columns, table = means(runs, "K", "gamma")
    assert rows == ["3", "10"]
    assert columns == ["0", "1"]
    assert table[0][0] == pytest.approx(0.2)
    assert table[1] == [0.5, 0.7]
    assert np.isnan(table[0][1])


@pytest.mark.fuzz
def test_a_picture_of_shared_users_is_the_same_for_the_same_vectors(
    tmp_path: Path,
) -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 30, 8, generator=generator)
    clouds = [Cloud("gamma 0, z: mean rank 9", first, second, ("A", "B"))]
    once, again = (
        draw_clouds(clouds, tmp_path / name, seed=0)[0].read_bytes() for name in "xy"
    )
    assert once == again
    assert b"mean rank 9" in once


@pytest.mark.fuzz
def test_a_dry_run_of_the_paper_tells_every_step_and_fetches_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def sizes(settings: list[str]) -> tuple[dict[object, int | None], str]:
        assert "data=amazon2018" in settings
        remote = type("Remote", (), {"url": "https://example.org/ratings.csv"})()
        return {remote: 6_000_000_000}, "6,000,000,000 bytes of ratings\n"

    monkeypatch.setattr("micrec_pyg.cli.data.fetch.sizes", sizes)
    assert main(["preset=paper", "--dry-run", f"--output-dir={tmp_path}/out"]) == 0
    said = capsys.readouterr().out
    for pair in ("food_kitchen", "beauty_electronics", "toy_game"):
        assert f"# {pair}\n1. fetch: micrec data fetch data=amazon2018" in said
    assert said.count("about 10 min at 10 MB/s") == 3
    assert said.count("at most 150,000,000 ratings") == 3
    assert said.count("micrec tune model=") == 3 * 9
    assert said.count("3. tune: 180 trials") == 3
    assert not (tmp_path / "out").exists()


def test_the_paper_needs_a_preset_of_studies(tmp_path: Path) -> None:
    asked = Asked(None, None, None, (), str(tmp_path), 1, True, "micrec")
    with pytest.raises(InputError, match="preset=none: a preset of studies is needed"):
        run_paper({"preset": "none"}, tmp_path, asked)


def test_a_pair_that_cannot_be_had_ends_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "presets"
    (folder / "small").mkdir(parents=True)
    (folder / "small.yaml").write_text(MANIFEST)
    (folder / "small" / "transfer.yaml").write_text(TRANSFER)
    values = {
        "pairs": ["away", "broken", "here"],
        "preset": "small",
        "tuning": "{trials} trials",
        "tune": [],
        "trials": 2,
        "overrides": [],
    }
    took: list[str] = []

    def fetch(settings: list[str]) -> int:
        if "pair=away" in settings:
            raise InputError("no such address")
        return 0

    def studies(manifest: Manifest, asked: Asked) -> Outcome:
        took.append(manifest.values["overrides"][-1])
        lost = ["study transfer: no table"] if "pair=broken" in took[-1] else []
        job = Job(took[-1], took[-1], ())
        return Outcome(folders={job: tmp_path / took[-1] / "m" / "r"}, unwritten=lost)

    def report(argv: list[str]) -> int:
        if "pair=broken" in argv[0]:
            raise InputError("the disk is full")
        return 0

    monkeypatch.setattr("micrec_pyg.cli.studies.paper.fetch.main", fetch)
    monkeypatch.setattr("micrec_pyg.cli.studies.paper.run_studies", studies)
    monkeypatch.setattr("micrec_pyg.cli.studies.paper.report.main", report)
    monkeypatch.setattr(Manifest, "drafts", lambda *_, **__: [])
    asked = Asked(None, None, None, (), str(tmp_path), 1, False, "micrec")
    outcome = run_paper(values, folder, asked)
    assert took == ["pair=broken", "pair=here"]
    assert [job.label for job in outcome.folders] == took
    assert outcome.unwritten == [
        "pair=away: no such address",
        "pair=broken, study transfer: no table",
        "pair=broken: the disk is full",
    ]
