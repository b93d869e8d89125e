"""The whole road with a trained model: data, MLflow's registry, lists with reasons, outcomes back."""

import json
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient
from openpyxl.worksheet.worksheet import Worksheet
from small_town import AS_OF, NEEDS, iso, town_rows
from week_lists import change, columns_of, fill

from features.point_in_time.records import date_of
from models.registry.registry import NAME
from models.registry.tracking import registry_address
from service.cli.commands import commands
from service.console.terminal import run

HISTORY = 420  # days of requests: two folds


def write_town(directory: Path) -> Path:
    """A small town as CSV files, its sensitive need included."""
    directory.mkdir()
    rows = town_rows(households=80, requests=2500)
    rows["requests"] = [row for row in rows["requests"] if row["requested_at"] >= iso(AS_OF - HISTORY)]
    rows["residents"] = [{**row, "valid_from": "2020-01-01"} for row in rows["residents"]]
    for table, content in rows.items():
        pd.DataFrame(content).to_csv(directory / f"{table}.csv", index=False)
    settings = {"community": {"name": "西山社区"}, "needs": [dict(need) for need in NEEDS]}
    (directory / "community.yaml").write_text(yaml.safe_dump(settings, allow_unicode=True), "utf-8")
    return directory


def xianying(workspace: Path, *args: str) -> int:
    """Run a command; its exit code."""
    return run(lambda: commands(["--workspace", str(workspace), *args], standalone_mode=False))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which a model was trained and lists were made."""
    home = tmp_path_factory.mktemp("road")
    town, day = write_town(home / "town"), str(date_of(AS_OF))
    assert xianying(home / "workspace", "ingest", str(town)) in (0, 3)
    assert xianying(home / "workspace", "retrain", "--as-of", day) == 0
    assert xianying(home / "workspace", "outreach", "--as-of", day) == 0
    return home / "workspace"


def test_the_registry_holds_the_champion_with_a_run_for_each_need(workspace: Path) -> None:
    address = registry_address(workspace)
    client = MlflowClient(address, address)
    version = client.get_model_version_by_alias(NAME, "champion")
    assert version.version == "1" or version.version == 1
    runs = client.search_runs([one.experiment_id for one in client.search_experiments()])
    needs = {run.data.tags["need"] for run in runs if "mlflow.parentRunId" in run.data.tags}
    assert needs == {str(need["id"]) for need in NEEDS}


def test_scores_are_probabilities_that_tell_households_apart(workspace: Path) -> None:
    scores = pd.read_parquet(workspace / "scores.parquet")
    assert scores["p_request"].between(0, 1).all()
    assert scores.groupby("need")["p_request"].nunique().min() > 10
    ranked = scores.sort_values(["need", "rank"])
    assert ranked.groupby("need")["p_need"].apply(lambda p: bool((np.diff(p) <= 0).all())).all()


def test_lists_give_reasons_with_facts_and_hide_what_is_sensitive(workspace: Path) -> None:
    week = workspace / "weeks" / str(date_of(AS_OF))
    visits = pd.read_parquet(week / "outreach.parquet")
    targeted = visits[visits["arm"] == "targeted"]
    assert targeted["reason"].str.contains(r"\d").mean() > 0.9
    assert not visits["reason"].str.contains("requests_").any()  # facts, never names of features
    assert "refuge" in set(visits["need"])
    for path in week.glob("grid-*.html"):
        assert "家暴" not in path.read_text("utf-8")
    assert "家暴" in (week / "coordinators.html").read_text("utf-8")


def test_the_week_says_what_each_grid_gets_beside_its_expected_need(workspace: Path) -> None:
    groups = pd.read_csv(workspace / "weeks" / str(date_of(AS_OF)) / "groups.csv").set_index("group")
    grids = groups[groups.index.str.startswith("grid=")]
    for share in ("share_of_list", "share_of_need"):
        assert grids[share].sum() == pytest.approx(1)
    assert (groups["recall_low"] <= groups["recall_high"]).all()


def test_without_random_visits_every_output_says_that_silence_is_not_corrected(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day = str(date_of(AS_OF))
    week = workspace / "weeks" / day
    scores = pd.read_parquet(workspace / "scores.parquet")
    assert (scores["p_need"] == scores["p_request"]).all()
    capsys.readouterr()
    for command in ("score", "outreach", "demand"):
        assert xianying(workspace, command, "--as-of", day) == 0
        assert "没有纠正“不开口”" in capsys.readouterr().out, command
    for path in [*week.glob("grid-*.html"), week / "coordinators.html", week / "overview.html"]:
        assert "从没开过口的家庭也可能有需要" in path.read_text("utf-8")
    for path in week.glob("grid-*.xlsx"):
        sheet = openpyxl.load_workbook(path).worksheets[0]
        assert "从没开过口的家庭也可能有需要" in str(sheet["A3"].value)
    (served,) = (workspace / "served").glob(f"{day}-*/week.json")
    assert json.loads(served.read_text("utf-8"))["silence_corrected"] is False


def test_outcomes_come_back_and_rest_their_households(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    week = workspace / "weeks" / str(date_of(AS_OF))
    book = sorted(week.glob("grid-*.xlsx"))[0]
    change(book, lambda sheet: fill(sheet, ["需要", "不需要", "未遇见"]))
    listed = pd.read_parquet(week / "outreach.parquet")
    assert xianying(workspace, "record", str(book)) == 0
    assert "记录 3 条结果" in capsys.readouterr().out
    assert xianying(workspace, "outreach", "--as-of", str(date_of(AS_OF + 7))) == 0
    later = pd.read_parquet(workspace / "weeks" / str(date_of(AS_OF + 7)) / "outreach.parquet")
    first = listed[listed["grid_id"] == book.stem.removeprefix("grid-")].iloc[0]
    assert first["household_id"] not in set(later["household_id"])


def test_the_service_shows_what_was_registered(workspace: Path) -> None:
    from served_town import As, served

    with served(workspace) as client:
        chen = As(client, "chen")
        (found,) = chen.get("/v1/models").json()
        assert found["version"] == 1 and found["alias"] == "champion" and found["metrics"]
        files = chen.get("/v1/models/1").json()["files"]
        assert "model_card.zh.md" in files and any(name.endswith(".png") for name in files)
        assert "西山社区" in chen.get("/v1/models/1/card").text
        assert chen.get("/v1/models/1/files/..%2F..%2Fmodels.json").status_code == 404
        assert chen.get("/v1/models/2").status_code == 404
        assert As(client, "li").get("/v1/models").status_code == 403


def test_a_refusal_in_a_workbook_leaves_the_same_weeks_list_at_once(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day = str(date_of(AS_OF + 14))
    assert xianying(workspace, "outreach", "--as-of", day) == 0
    week = workspace / "weeks" / day
    book = sorted(week.glob("grid-*.xlsx"))[0]
    answers = {"反馈": "不要再来", "满意度": 1, "备注": "以为是推销"}

    def refuse(sheet: Worksheet) -> None:
        header, columns = columns_of(sheet)
        for title, value in answers.items():
            sheet.cell(header + 1, columns[title], value)

    header, columns = columns_of(openpyxl.load_workbook(book).worksheets[0])
    home = openpyxl.load_workbook(book).worksheets[0].cell(header + 1, columns["户号"]).value
    change(book, refuse)
    for _ in range(2):  # the second time nothing is new
        assert xianying(workspace, "record", str(book)) == 0
    assert "1 户从现在起不再上名单" in capsys.readouterr().out
    assert xianying(workspace, "outreach", "--as-of", day) == 0
    assert home not in set(pd.read_parquet(week / "outreach.parquet")["household_id"])
    assert "不要再来" in (week / "overview.html").read_text("utf-8")
    sheet = openpyxl.load_workbook(week / "coordinators.xlsx")["居民反馈"]
    told = {str(cell.value) for row in sheet.iter_rows() for cell in row}
    assert {home, "以为是推销", "以后不上名单"} <= told
    capsys.readouterr()
    assert xianying(workspace, "monitor", "--as-of", day) == 3  # with an alarm to look at
    assert "不要再来 1/1" in capsys.readouterr().out
