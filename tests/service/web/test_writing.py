"""What comes in: outcomes and requests; sent twice it counts once, and nobody writes where nothing is in sight."""

import csv
import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from served_town import AS_OF, NEWEST, As, copy_workspace, machine, publish_week, served
from service_database import database_url  # noqa: F401
from sqlalchemy import func, select

from features.point_in_time.records import date_of
from features.store.reader import read_records
from service.web.api.visits import as_file
from service.web.audit import log as audit
from service.web.database.tables import NewRequest, Outcome
from service.web.intake.handover import drain


@pytest.fixture
def client(tmp_path: Path, database_url: str):  # noqa: F811
    with served(copy_workspace(tmp_path / "workspace"), database_url=database_url) as client:
        yield client


def count(client, table) -> int:
    with client.app.state.database.reading() as session:
        return session.scalar(select(func.count()).select_from(table))


def first_visit(who: As) -> dict:
    return who.get("/v1/visits").json()["visits"][0]


def test_an_outcome_is_stored_once_however_often_it_is_sent(client):
    li = As(client, "li")
    visit = first_visit(li)
    body = {"outreach_id": visit["outreach_id"], "outcome": "needed", "note": "周三后再来"}
    key = {"Idempotency-Key": "phone-1"}
    first, again = (li.post("/v1/outcomes", body, headers=key) for _ in range(2))
    assert first.status_code == again.status_code == 201 and first.json() == again.json()
    assert first.json()["household_id"] == visit["household_id"] and first.json()["by"] == "user:li"
    other = li.post("/v1/outcomes", {**body, "outcome": "declined"}, headers=key)
    assert other.status_code == 409 and other.json()["type"] == "urn:xianying:key-used"
    assert li.post("/v1/outcomes", {**body, "note": "不必再来"}, headers=key).status_code == 409
    assert count(client, Outcome) == 1
    (held,) = li.get("/v1/outcomes").json()
    assert held["outcome"] == "needed"


def test_a_form_that_is_pressed_twice_is_stored_once_and_another_note_is_kept(client):
    li = As(client, "li")
    visit = first_visit(li)

    def press(path: str, **fields: str) -> None:
        form = {"token": "page-1", "csrf": li.csrf, **fields}
        assert li.send("POST", path, data=form, follow_redirects=False).status_code == 303

    for _ in range(2):
        press("/requests", household_id=visit["household_id"], text="楼道灯坏了")
        press("/outcomes", outreach_id=visit["outreach_id"], outcome="needed")
    assert (count(client, NewRequest), count(client, Outcome)) == (1, 1)
    press("/outcomes", outreach_id=visit["outreach_id"], outcome="needed", note="周三后再来")
    (held,) = li.get("/v1/outcomes").json()
    assert held["note"] == "周三后再来"


def test_the_last_outcome_counts_until_it_is_undone(client):
    li = As(client, "li")
    visit = first_visit(li)
    for outcome in ("not_reached", "needed"):
        last = li.post("/v1/outcomes", {"outreach_id": visit["outreach_id"], "outcome": outcome}).json()
    assert [one["outcome"] for one in li.get("/v1/outcomes").json()] == ["needed"]
    undone = li.delete(f"/v1/outcomes/{last['id']}")
    assert undone.status_code == 200 and undone.json()["undone"]
    assert li.delete(f"/v1/outcomes/{last['id']}").json()["undone"]  # twice does no harm
    assert [one["outcome"] for one in li.get("/v1/outcomes").json()] == ["not_reached"]
    assert As(client, "zhao").delete(f"/v1/outcomes/{last['id']}").status_code == 404


@pytest.mark.parametrize("same", [True, False])
def test_outcomes_posted_at_once_are_all_there_and_none_twice(client, same):
    li = As(client, "li")
    body = {"outreach_id": first_visit(li)["outreach_id"], "outcome": "needed"}
    cookies = {"Cookie": f"xianying_session={li.token}", "X-CSRF-Token": li.csrf}

    def send(number: int):
        key = "one" if same else f"key-{number}"
        return client.post("/v1/outcomes", json=body, headers={**cookies, "Idempotency-Key": key})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(16)))
    assert {one.status_code for one in answers} == {201}
    expected = 1 if same else 16
    assert len({one.json()["id"] for one in answers}) == count(client, Outcome) == expected
    client.app.state.drain.everything(client.app.state.journal)
    assert audit.verify(client.app.state.database).broken is None


def test_nobody_writes_about_a_household_out_of_sight(client):
    wang, li = As(client, "wang"), As(client, "li")
    elsewhere = next(
        one for one in wang.get("/v1/visits?limit=500").json()["visits"] if one["grid_id"] == "g1"
    )
    body = {"outreach_id": elsewhere["outreach_id"], "outcome": "needed"}
    assert li.post("/v1/outcomes", body).status_code == 404
    assert li.post("/v1/outcomes", {**body, "outreach_id": "nothing"}).status_code == 404
    asked = {"household_id": "h01", "need": "meals", "requested_at": "2024-08-30T10:00:00"}
    assert li.post("/v1/requests", asked).status_code == 404
    assert As(client, "chen").post("/v1/outcomes", body).status_code == 403
    assert count(client, Outcome) == count(client, NewRequest) == 0


def test_dates_that_cannot_be_right_are_refused(client):
    li = As(client, "li")
    body = {"outreach_id": first_visit(li)["outreach_id"], "outcome": "needed"}
    for day in ("2020-01-01", "2099-01-01"):
        answer = li.post("/v1/outcomes", {**body, "contacted_on": day})
        assert answer.status_code == 422 and answer.json()["type"] == "urn:xianying:wrong-date"
    asked = {"household_id": "h04", "need": "meals", "requested_at": "2099-01-01T10:00:00"}
    assert li.post("/v1/requests", asked).status_code == 422


@pytest.mark.parametrize(("written", "day"), [(2, 2), (-9, 0), (9, 6)])
def test_an_outcome_kept_on_a_phone_counts_on_the_day_it_was_written_down(client, written, day):
    li = As(client, "li")
    body = {"outreach_id": first_visit(li)["outreach_id"], "outcome": "needed"}
    answer = li.post("/v1/outcomes", {**body, "written_on": date_of(AS_OF + written).isoformat()})
    assert answer.status_code == 201 and answer.json()["contacted_on"] == date_of(AS_OF + day).isoformat()


def test_a_row_that_left_the_list_still_takes_its_outcome(client):
    """It may have been printed, or wait on a phone without a connection."""
    li = As(client, "li")
    visit = first_visit(li)
    workspace = client.app.state.settings.workspace
    publish_week(workspace, AS_OF + 7)  # later weeks do not take it away
    from dataclasses import replace

    shelf = client.app.state.shelf
    shelf.refresh()
    week = shelf.served.weeks[NEWEST]
    rows = [{**one, "withdrawn": True} for one in week.visits]
    shelf.served = replace(shelf.served, weeks={**shelf.served.weeks, NEWEST: replace(week, visits=rows)})
    assert li.get(f"/v1/visits?as_of={NEWEST}").json()["visits"] == []
    answer = li.post("/v1/outcomes", {"outreach_id": visit["outreach_id"], "outcome": "needed"})
    assert answer.status_code == 201 and date_of(AS_OF).isoformat() == NEWEST


def test_a_request_is_stored_once_by_key_or_by_the_other_systems_number(client):
    key = machine(client, "requests:write")
    body = {
        "household_id": "h04",
        "need": "meals",
        "requested_at": "2024-08-30T10:00:00",
        "request_id": "A-1",
    }
    first, again = (client.post("/v1/requests", json=body, headers=key) for _ in range(2))
    assert first.status_code == again.status_code == 201 and first.json() == again.json()
    assert first.json()["requested_at"].startswith("2024-08-30T02:00:00")  # the community's own time
    by_key = {**key, "Idempotency-Key": "k"}
    said = {"household_id": "h04", "text": "想吃食堂", "requested_at": "2024-08-30T11:00:00+08:00"}
    one, two = (client.post("/v1/requests", json=said, headers=by_key).json() for _ in range(2))
    assert one == two and one["request_id"].startswith("service-")
    assert count(client, NewRequest) == 2
    assert client.post("/v1/requests", json={**said, "text": " "}, headers=key).status_code == 422
    assert client.post("/v1/requests", json={**said, "need": "nothing"}, headers=key).status_code == 422
    sensitive = client.post("/v1/requests", json={**said, "need": "refuge"}, headers=key)
    assert sensitive.status_code == 201  # whoever hears of it must be able to report it


def test_nobody_takes_another_senders_number_or_one_of_the_records(client):
    workspace = client.app.state.settings.workspace
    held = next(iter(read_records(workspace).requests.request_id.tolist()))
    body = {"household_id": "h04", "need": "meals", "requested_at": "2024-08-30T10:00:00", "request_id": held}
    first, second = (machine(client, "requests:write") for _ in range(2))
    one = client.post("/v1/requests", json=body, headers=first)
    other = {**body, "household_id": "h01", "need": "childcare"}
    two = client.post("/v1/requests", json=other, headers=second)  # learns nothing of the first
    assert one.status_code == two.status_code == 201
    assert len({one.json()["request_id"], two.json()["request_id"], held}) == 3
    before = rows_of_request(workspace, held)
    drain(workspace, client.app.state.database)
    assert rows_of_request(workspace, held) == before


def rows_of_request(workspace, number: str) -> list:
    """Household and need of every version of a request in the records."""
    records = read_records(workspace)
    rows = (records.requests.request_id == number).nonzero()[0]
    return [(records.requests.household[row], records.requests.need[row]) for row in rows]


def test_an_exports_texts_are_texts(client):
    rows = [{"household_id": "h04", "reason": "http://example.org", "contact": "one\rtwo"}]
    book = zipfile.ZipFile(io.BytesIO(as_file(rows, "xlsx", "user:wang")))
    assert not any(
        "hyperlink" in book.read(name).decode().lower() for name in book.namelist() if "sheet1" in name
    )
    told = list(csv.reader(io.StringIO(as_file(rows, "csv", "user:wang").decode("utf-8-sig"), newline="")))
    assert len(told) == 2 and "one\rtwo" in told[1]
    for begins in ("=", "@", "\r", "＝"):
        (_, row) = (
            as_file([{**rows[0], "reason": f"{begins}1+1"}], "csv", "user:wang").decode().split("\r\n")[:2]
        )
        assert f"'{begins}1+1" in row
