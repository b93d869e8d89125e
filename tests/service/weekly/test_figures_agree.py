"""The figures of one week are the same wherever they stand: overview, needs list, workbook, tables, published week."""

import json
import re
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
import yaml
from fastapi.testclient import TestClient
from hand_made import GOOD, hand_made_model
from served_town import As, served

from features.ingest.ingest import ingest
from features.point_in_time.records import day_of, known_before
from features.simulation.simulate import simulate
from features.store.partitions import InMemory
from features.store.reader import read_records
from models.registry.champion import install_copy
from models.registry.tracking import registry_address
from service.weekly.demand_week import demand_week
from service.weekly.list_week import list_week
from service.weekly.week_directory import week_directory

DAY = date(2025, 7, 7)


class Tables(HTMLParser):
    """The tables of a page as rows of texts."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.cell = False

    def handle_starttag(self, tag: str, attrs: list) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.cell = False

    def handle_data(self, data: str) -> None:
        if self.cell:
            self.tables[-1][-1][-1] += data


def table_with(page: str, *titles: str) -> list[dict[str, str]]:
    """The rows of the table whose head holds these titles."""
    parser = Tables()
    parser.feed(page)
    (head, *rows) = next(table for table in parser.tables if {*titles} <= {*table[0]})
    return [dict(zip(head, row, strict=True)) for row in rows]


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("figures")
    simulate(place / "town", households=300, weeks=90, grids=3, microgrids=9, end=DAY, visit_share=0.05)
    workspace, settings = place / "workspace", place / "town" / "community.yaml"
    community = yaml.safe_load(settings.read_text("utf-8"))
    for fund in community["funds"]:
        fund["budget"] = 4000
    full = next(one for one in community["programmes"] if one["id"] == "job_fair")
    full["seats_taken"] = full["seats"]
    settings.write_text(yaml.safe_dump(community, allow_unicode=True), "utf-8")
    ingest(place / "town", workspace)
    records = read_records(workspace)
    made = workspace / "champion" / "made"
    hand_made_model(known_before(records, day_of(DAY)), GOOD).save(made)
    install_copy(workspace, registry_address(workspace), 1, made)
    for command in (
        lambda: list_week(
            workspace, InMemory(records), DAY, week_directory(workspace, DAY), lambda _: nullcontext()
        ),
        lambda: demand_week(workspace, InMemory(records), DAY, lambda _: nullcontext()),
    ):
        command()
    return week_directory(workspace, DAY)


def sheet_rows(path: Path, *titles: str) -> list[dict[str, object]]:
    """The rows below the header with these titles, in whichever sheet of a workbook."""
    for sheet in openpyxl.load_workbook(path).worksheets:
        rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
        for at, head in enumerate(rows):
            if {*titles} <= {*head}:
                below = rows[at + 1 :]
                end = next((n for n, row in enumerate(below) if row[0] in (None, "")), len(below))
                return [dict(zip(head, row, strict=True)) for row in below[:end]]
    raise AssertionError(titles)


def _shown(value: object) -> str:
    return "" if value is None else str(value)


def test_overview_needs_list_and_workbook_say_the_same_of_each_need(week: Path) -> None:
    overview = {
        row["需求"]: row
        for row in table_with((week / "overview.html").read_text("utf-8"), "需求", "剩余名额")
    }
    page = {
        row["需求"]: row
        for row in table_with((week / "needs-list.html").read_text("utf-8"), "需求", "剩余名额")
    }
    book = {str(row["需求"]): row for row in sheet_rows(week / "needs-list.xlsx", "需求", "剩余名额")}
    assert [*overview] == [*page] == [*book] and len(page) == 12
    for need, row in page.items():
        assert overview[need]["预计户数"] == row["预计户数"] == str(book[need]["预计户数"]), need
        assert overview[need]["大概范围"] == row["大概范围"] == str(book[need]["大概范围"]), need
        assert overview[need]["剩余名额"] == row["剩余名额"] == _shown(book[need]["剩余名额"]), need
        assert row["想要名额"] == row["预计户数"], need  # nobody's take-up is known


def test_the_grids_of_a_need_add_up(week: Path) -> None:
    page = (week / "overview.html").read_text("utf-8")
    total = {row["需求"]: int(row["预计户数"]) for row in table_with(page, "需求", "剩余名额")}
    for row in table_with(page, "需求", "G01"):
        assert sum(int(row[grid]) for grid in row if grid.startswith("G")) == total[row["需求"]], row
    by_grid = pd.DataFrame(sheet_rows(week / "needs-list.xlsx", "网格", "时段"))
    window = by_grid[by_grid["时段"] == "整段"].groupby("需求")["预计户数"].sum()
    assert window.to_dict() == total


def test_seats_on_the_lists_are_those_of_the_needs_list(week: Path) -> None:
    programmes = {str(row["项目"]): row for row in sheet_rows(week / "needs-list.xlsx", "项目", "剩余")}
    told = {}
    for path in week.glob("grid-*.html"):
        for name, left in re.findall(r"(\w+)（\d+ 个名额，约剩 (\d+)", path.read_text("utf-8")):
            told.setdefault(name, set()).add(int(left))
    assert told
    for name, left in told.items():
        assert left == {int(re.search(r"\d+", str(programmes[name]["剩余"]))[0])}, name


def test_visits_are_counted_alike_on_the_overview_the_lists_and_in_the_tables(week: Path) -> None:
    visits = pd.read_parquet(week / "outreach.parquet")
    rows = table_with((week / "overview.html").read_text("utf-8"), "网格", "走访户数")
    homes = visits.groupby("grid_id")["household_id"].nunique()
    shown = {row["网格"]: int(row["走访户数"]) for row in rows}
    assert sum(shown.values()) == visits["household_id"].nunique()
    for path in week.glob("grid-*.html"):
        grid = path.stem.removeprefix("grid-")
        assert path.read_text("utf-8").count("<article>") == shown[grid] <= homes[grid]
    (served,) = (week.parents[1] / "served").glob(f"{DAY}-*/around.json")
    left = json.loads(served.read_text("utf-8"))["seats_left"]
    programmes = sheet_rows(week / "needs-list.xlsx", "项目", "剩余")
    numbers = [re.search(r"\d+", _shown(row["剩余"])) for row in programmes]
    assert [None if one is None else int(one[0]) for one in numbers] == [*left.values()]


@pytest.fixture(scope="module")
def answers(week: Path) -> Iterator[TestClient]:
    """The service on the week's workspace."""
    with served(week.parents[1]) as client:
        yield client


def test_the_service_says_the_same_as_the_files(week: Path, answers: TestClient) -> None:
    wang = As(answers, "wang")
    printed = {
        row["需求"]: row
        for row in table_with((week / "overview.html").read_text("utf-8"), "需求", "剩余名额")
    }
    shown = {row["需求"]: row for row in table_with(wang.get("/overview").text, "需求", "剩余名额")}
    assert shown == printed
    names = {need["id"]: need["name"]["zh"] for need in wang.get("/v1/needs").json()}
    told = {row["need"]: row for row in wang.get("/v1/demand").json() if row["grid_id"] == ""}
    assert {names[need] for need in told} == {*printed}
    for need, row in told.items():
        of_need = printed[names[need]]
        assert f"{row['expected']:.0f}" == of_need["预计户数"], need
        assert f"{row['low_90']:.0f}–{row['high_90']:.0f}" == of_need["大概范围"].split("，")[0], need
    visits = pd.read_parquet(week / "outreach.parquet")
    listed = wang.get("/v1/visits?limit=500").json()
    assert listed["total"] == len(visits)
    assert {row["outreach_id"] for row in listed["visits"]} <= {*visits["outreach_id"]}
    planned = {
        row["网格"]: int(row["排了"]) for row in table_with(wang.get("/overview").text, "网格", "排了")
    }
    assert planned["合计"] == visits["household_id"].nunique()


def test_what_changed_is_what_the_records_say(week: Path, answers: TestClient) -> None:
    known = known_before(read_records(week.parents[1]), day_of(DAY))
    requests, visits = known.requests.requested, known.outreach
    made = visits.outcome >= 0

    def asked(first: int, last: int) -> str:
        return str(
            int(
                (
                    (requests >= day_of(DAY) - first)
                    & (requests < day_of(DAY) - last)
                    & (known.requests.need >= 0)
                ).sum()
            )
        )

    def visited(first: int, last: int) -> str:
        here = made & (visits.contacted >= day_of(DAY) - first) & (visits.contacted < day_of(DAY) - last)
        days = zip(visits.household[here].tolist(), (visits.contacted[here] // 1).tolist(), strict=True)
        return str(len({*days}))

    spans = ((7, 0), (14, 7), (371, 364))
    page = As(answers, "wang").get("/overview").text
    rows = {row["项目"]: [*row.values()][1:] for row in table_with(page, "上周", "去年同周")}
    assert rows["居民来提的事（件）"] == [asked(*span) for span in spans]
    assert rows["走访（户次）"] == [visited(*span) for span in spans]
    grids = table_with(As(answers, "wang").get("/month").text, "网格", "从没去过")
    assert sum(int(row["能走访的户"]) for row in grids) == int((known.present & ~known.opted_out).sum())
    seen = {*visits.household[made].tolist()}
    here = [one for one in range(known.household_count) if known.present[one] and not known.opted_out[one]]
    assert sum(int(row["从没去过"]) for row in grids) == sum(one not in seen for one in here)


def test_no_fund_is_overdrawn_and_projects_pay_what_the_fund_says(week: Path) -> None:
    for row in sheet_rows(week / "needs-list.xlsx", "资金", "这份清单安排"):
        assert int(row["预算"]) - int(row["已用"]) - int(row["这份清单安排"]) == int(row["剩余"]) >= 0
    for row in sheet_rows(week / "needs-list.xlsx", "需求", "最晚通知"):
        assert str(row["最晚通知"]) == "随时" or str(row["最晚通知"]) > str(DAY)


def test_a_refusal_during_the_week_is_counted_out_everywhere(week: Path, answers: TestClient) -> None:
    wang, visits = As(answers, "wang"), pd.read_parquet(week / "outreach.parquet")
    home = visits.loc[visits["grid_id"] == "G01", "household_id"].iloc[0]
    wang.post(f"/v1/residents/{home}/refusal", {})
    left = visits[visits["household_id"] != home]
    assert wang.get("/v1/visits?limit=500").json()["total"] == len(left)
    page = wang.get("/overview").text
    planned = {row["网格"]: int(row["排了"]) for row in table_with(page, "网格", "排了")}
    assert planned["合计"] == left["household_id"].nunique()
    cards = re.findall(r"0 / (\d+) 户已走访", wang.get("/visits").text)
    assert sum(map(int, cards)) == sum(planned.values()) - planned["合计"]
    (row,) = table_with(page, "户号", "说了什么")
    assert row["户号"] == home and row["说了什么"].startswith("不要再来")
    wang.delete(f"/v1/residents/{home}/refusal")
