"""Outcomes by paper, phone and API are one record; what is said beside them, and visits for a colleague, too."""

import re
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import openpyxl
import pytest
from served_town import NEWEST, As, copy_workspace, served
from sqlalchemy import delete
from week_lists import change, columns_of

from features.ingest.erasure import rows_of_household
from features.ingest.ingest import ingest_rows
from service.web.database.tables import OF_HOUSEHOLD, Outcome, Reassignment, User
from service.web.intake import counted
from service.web.intake.handover import drain
from service.web.published.from_records import Recorded
from service.weekly.record_week import beside_service, record_files
from service.weekly.week_directory import week_directory

MONDAY = date.fromisoformat(NEWEST)
FRIDAY = MONDAY + timedelta(days=4)


@pytest.fixture(scope="module")
def client(tmp_path_factory) -> Iterator:
    with served(copy_workspace(tmp_path_factory.mktemp("one") / "workspace")) as client:
        with client.app.state.database.writing() as session:
            for login, name, worker in (("deng", "邓", "w0"), ("fang", "方", "w9")):
                place = {"role": "grid_worker", "grid_id": "g0", "worker_id": worker}
                session.add(User(login=login, name=name, **place))
        yield client
        with client.app.state.database.writing() as session:
            for table in OF_HOUSEHOLD:
                session.execute(delete(table))


def workspace_of(client) -> Path:
    return client.app.state.settings.workspace


def visit(client, number: int) -> dict:
    """The n-th household's first row of grid g0."""
    rows = As(client, "li").get("/v1/visits?limit=500").json()["visits"]
    homes = list(dict.fromkeys(row["household_id"] for row in rows))
    return next(row for row in rows if row["household_id"] == homes[number])


def outcome_of(client, row: dict) -> dict | None:
    found = As(client, "li").get("/v1/outcomes").json()
    return next((one for one in found if one["outreach_id"] == row["outreach_id"]), None)


def on_paper(client, row: dict, outcome: str, day: date) -> list[str]:
    """Fill the row of grid g0's workbook and record it; the lines that ``record`` prints."""
    place = week_directory(workspace_of(client), MONDAY)
    book = workspace_of(client) / "filled.xlsx"
    book.write_bytes(next(place.glob("grid-g0*.xlsx")).read_bytes())

    def fill(sheet) -> None:
        try:
            header, columns = columns_of(sheet)
        except AssertionError:  # a sheet of explanations
            return
        for line in range(header + 1, sheet.max_row + 1):
            if sheet.cell(line, columns["outreach_id"]).value == row["outreach_id"]:
                sheet.cell(line, columns["结果"], outcome)
                sheet.cell(line, columns["走访日期"], day.isoformat())

    for sheet in range(len(openpyxl.load_workbook(book).worksheets)):
        change(book, fill, sheet)
    lines, refused = record_files(workspace_of(client), [book], lambda _: nullcontext())
    assert not refused
    return lines


def by_phone(client, row: dict, outcome: str, day: date) -> None:
    body = {"outreach_id": row["outreach_id"], "outcome": outcome, "contacted_on": day.isoformat()}
    assert As(client, "li").post("/v1/outcomes", body).status_code == 201


def stored_rows(client, row: dict, table: str) -> list[dict]:
    """What the records hold and held of a row of a list."""
    held = rows_of_household(workspace_of(client), row["household_id"])[table]
    return [one for one in held if one["outreach_id"] == row["outreach_id"]]


def drained(client) -> list[str]:
    return drain(workspace_of(client), client.app.state.database)


def test_what_came_on_paper_counts_as_visited_everywhere(client):
    row = visit(client, 0)
    on_paper(client, row, "不需要", FRIDAY)
    assert outcome_of(client, row)["outcome"] == "not_needed"
    assert "纸质表登记" in As(client, "li").get(f"/visits/{row['household_id']}").text
    rows = As(client, "li").get("/v1/visits?limit=500").json()["visits"]
    alone = sum(one["household_id"] == row["household_id"] for one in rows) == 1
    assert ("card finished" in As(client, "li").get("/visits").text) == alone


def test_what_a_killed_record_stored_shows_once_it_is_run_again(client, monkeypatch):
    row = visit(client, 0)
    on_paper(client, row, "不需要", FRIDAY)

    def killed(workspace: Path, tables: dict) -> None:
        ingest_rows(workspace, tables)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("service.weekly.record_week.ingest_rows", killed)
        with pytest.raises(KeyboardInterrupt):
            on_paper(client, row, "婉拒", FRIDAY)
    assert outcome_of(client, row)["outcome"] == "not_needed"
    on_paper(client, row, "婉拒", FRIDAY)
    assert outcome_of(client, row)["outcome"] == "declined"


@pytest.mark.parametrize(
    ("number", "paper_day", "counts"),
    [(1, FRIDAY, "not_needed"), (2, MONDAY, "needed")],
    ids=["paper", "phone"],
)
def test_the_later_visit_counts_and_both_are_kept_and_told(client, number, paper_day, counts):
    row = visit(client, number)
    by_phone(client, row, "needed", MONDAY + timedelta(days=2))
    drained(client)
    (line,) = [line for line in on_paper(client, row, "不需要", paper_day) if row["household_id"] in line]
    assert "两条都留着" in line and str(paper_day) in line
    found = outcome_of(client, row)
    assert found["outcome"] == counts and {found["outcome"], found["other"]} == {"needed", "not_needed"}
    assert "还有一处登记的是" in As(client, "li").get(f"/visits/{row['household_id']}").text
    kept = {one["outcome"] for one in stored_rows(client, row, "outreach")}
    assert kept == {"needed", "not_needed"}
    again = on_paper(client, row, "不需要", paper_day)
    assert not any("两条都留着" in line for line in again) or paper_day == FRIDAY
    assert outcome_of(client, row)["outcome"] == counts


def test_a_report_of_an_earlier_visit_does_not_take_the_place_of_paper(client):
    row = visit(client, 3)
    on_paper(client, row, "不需要", FRIDAY)
    by_phone(client, row, "needed", MONDAY)
    assert outcome_of(client, row)["outcome"] == "not_needed"
    assert any(row["household_id"] in line and "两条都留着" in line for line in drained(client))
    assert outcome_of(client, row)["outcome"] == "not_needed"
    by_phone(client, row, "declined", FRIDAY + timedelta(days=1))
    assert outcome_of(client, row)["outcome"] == "declined"


@pytest.mark.parametrize(
    ("drained", "current", "counts"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_on_one_day_paper_counts_where_it_was_registered_later_and_stands(drained, current, counts):
    report = Outcome(contacted_on=MONDAY, drained_at=datetime(2024, 9, 3, tzinfo=UTC) if drained else None)
    assert counted.paper_counts(report, Recorded("declined", MONDAY, current)) is counts


def test_paper_that_says_the_same_of_another_day_is_paper():
    later = Recorded("needed", FRIDAY, True)
    reports = [Outcome(outcome="needed", contacted_on=MONDAY)]
    assert counted.on_paper(reports, [Recorded("needed", MONDAY, False), later]) == [later]


def test_a_report_that_was_undone_is_none_beside_paper(client):
    row, li = visit(client, 0), As(client, "li")
    noted = li.post("/v1/outcomes", {"outreach_id": row["outreach_id"], "outcome": "needed"}).json()
    assert li.delete(f"/v1/outcomes/{noted['id']}").status_code == 200
    drained(client)
    assert row["outreach_id"] not in counted.reported_outcomes(workspace_of(client))


def test_of_paper_and_service_the_row_stored_last_is_that_of_the_later_visit():
    for paper, phone in ((1, 2), (2, 1), (2, 2)):
        row = {
            "outreach_id": "a",
            "household_id": "h",
            "outcome": "needed",
            "contacted_at": MONDAY + timedelta(paper),
        }
        report = ("declined", MONDAY + timedelta(phone))
        beside = beside_service([row], {"a": report}, {})
        stored = [*beside.earlier, *beside.rows]
        assert stored[0] == row and len(beside.lines) == 1
        assert stored[-1]["contacted_at"] == MONDAY + timedelta(max(paper, phone))


def test_what_is_said_beside_an_outcome_becomes_feedback_and_closes_the_visit(client):
    row, li = visit(client, 4), As(client, "li")
    page = li.get(f"/visits/{row['household_id']}").text
    assert "人不对" in page and "已有帮扶" in page
    for said in (
        {"kind": "wrong_person"},
        {"satisfaction": 4},
        {"next_visit": str(FRIDAY + timedelta(days=7))},
    ):
        assert li.post("/v1/feedback", {"outreach_id": row["outreach_id"], **said}).status_code == 201
    page = li.get(f"/visits/{row['household_id']}").text
    assert "✓ 人不对" in page and "✓ 满意度 4" in page and "再来</span>" in page
    assert li.post("/v1/feedback", {"outreach_id": row["outreach_id"]}).status_code == 422
    far = {"outreach_id": row["outreach_id"], "next_visit": "2031-01-01"}
    assert li.post("/v1/feedback", far).status_code == 422
    assert "反馈 3 条" in drained(client)[0]
    (said,) = stored_rows(client, row, "feedback")
    assert (said["kind"], said["satisfaction"]) == ("wrong_person", 4) and said["next_visit"]
    li.post("/v1/feedback", {"outreach_id": row["outreach_id"], "kind": "satisfied"})
    assert "✓ 人不对" not in li.get(f"/visits/{row['household_id']}").text


@pytest.fixture
def handing_over(client):
    """The client; afterwards nothing is handed over any more."""
    yield client
    with client.app.state.database.writing() as session:
        session.execute(delete(Reassignment))
    client.app.state.restrictions.refresh()


def test_a_visit_is_handed_to_a_colleague(handing_over):
    client = handing_over
    row, li, deng = visit(client, 5), As(client, "li"), As(client, "deng")
    home = {"household_id": row["household_id"], "as_of": NEWEST}
    assert li.post("/v1/reassignments", {**home, "worker_id": "nobody"}).status_code == 422
    assert "邓" in li.get(f"/visits/{row['household_id']}").text
    first = li.post("/v1/reassignments", {**home, "worker_id": "w0"})
    again = li.post("/v1/reassignments", {**home, "worker_id": "w0"})
    assert first.status_code == 201 and again.json() == first.json(), "sent again it is handed over once"
    mine = deng.get("/visits").text
    assert "我的走访名单" in mine and mine.count('data-household="') == 1 and row["household_id"] in mine
    done = deng.post("/v1/outcomes", {"outreach_id": row["outreach_id"], "outcome": "needed"})
    assert done.status_code == 201
    drained(client)
    assert stored_rows(client, row, "outreach")[-1]["worker_id"] == "w0"


def test_a_worker_who_has_no_visit_sees_an_empty_list_and_not_everybodys(client, monkeypatch):
    deng, around = As(client, "deng"), client.app.state.shelf.served.newest.around
    assert 'data-household="' in deng.get("/visits").text, "a login whose number is no worker's sees the grid"
    worker = {"worker_id": "w0", "name": "邓红", "grid_id": "g0", "visits": 3, "coordinator": False}
    monkeypatch.setitem(around, "workers", [*around["workers"], worker])
    page = deng.get("/visits").text
    assert "我的走访名单" in page and 'data-household="' not in page and "看全网格的名单" in page
    assert 'data-household="' in deng.get("/visits?everybody=true").text


def test_the_newest_handover_counts_and_an_outcome_is_of_whose_visit_it_is(handing_over):
    client = handing_over
    row, li, deng = visit(client, 1), As(client, "li"), As(client, "deng")
    for worker in ("w0", "w9"):
        home = {"household_id": row["household_id"], "as_of": NEWEST, "worker_id": worker}
        assert li.post("/v1/reassignments", home).status_code == 201
    assert f'data-household="{row["household_id"]}"' in As(client, "fang").get("/visits").text
    done = deng.post("/v1/outcomes", {"outreach_id": row["outreach_id"], "outcome": "needed"})
    assert done.status_code == 201
    drained(client)
    assert stored_rows(client, row, "outreach")[-1]["worker_id"] == "w9"


def test_nobody_but_a_coordinator_takes_back_what_another_has_noted(client):
    row, li = visit(client, 2), As(client, "li")
    noted = li.post("/v1/outcomes", {"outreach_id": row["outreach_id"], "outcome": "needed"}).json()
    assert As(client, "deng").delete(f"/v1/outcomes/{noted['id']}").status_code == 404
    assert (outcome_of(client, row) or {})["outcome"] == "needed"
    assert As(client, "wang").delete(f"/v1/outcomes/{noted['id']}").status_code == 200


def test_a_coordinator_hands_over_at_once_what_a_worker_has_left(handing_over):
    client = handing_over
    wang, deng = As(client, "wang"), As(client, "deng")
    page = wang.get(f"/visits?as_of={NEWEST}&grid=g0").text
    homes = re.findall('name="household_id" value="([^"]+)"', page.split("全部转交")[0])
    cell = r'<th scope="row">g0</th><td class="number">\d+</td><td class="number">(\d+)</td>'

    def visits_a_week() -> list[str]:
        return re.findall(cell, wang.get("/overview").text)

    before = visits_a_week()
    given = {"csrf": wang.csrf, "as_of": NEWEST, "household_id": homes, "worker_id": "w0"}
    wang.send("POST", "/reassignments", data={**given, "worker_id": "nobody"})
    assert "我的走访名单" not in deng.get("/visits").text
    answer = wang.send("POST", "/reassignments", data=given, follow_redirects=False)
    assert f"已转给同事：{len(homes)} 户" in wang.get(answer.headers["location"]).text
    assert before == visits_a_week() == ["9"]  # workers who cannot go are still the grid's
    mine = deng.get("/visits").text
    assert homes and [home for home in homes if f'data-household="{home}"' not in mine] == []
