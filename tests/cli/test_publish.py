"""The dashboard, with wandb's own client and a server in this process behind it."""

import base64
import json
import logging
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from micrec_pyg.cli.tracking import publish as publishing
from micrec_pyg.cli.tracking.values import setting_of

Micrec = Callable[..., int]
Rows = dict[str, Any]

# wandb-workspaces still writes its checks as pydantic 1 wanted them
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic V1 style")

BEST = "val/average/ndcg@20.max"


class Server:
    """Answers what the client asks, as wandb's server does; keeps views in memory."""

    app_url = base_url = "https://wandb.test/"

    def __init__(self, **_: object) -> None:
        self.views: dict[str, Rows] = {}
        self.runs = ["inmo-first", "inmo-second"]
        self.asked: list[str] = []
        self.error: Exception | None = None
        self.project = True

    def authenticate(self) -> None:
        """Accept any key."""

    def execute_graphql(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        parse: Callable[[str], Any] = json.loads,
        **_: object,
    ) -> Any:
        found = re.search(r"(?:query|mutation) (\w+)", query)
        assert found
        self.asked.append(found[1])
        if self.error is not None:
            raise self.error
        return parse(json.dumps(getattr(self, f"_{found[1]}")(dict(variables or {}))))

    def _GetDefaultEntity(self, given: Rows) -> Rows:  # noqa: N802
        return {"viewer": {"id": "1", "entity": "me"}}

    def _Runs(self, given: Rows) -> Rows:  # noqa: N802
        if not self.project:
            return {"project": None}
        assert json.loads(given["filters"]) == {"config.model": "inmo"}
        assert given["order"] == "+created_at"
        edges = [{"cursor": n, "node": {"name": n, "id": n}} for n in self.runs]
        page = {"endCursor": None, "hasNextPage": False}
        runs = {"edges": edges, "pageInfo": page}
        return {"project": {"internalId": "7", "runCount": len(edges), "runs": runs}}

    def _View(self, given: Rows) -> Rows:  # noqa: N802
        return self._all(
            lambda v: v["name"] == given["viewName"] and v["type"] == given["viewType"]
        )

    def _ProjectViews(self, given: Rows) -> Rows:  # noqa: N802
        return self._all(lambda view: view["type"] == "runs")

    def _all(self, wanted: Callable[[Rows], bool]) -> Rows:
        edges = [{"cursor": i, "node": v} for i, v in self.views.items() if wanted(v)]
        page = {"endCursor": None, "hasNextPage": False}
        return {"project": {"allViews": {"edges": edges, "pageInfo": page}}}

    def _upsertView(self, given: Rows) -> Rows:  # noqa: N802
        key = given.get("id") or f"view-{len(self.views)}"
        inserted = key not in self.views
        self.views[key] = {
            **{k: given[k] for k in ("name", "displayName", "type", "spec")},
            "description": given["description"],
            "id": key,
            "project": {"id": "7", "name": "p", "entityName": given["entityName"]},
        }
        return {"upsertView": {"view": self.views[key], "inserted": inserted}}

    _UpsertView2 = _upsertView

    def _ProjectInternalId(self, given: Rows) -> Rows:  # noqa: N802
        return {"project": {"id": "7", "internalId": "7"}}

    def _GetProjects(self, given: Rows) -> Rows:  # noqa: N802
        node = {
            "id": "7",
            "name": "p",
            "entityName": given["entity"],
            "createdAt": "2026-01-01T00:00:00Z",
            "isBenchmark": False,
            "user": None,
        }
        page = {"endCursor": None, "hasNextPage": False}
        return {"models": {"edges": [{"cursor": "7", "node": node}], "pageInfo": page}}

    def spec(self, kind: str) -> Rows:
        """Return the content of the only view of a kind."""
        (view,) = [v for v in self.views.values() if v["type"] == kind]
        found: Rows = json.loads(view["spec"])
        return found


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    made = Server()
    monkeypatch.setattr("wandb.apis.public.api.ServiceApi", lambda **_: made)
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    return made


def _run(root: Path, model: str, seed: int, test: float | None) -> None:
    folder = root / f"{model}-{seed}"
    folder.mkdir(parents=True)
    record: Rows = {"schema": 1, "dataset": "toy", "model": model, "seed": seed}
    record |= {"split": "random"}
    for part, value in (("val", 0.5), ("test", test)):
        if value is not None:
            numbers = {"recall@20": value, "ndcg@20": value, "precision@20": value}
            record[part] = {"a": {"all": {**numbers, "users": 3}}}
    (folder / "metrics.json").write_text(json.dumps(record))
    settings = {"dataset": "toy", "split_name": "random", "seed": seed}
    settings |= {"model": {"name": model}, "fit": {"lr": 0.1}}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    (folder / "history.jsonl").touch()


@pytest.fixture
def tested(tmp_path: Path) -> Path:
    root = tmp_path / "runs"
    _run(root, "inmo", 0, 0.25)
    _run(root, "inmo", 1, 0.35)
    _run(root, "secret", 0, None)
    return root


def _panels(spec: Rows) -> dict[str, list[Rows]]:
    sections = spec["section"]["panelBankConfig"]["sections"]
    return {section["name"]: section["panels"] for section in sections}


def test_twice_gives_one_view_and_one_report(
    server: Server, micrec: Micrec, tested: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert micrec("wandb", "publish", "p", "--runs", tested) == 0
        kinds = sorted(view["type"] for view in server.views.values())
        assert kinds == ["project-view", "runs"]
    addresses = capsys.readouterr().out.split()
    assert addresses[:2] == addresses[2:]
    assert addresses[0] == "https://wandb.test/me/p?nw=micrecboard"
    assert addresses[1].startswith("https://wandb.test/me/p/reports/")


def test_a_report_of_another_title_stays(
    server: Server, micrec: Micrec, tested: Path
) -> None:
    given = {"name": "n", "displayName": "mine", "type": "runs", "spec": "{}"}
    server._upsertView({**given, "description": "", "entityName": "me"})
    assert micrec("wandb", "publish", "p", "--runs", tested) == 0
    titles = [view["displayName"] for view in server.views.values()]
    assert titles == ["mine", "MICRec", "MICRec: results"]


def test_the_view_asks_for_what_runs_log(server: Server, micrec: Micrec) -> None:
    assert micrec("wandb", "publish", "p", "--entity", "team") == 0
    assert "GetDefaultEntity" not in server.asked
    spec = server.spec("project-view")
    panels = _panels(spec)
    assert [*panels] == [
        "Validation per epoch",
        "Losses",
        "Test",
        "Settings",
        "Runs side by side",
    ]
    line = panels["Validation per epoch"][0]["config"]
    assert line["metrics"] == ["val/average/ndcg@20"]
    assert line["xAxis"] == "epoch"
    assert line["groupBy"] == "setting.value"
    assert (line["groupAgg"], line["groupArea"]) == ("mean", "stddev")
    best = panels["Validation per epoch"][-1]["config"]
    assert best["metrics"] == [BEST]
    parallel, importance = panels["Settings"]
    assert [column["accessor"] for column in parallel["config"]["columns"]] == [
        "config:K.value",
        "config:w.value",
        "config:gamma.value",
        f"summary:{BEST}",
    ]
    assert BEST in json.dumps(importance)
    (runs,) = spec["section"]["runSets"]
    baseline = base64.b64decode(runs["baselineRunId"]).decode()
    assert baseline == "Run:v1:inmo-first:p:team"


def test_without_inmo_there_is_no_baseline(
    server: Server, micrec: Micrec, capsys: pytest.CaptureFixture[str]
) -> None:
    server.runs = []
    assert micrec("wandb", "publish", "p") == 0
    assert "no baseline is set" in capsys.readouterr().err
    (runs,) = server.spec("project-view")["section"]["runSets"]
    assert "baselineRunId" not in runs


def test_the_table_has_evaluated_runs_alone(tested: Path, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        text = publishing.headline_of(tested)
    assert "| inmo | 0.3000 ± 0.0707 |" in text
    assert "secret" not in text
    assert "1 run has no test results" in caplog.text


def test_the_report_has_the_table(server: Server, micrec: Micrec, tested: Path) -> None:
    assert micrec("wandb", "publish", "p", "--runs", tested) == 0
    blocks = server.spec("runs")["blocks"]
    (table,) = [b for b in blocks if b["type"] == "markdown-block"]
    assert table["content"] == publishing.headline_of(tested)


def test_without_an_evaluated_run_nothing_is_asked(
    server: Server, micrec: Micrec, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(tmp_path / "runs", "mf", 0, None)
    assert micrec("wandb", "publish", "p", "--runs", tmp_path / "runs") == 2
    assert "evaluate the runs first" in capsys.readouterr().err
    assert server.asked == []


def _comm_error() -> Exception:
    import wandb.errors

    return wandb.errors.CommError("HTTP 503:\nthe server sleeps")


def _api_error() -> Exception:
    from wandb.sdk.lib.service.service_connection import WandbApiFailedError

    return WandbApiFailedError("permission denied")


@pytest.mark.parametrize("error", [_comm_error(), _api_error()])
def test_a_failure_is_one_sentence(
    server: Server,
    micrec: Micrec,
    error: Exception,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.error = error
    assert micrec("wandb", "publish", "p") == 1
    said = capsys.readouterr().err
    assert said.startswith("micrec: wandb failed: ")
    assert " ".join(str(error).split()) in said
    assert said.count("\n") == 1


def test_a_view_of_a_newer_app_is_not_overwritten(
    server: Server, micrec: Micrec, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"name": "nw-micrecboard-v", "displayName": "", "type": "project-view"}
    text = json.dumps({"version": 9})
    server._upsertView({**given, "spec": text, "description": "", "entityName": "me"})
    assert micrec("wandb", "publish", "p") == 1
    assert "please upgrade the `wandb-workspace` package" in capsys.readouterr().err
    assert server.views["view-0"]["spec"] == text


def test_a_missing_project_is_named(
    server: Server, micrec: Micrec, capsys: pytest.CaptureFixture[str]
) -> None:
    server.project = False
    assert micrec("wandb", "publish", "p") == 2
    assert "no project 'me/p'; send runs to it first" in capsys.readouterr().err
    assert server.views == {}


def test_the_extra_is_named_where_it_is_missing(
    micrec: Micrec,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(publishing, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    assert micrec("wandb", "publish", "p") == 2
    assert "pip install 'micrec-pyg[wandb]'" in capsys.readouterr().err


def test_a_failed_push_is_one_sentence(
    micrec: Micrec,
    tested: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import wandb

    def fail(**_: object) -> None:
        raise _comm_error()

    monkeypatch.setattr(wandb, "init", fail)
    assert micrec("wandb", "push", tested / "inmo-0") == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("micrec: wandb failed: HTTP 503: the server sleeps;")


def test_seeds_share_a_setting_and_nothing_else_does() -> None:
    settings = {
        "dataset": "toy",
        "split_name": "random",
        "split": {"seed": 0},
        "K": 3,
        "seed": 0,
        "model": {"name": "micrec"},
        "fit": {"lr": 0.1},
    }
    data = {"A": "abc"}
    name = setting_of(settings, data)
    assert re.fullmatch(r"toy random micrec K=3 [0-9a-f]{8}", name)
    assert setting_of({**settings, "seed": 1, "split": {"seed": 1}}, data) == name
    others = [
        {**settings, "fit": {"lr": 0.2}},
        {**settings, "K": 5},
        {**settings, "dataset": "other"},
        {**settings, "model": {"name": "inmo"}},
        {**settings, "split": {"seed": 7}},
        {**settings, "data": {"seed": 0}},  # it is not drawn anew by each seed
    ]
    names = {setting_of(each, data) for each in others}
    assert len({name, setting_of(settings, {"A": "changed"}), *names}) == 8


def test_seeds_of_one_data_set_share_a_setting() -> None:
    """Its own seed stays as it is, also where a run has the same number."""
    settings = {"dataset": "toy", "split_name": "random", "data": {"seed": 0}}
    runs = [{**settings, "model": {"name": "inmo"}, "seed": seed} for seed in (0, 1)]
    assert len({setting_of(each, {"A": "abc"}) for each in runs}) == 1
