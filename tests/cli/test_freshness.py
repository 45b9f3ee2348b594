"""The study of additions gives what the service would give, and counts as a test."""

import json
import re
import shutil
from pathlib import Path

import polars as pl
import pytest
import torch

from micrec_pyg.cli.freshness import main
from micrec_pyg.cli.python import train
from micrec_pyg.inference.recommender import load
from micrec_pyg.report.freshness import curve, freshness_grid
from micrec_pyg.runs.freshness import freshness
from micrec_pyg.schema import InputError

USERS, ITEMS, PERIODS = 20, 24, 3


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Return a catalogue whose interactions have times, in two domains."""
    root = tmp_path_factory.mktemp("shop")
    generator = torch.Generator().manual_seed(0)
    for place, name in enumerate(("food", "kitchen")):
        edges = (torch.rand(USERS, ITEMS, generator=generator) < 0.7).nonzero()
        edges = edges[torch.randperm(len(edges), generator=generator)]
        table = pl.DataFrame(
            {
                "user": [f"u{user}" for user, _ in edges.tolist()],
                "item": [f"{name}{item}" for _, item in edges.tolist()],
                # the clocks of both run side by side, and some times are equal
                "timestamp": [
                    10**9 + 3600 * (n // 3) + place for n in range(len(edges))
                ],
            }
        )
        (root / name).mkdir()
        table.write_csv(root / name / "interactions.csv")
        items = pl.DataFrame({"item": table["item"].unique(maintain_order=True)})
        items.write_csv(root / name / "items.csv")
        vectors = torch.randn(items.height, 6, generator=generator)
        items.with_columns(vector=pl.Series(vectors.tolist())).write_parquet(
            root / name / "text.parquet"
        )
    return root


@pytest.fixture(scope="module")
def trained(shop, tmp_path_factory):
    """Return a function that trains on the shop."""
    out = tmp_path_factory.mktemp("runs")

    def run(*settings, path=shop):
        return train(
            "data=tables",
            f"data.path={path}",
            "features=none",
            f"features.cache_dir={out}/features",
            f"cache_dir={out}/knn",
            f"output_dir={out}/outputs",
            "device=cpu",
            "split=global_time",
            "fit.max_epochs=2",
            "rank.ks=[5]",
            "fit.metric=recall@5",
            "model.net.dim=8",
            *settings,
        )

    return run


@pytest.fixture(scope="module")
def run(trained, tmp_path_factory):
    """Return a run, studied once: the next fixture has the table of it."""
    place = tmp_path_factory.mktemp("studied")
    return Path(shutil.copytree(trained("model=micrec").path, place / "run"))


@pytest.fixture(scope="module")
def table(run):
    return freshness(run, periods=PERIODS)


def parts_of(shop, run, name):
    """Return the interactions by part, and those of the test span by period."""
    pairs = pl.read_csv(shop / name / "interactions.csv")
    split = pl.read_parquet(run / "artefact" / "split" / f"{name}.parquet")
    return pairs.join(split.select("user", "item", "part"), on=["user", "item"])


def moments_of(shop, run):
    """Return when the periods of the test span begin, by counting one by one."""
    every = pl.concat(parts_of(shop, run, n) for n in ("food", "kitchen"))
    first = every.filter(part="test")["timestamp"].min()
    times = sorted(t for t in every["timestamp"] if t >= first)
    return [times[len(times) * period // PERIODS] for period in range(PERIODS)]


@pytest.mark.parametrize("added", [0, PERIODS - 1])
def test_additions_are_those_of_the_service(shop, run, table, added):
    moments = moments_of(shop, run)
    rec = load(run)
    for name in rec.domains:
        pairs = parts_of(shop, run, name)
        known = pairs.filter(pl.col("timestamp") < moments[added])
        rec.add_interactions(known.select("user", "item"), domain=name)
    for name in rec.domains:
        pairs = parts_of(shop, run, name)
        hidden = pairs.filter(pl.col("timestamp") >= moments[-1])
        users = hidden["user"].unique(maintain_order=True)
        lists = rec.recommend(users=users, domain=name, k=5)
        assert {*lists["reason"]} <= {"history", "content"}
        recalls = []
        for user in users:
            wanted = {*hidden.filter(user=user)["item"]}
            recalls.append(
                len(wanted & {*lists.filter(user=user)["item"]}) / len(wanted)
            )
        row = table.filter(domain=name, periods=added, answers="added").row(
            0, named=True
        )
        assert row["recall@5"] == pytest.approx(sum(recalls) / len(recalls))
        assert row["users"] == len(users)
        between = (pairs["timestamp"] >= moments[0]) & (
            pairs["timestamp"] < moments[added]
        )
        assert row["interactions"] == between.sum()
        assert row["days"] == pytest.approx((moments[added] - moments[0]) / 86400)


def test_all_answers_are_to_the_same_pairs_and_begin_alike(table):
    assert table["pairs"].n_unique() == 2  # one number per domain
    first = table.filter(periods=0)
    assert first["answers"].to_list() == 2 * ["added", "nothing", "retrained"]
    for name in ("food", "kitchen"):
        assert first.filter(domain=name)["recall@5"].n_unique() == 1
        nothing = table.filter(domain=name, answers="nothing")
        assert nothing["recall@5"].n_unique() == 1
        assert nothing["periods"].to_list() == [0, 1, 2]


def test_a_retrained_model_is_that_of_a_run_of_that_moment(shop, trained, run, table):
    """One of the same settings, under a split that ends where the period begins."""
    moments = moments_of(shop, run)
    every = pl.concat(parts_of(shop, run, n) for n in ("food", "kitchen"))
    before = every.filter(pl.col("timestamp") < moments[-1]).height
    after = every.height - before
    ratios = f"[{before * 7 / 8},{before / 8},{after}]"
    other = trained("model=micrec", f"split.ratios={ratios}")
    found = freshness(Path(other.path), periods=2)
    # its whole test span is our last period, and it is not cut further at period 0
    rec = load(other.path)
    for name in rec.domains:
        known = parts_of(shop, run, name).filter(pl.col("timestamp") < moments[-1])
        rec.add_interactions(known.select("user", "item"), domain=name)
        hidden = parts_of(shop, run, name).filter(pl.col("timestamp") >= moments[-1])
        lists = rec.recommend(users=hidden["user"].unique(), domain=name, k=5)
        hits = lists.join(hidden, on=["user", "item"]).group_by("user").len()
        recall = hidden.group_by("user").len("wanted").join(hits, on="user", how="left")
        mean = (recall["len"].fill_null(0) / recall["wanted"]).mean()
        row = table.filter(domain=name, periods=PERIODS - 1, answers="retrained")
        assert row["recall@5"][0] == pytest.approx(mean)
    assert found.height == 2 * 2 * 3


@pytest.mark.usefixtures("table")
def test_it_counts_as_a_test(run):
    record = json.loads((run / "metrics.json").read_text())
    assert record["test_evaluations"] == 1
    assert "test" not in record
    assert "- test evaluations: 1" in (run / "run_card.md").read_text()


def test_the_command_writes_table_and_picture(
    run, table, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("micrec_pyg.cli.freshness.freshness", lambda *a, **b: table)
    output = tmp_path / "curve"
    assert main([str(run), "--periods", "2", "--output", str(output)]) == 0
    told = capsys.readouterr().out
    assert told.startswith("recall@5 of the last of 2 periods, 1 run\nperiods")
    written = {path.name for path in output.iterdir()}
    names = {f"freshness.{ending}" for ending in ("csv", "md", "svg", "pdf")}
    assert written == names
    svg = (output / "freshness.svg").read_text()
    assert {*re.findall(r'id="line (\w+)"', svg)} == {"added", "retrained", "nothing"}


def test_the_metric_that_selects_is_ranked_too(trained, tmp_path, capsys):
    run = trained("model=lightgcn", "fit.metric=recall@7").path
    assert main([run, "--periods", "2", "--output", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("recall@7 of the last of 2 periods")


def test_the_grid_is_the_mean_of_seeds_and_domains():
    table = pl.DataFrame(
        [
            {
                "seed": seed,
                "domain": domain,
                "periods": periods,
                "interactions": 10 * periods,
                "days": 1.5 * periods,
                "answers": answers,
                "ndcg@5": base + gain * periods + 0.02 * seed + shift,
            }
            for seed in (0, 1)
            for domain, shift in (("A", 0.0), ("B", 0.1))
            for periods in (0, 1)
            for answers, base, gain in (
                ("nothing", 0.1, 0.0),
                ("added", 0.1, 0.3),
                ("retrained", 0.1, 0.4),
            )
        ]
    )
    head, first, last = freshness_grid(curve(table, "ndcg@5"))
    assert head[3:] == ["retrained", "added", "nothing", "share of the gain"]
    assert first == ["0", "0.0", "0", *["0.1600 ± 0.0141"] * 3, "-"]
    assert last[:3] == ["1", "1.5", "20"]
    assert last[3:] == [
        "0.5600 ± 0.0141",
        "0.4600 ± 0.0141",
        "0.1600 ± 0.0141",
        "75%",
    ]
    with pytest.raises(InputError, match=r"metric ndcg@7: give one of ndcg@5"):
        curve(table, "ndcg@7")


@pytest.mark.parametrize(
    ("settings", "periods", "message"),
    [
        pytest.param(
            ["model=micrec", "split=random"],
            3,
            "give a run under split=global_time",
            marks=pytest.mark.fuzz,
        ),
        pytest.param(
            ["model=bpr_mf"],
            3,
            "has no answer for new users",
            marks=pytest.mark.fuzz,
        ),
        (["model=micrec"], 1, "periods=1: give 2 or more"),
        (["model=micrec"], 10_000, "the test span has .* moments"),
    ],
)
def test_what_it_cannot_answer_is_refused(trained, settings, periods, message):
    run = trained(*settings)
    with pytest.raises(InputError, match=message):
        freshness(Path(run.path), periods=periods)
    record = json.loads((Path(run.path) / "metrics.json").read_text())
    assert record["test_evaluations"] == 0


def test_runs_without_a_mean_are_refused_before_a_test_set_is_opened(
    shop, trained, run, tmp_path
):
    evaluations = json.loads((run / "metrics.json").read_text())["test_evaluations"]
    other, again, more = (
        trained("model=lightgcn", *each).path
        for each in (["seed=1"], ["split=random"], [])
    )
    twin = shutil.copytree(run, tmp_path / "twin")
    for given, message in [
        ([run, "--metric", "ndcg@7"], "metric ndcg@7: give one of recall@5"),
        ([run, "--periods", "1"], "periods=1: give 2 or more"),
        ([run, again], "was split by random"),
        ([run, twin], "both have seed=0"),
        ([run, more], "both have seed=0"),
        ([run, other], "of several settings: .* micrec, .* lightgcn"),
    ]:
        with pytest.raises(InputError, match=message):
            main([*map(str, given)])
    record = json.loads((run / "metrics.json").read_text())
    assert record["test_evaluations"] == evaluations


def test_a_domain_without_pairs_in_the_last_period_has_no_rows(shop, trained, tmp_path):
    early = shutil.copytree(shop, tmp_path / "shop")
    table = pl.read_csv(early / "kitchen" / "interactions.csv")
    past = table.sort("timestamp").head(table.height * 17 // 20)
    past.write_csv(early / "kitchen" / "interactions.csv")
    found = freshness(Path(trained("model=lightgcn", path=early).path), periods=PERIODS)
    assert {*found["domain"]} == {"food"}
    assert found.height == 3 * PERIODS
