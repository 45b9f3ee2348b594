"""``micrec data audit``: exit codes, waivers, files, and leaks planted in a folder."""

import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from micrec_pyg.cli.data import audit as data_audit
from micrec_pyg.cli.data.main import SUBCOMMANDS
from micrec_pyg.data.audit.finding import CHECKS
from micrec_pyg.graph import stage_graphs

SPLITS = [
    "random",
    "new_nodes",
    "zero_edge",
    "new_interactions",
    "history_elsewhere",
    "leave_one_out",
    "user_time",
    "global_time",
]
SHARED = [("ml100k_posters", split) for split in SPLITS]

Audit = Callable[..., int]


@pytest.fixture
def audit(micrec, capsys) -> Audit:
    """Return a function that audits quickly and returns the exit code."""

    def run(*settings: object) -> int:
        return micrec("data", "audit", *settings, "features=none", "device=cpu")

    return run


@pytest.fixture
def synthetic(data_root) -> list[str]:
    return [
        "data=synthetic",
        f"data.root={data_root}",
        "data.num_users=40",
        "data.num_items=30",
        "data.with_images=false",
    ]


def write_shop(root: Path, change=lambda name, rows: rows, *, header="timestamp"):
    """Write two domains that share users; ``change`` plants something."""
    rng = random.Random(0)
    time = 10**9
    for name in ("food", "tools"):
        rows = []
        for user in range(20):
            for item in rng.sample(range(15), 6):
                time += 60
                rows.append((f"u{user}", f"{name}{item}", time))
        rng.shuffle(rows)
        folder = root / name
        folder.mkdir(parents=True)
        lines = ["\t".join(map(str, row)) for row in change(name, rows)]
        text = "\n".join([f"user\titem\t{header}", *lines])
        (folder / "interactions.tsv").write_text(text + "\n", encoding="utf-8")
        items = [f"{name}{item}\t{name} {item}" for item in range(15)]
        text = "\n".join(["item\ttitle", *items])
        (folder / "items.tsv").write_text(text + "\n", encoding="utf-8")
    return root


def twice(name, rows):
    return [*rows, rows[0]] if name == "food" else rows


def twice_but_for_case(name, rows):
    user, *others = rows[0]
    return [*rows, (user.upper(), *others)] if name == "food" else rows


def labels(name, rows):
    """Return a ready split, one pair of which has two labels."""
    marked = [(u, i, n % 3) for n, (u, i, _) in enumerate(rows)]
    return [*marked, (*marked[0][:2], 2)] if name == "food" else marked


def test_clean_data_passes(audit, tmp_path, capsys):
    shop = write_shop(tmp_path / "shop")
    assert audit(shop) == 0
    out = capsys.readouterr().out
    assert out.startswith("audit of data=shop split=random seed=0\n")
    assert "leak class: user_future (the protocol permits: user_future)" in out
    assert out.endswith("passed\n")
    assert "ERROR" not in out


@pytest.mark.parametrize("split", SPLITS)
def test_every_protocol_is_clean_on_generated_data(audit, synthetic, split, capsys):
    assert audit(*synthetic, f"split={split}") == 0
    assert "ERROR" not in capsys.readouterr().out


@pytest.mark.parametrize("graph", ["graph=union", "neighbors=cooccurrence", "K=0"])
def test_controls_are_clean(audit, synthetic, graph, capsys):
    assert audit(*synthetic, graph) == 0
    assert ("skipped: neighbors" in capsys.readouterr().out) == (
        graph != "neighbors=cooccurrence"
    )


def test_an_error_fails_unless_it_is_waived(audit, tmp_path, capsys):
    shop = write_shop(tmp_path / "shop", twice_but_for_case)
    assert audit(shop) == 1
    out = capsys.readouterr().out
    assert "ERROR  near_duplicates  food" in out
    assert out.endswith("failed: 1 errors\n")
    for waiver in (["--waive", "near_duplicates"], ["audit.waive=[near_duplicates]"]):
        assert audit(shop, *waiver) == 0
        out = capsys.readouterr().out
        assert "waived  near_duplicates  food" in out
        assert out.endswith("passed\n")
    assert audit(shop, "--waive", "overlap", "--waive", "future_edges") == 1


def test_repeated_purchases_are_a_note_for_the_option_decides(audit, tmp_path, capsys):
    shop = write_shop(tmp_path / "shop", twice)
    assert audit(shop) == 0
    out = capsys.readouterr().out
    assert re.search(r"^note +duplicates +food +1 ", out, re.MULTILINE)
    assert out.endswith("passed\n")


@pytest.mark.parametrize(
    "setting", ["audit.waive=[overlaps]", "audit.waive=overlaps", "--waive=overlaps"]
)
def test_a_wrong_waiver_lists_the_checks(audit, tmp_path, capsys, setting):
    assert audit(write_shop(tmp_path / "shop"), setting) == 2
    err = capsys.readouterr().err
    assert "waive=overlaps" in err
    assert all(name in err for name in CHECKS)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("audit.forgive=[overlap]", "give audit.waive=[...] or audit.claim=..."),
        ("audit.waive=[a", "audit.waive, line 1, column 3: "),
        ("audit.claim=past", "claim=past: give one of none, global_future"),
        ("splt=random", "unknown key 'splt'"),
    ],
)
def test_other_wrong_settings(audit, tmp_path, capsys, setting, message):
    assert audit(write_shop(tmp_path / "shop"), setting) == 2
    assert message in capsys.readouterr().err


def test_a_missing_folder_is_refused(audit, tmp_path, capsys):
    assert audit(tmp_path / "nothing") == 2
    assert "no such folder" in capsys.readouterr().err


def test_a_claim_is_held_against_the_data(audit, tmp_path, capsys):
    shop = write_shop(tmp_path / "shop")
    assert audit(shop, "audit.claim=none") == 1
    assert "future_edges" in capsys.readouterr().out
    assert audit(shop, "--claim", "user_future") == 0


def test_a_pair_with_two_labels(audit, tmp_path, capsys):
    shop = write_shop(tmp_path / "shop", labels, header="x_label")
    assert audit(shop, "split=ready") == 1
    out = capsys.readouterr().out
    assert "ERROR  overlap" in out
    assert "leak class: overlap" in out


def test_exchanged_columns(audit, tmp_path, capsys):
    shop = write_shop(
        tmp_path / "shop",
        lambda name, rows: [(i, u, t) for u, i, t in rows] if name == "food" else rows,
    )
    assert audit(shop) == 1
    assert "ERROR  swapped_columns" in capsys.readouterr().out


def test_the_findings_as_json(audit, tmp_path, capsys):
    shop = write_shop(tmp_path / "shop", twice_but_for_case)
    path = tmp_path / "audit.json"
    assert audit(shop, "seed=3", "--json", path, "--waive", "near_duplicates") == 0
    written = json.loads(path.read_text())
    findings = written.pop("findings")
    assert written.pop("skipped")[0].startswith("neighbors, user_features: no item")
    assert written == {
        "schema": 1,
        "dataset": "shop",
        "split": "random",
        "seed": 3,
        "leak_class": "user_future",
        "permitted_leak_class": "user_future",
        "passed": True,
        "waived": ["near_duplicates"],
    }
    (finding,) = [f for f in findings if f["check"] == "near_duplicates"]
    assert finding["level"] == "waived"
    assert (finding["where"], finding["count"]) == ("food", 2)
    assert "user 'u" in finding["examples"][0].lower()


def test_texts_that_are_not_encoded_are_left_alone(micrec, tmp_path, capsys):
    shop = write_shop(tmp_path / "shop")
    cache = f"features.cache_dir={tmp_path}/features"
    assert micrec("data", "audit", shop, cache, "device=cpu") == 0
    assert "skipped: neighbors, user_features: an audit encodes nothing" in (
        capsys.readouterr().out
    )
    assert not (tmp_path / "features").exists()


def test_precomputed_vectors_are_looked_at(audit, tmp_path, capsys, monkeypatch):
    """The whole way from files to similarity edges, with a graph that cheats."""
    import polars as pl

    shop = write_shop(tmp_path / "shop")
    rng = random.Random(1)
    for name in ("food", "tools"):
        vectors = [[rng.gauss(0, 1) for _ in range(4)] for _ in range(15)]
        pl.DataFrame(
            {"item": [f"{name}{n}" for n in range(15)], "vector": vectors}
        ).write_parquet(shop / name / "audio.parquet")
    settings = [shop, "+graph.modality_weights.audio=1", f"cache_dir={tmp_path}/knn"]
    assert audit(*settings) == 0
    assert "skipped" not in capsys.readouterr().out

    honest = stage_graphs.domain_graph

    def cheating(domain, edges, **options):
        everything = honest(domain, domain.interactions.edges, **options)
        data = honest(domain, edges, **options)
        similar = ("user", "similar", "user")
        for key in ("adj_t", "adj", "perm"):
            data[similar][key] = everything[similar][key]
        return data

    monkeypatch.setattr(stage_graphs, "domain_graph", cheating)
    assert audit(*settings) == 1
    out = capsys.readouterr().out
    assert "ERROR  user_features  food (test graph)" in out
    assert "hidden_messages" not in out


def test_a_split_that_changes_is_found(audit, synthetic, capsys, monkeypatch):
    from micrec_pyg.data.splits import at_random as module

    honest, calls = module.random_ratio, []

    def moody(domains, *, ratios, seed):
        calls.append(seed)
        return honest(domains, ratios=ratios, seed=seed + len(calls))

    monkeypatch.setattr(module, "random_ratio", moody)
    # its name is not that of the protocol, so what it promises is inferred
    assert audit(*synthetic) == 1
    assert "ERROR  unstable_split" in capsys.readouterr().out


def test_no_graph_is_built_on_a_broken_split(audit, synthetic, capsys, monkeypatch):
    from micrec_pyg.data.splits import at_random as module

    honest = module.random_ratio

    def leaky(domains, *, ratios, seed):
        splits = honest(domains, ratios=ratios, seed=seed)
        return {
            name: replace(split, train=torch.cat([split.train, split.test], dim=1))
            for name, split in splits.items()
        }

    monkeypatch.setattr(module, "random_ratio", leaky)
    assert audit(*synthetic) == 1
    out = capsys.readouterr().out
    assert "ERROR  overlap" in out
    assert "leak class: overlap" in out
    assert "skipped: graphs: the split is broken" in out
    # a waiver does not mend it
    assert audit(*synthetic, "--waive", "overlap") == 0
    assert "skipped: graphs" in capsys.readouterr().out


def test_help_names_every_check(micrec, capsys):
    with pytest.raises(SystemExit) as end:
        micrec("data", "audit", "--help")
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in CHECKS)
    assert "cross_domain_future, user_future" in out


def test_the_subcommands(micrec, capsys):
    assert micrec("data", "--help") == 0
    out = capsys.readouterr().out
    assert all(f"  {name}" in out for name in SUBCOMMANDS)
    for argv in (["data"], ["data", "audits"]):
        assert micrec(*argv) == 2
        assert f"give one of {', '.join(SUBCOMMANDS)}" in capsys.readouterr().err


def test_faults_that_stop_the_graphs_are_checks():
    assert data_audit.BROKEN <= set(CHECKS)


@pytest.mark.fuzz
@pytest.mark.shared
@pytest.mark.parametrize(
    ("data", "split"),
    [
        *SHARED,
        pytest.param("food_kitchen", "global_time", marks=pytest.mark.fuzz),
    ],
)
def test_no_false_alarm_on_real_data(audit, shared_data, capsys, data, split):
    path = shared_data / {"food_kitchen": "amazon_food_kitchen"}.get(data, data)
    assert audit(f"data={data}", f"data.path={path}", f"split={split}") == 0
    assert "ERROR" not in capsys.readouterr().out
