"""What other systems read: scores, lists, weeks, needs, demand; who sees what, and that it is in the log."""

import io
import json
import logging
import re
from functools import partial
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from served_town import AS_OF, NEWEST, As, copy_workspace, machine, publish_week, served
from service_database import database_url  # noqa: F401

from features.point_in_time.records import date_of
from service.web.audit import log as audit
from service.web.run import JsonLines


@pytest.fixture
def client(tmp_path: Path, database_url: str):  # noqa: F811
    with served(copy_workspace(tmp_path / "workspace"), database_url=database_url) as client:
        yield client


def logged(client) -> list[tuple[str, str, str, str]]:
    """Who, action, subject and purpose of every entry, the oldest first."""
    client.app.state.drain.everything(client.app.state.journal)
    assert audit.verify(client.app.state.database).broken is None
    entries = audit._entries(client.app.state.database)
    return [(one.who, one.action, one.subject, one.purpose) for one in entries]


def test_the_scores_of_a_household_are_those_of_the_batch(client):
    answer = As(client, "wang").get("/v1/households/h04/scores", headers={"X-Purpose": "%E5%BC%80%E4%BC%9A"})
    assert answer.status_code == 200
    found = answer.json()
    workspace = client.app.state.settings.workspace
    kept = pd.read_parquet(workspace / "weeks" / NEWEST / "scores.parquet")
    mine = kept[kept["household_id"] == "h04"]
    assert (
        found["as_of"] == NEWEST and found["grid_id"] == "g0" and found["tier"] in ("red", "yellow", "green")
    )
    assert [one["need"] for one in found["scores"]] == list(mine["need"])
    for name in ("p_request", "p_need", "rank"):
        assert np.allclose([one[name] for one in found["scores"]], mine[name], atol=1e-8)
    assert logged(client) == [("user:wang", "scores.read", "h04", "开会")]


def test_a_worker_sees_the_own_grid_and_no_sensitive_need(client):
    li, zhao = As(client, "li"), As(client, "zhao")
    found = li.get("/v1/households/h04/scores").json()
    assert "refuge" not in {one["need"] for one in found["scores"]} and "tier" not in found
    assert "refuge" in {
        one["need"] for one in As(client, "wang").get("/v1/households/h04/scores").json()["scores"]
    }
    elsewhere, nobody = li.get("/v1/households/h01/scores"), li.get("/v1/households/nobody/scores")
    assert elsewhere.status_code == nobody.status_code == 404 and elsewhere.json() == nobody.json()
    assert zhao.get("/v1/households/h07/scores").status_code == 200  # m1
    assert zhao.get("/v1/households/h03/scores").status_code == 404  # g1, but m3
    assert As(client, "chen").get("/v1/households/h04/scores").status_code == 403
    assert As(client, "sun").get("/v1/households/h04/scores").status_code == 403
    assert client.get("/v1/households/h04/scores").status_code == 401


def test_a_batch_names_what_is_not_in_sight(client):
    answer = As(client, "li").post("/v1/scores/batch", {"household_ids": ["h04", "h01", "nobody", "h06"]})
    assert [one["household_id"] for one in answer.json()["households"]] == ["h04", "h06"]
    assert answer.json()["unknown"] == ["h01", "nobody"]
    assert logged(client)[-1][2] == "\nh04\nh06\n"


def test_a_week_that_is_not_there_says_which_are(client):
    wang = As(client, "wang")
    answer = wang.get("/v1/households/h04/scores?as_of=2020-01-06")
    assert answer.status_code == 404 and answer.json()["weeks"] == [date_of(AS_OF - 7).isoformat(), NEWEST]
    assert wang.get(f"/v1/households/h04/scores?as_of={date_of(AS_OF - 7)}").json()["as_of"] != NEWEST
    assert [one["as_of"] for one in wang.get("/v1/weeks").json()] == [NEWEST, date_of(AS_OF - 7).isoformat()]


def test_lists_come_page_by_page_and_only_when_they_changed(client):
    wang = As(client, "wang")
    first = wang.get("/v1/visits?limit=3")
    pages, cursor = first.json()["visits"], first.json()["next"]
    while cursor:
        answer = wang.get(f"/v1/visits?limit=3&cursor={cursor}").json()
        pages, cursor = pages + answer["visits"], answer["next"]
    kept = pd.read_parquet(client.app.state.settings.workspace / "weeks" / NEWEST / "outreach.parquet")
    assert [one["outreach_id"] for one in pages] == list(kept["outreach_id"])
    assert first.json()["total"] == len(kept)
    again = wang.get("/v1/visits?limit=3", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304 and not again.content
    assert first.headers["cache-control"] == "private, no-cache"
    other = machine(client, "scores:read", "sensitive:read")  # who sees other columns has another tag
    other["If-None-Match"] = first.headers["etag"]
    assert client.get("/v1/visits?limit=3", headers=other).status_code == 200
    assert wang.get("/v1/visits?cursor=abc").status_code == 422


def test_a_list_is_filtered(client):
    wang = As(client, "wang")
    every = wang.get("/v1/visits?limit=500").json()["visits"]
    for name in ("grid_id", "microgrid_id", "need", "tier", "arm", "household_id"):
        value = every[0][name]
        found = wang.get(f"/v1/visits?limit=500&{name}={value}").json()["visits"]
        assert found == [one for one in every if one[name] == value]
    assert As(client, "li").get("/v1/visits?tier=red").status_code == 403


def test_a_workers_list_holds_neither_other_grids_nor_coordinators_visits(client):
    every = As(client, "wang").get("/v1/visits?limit=500").json()["visits"]
    mine = As(client, "li").get("/v1/visits?limit=500").json()["visits"]
    sensitive = {one["household_id"] for one in every if one["need"] == "refuge"}
    assert sensitive and mine
    assert {one["grid_id"] for one in mine} == {"g0"} and "refuge" not in {one["need"] for one in mine}
    assert not sensitive & {one["household_id"] for one in mine}
    assert "contact" in mine[0] and "tier" not in mine[0]


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
def test_a_list_is_exported_as_a_file(client, kind):
    read = {"csv": pd.read_csv, "xlsx": partial(pd.read_excel, engine="calamine"), "parquet": pd.read_parquet}
    answer = As(client, "li").get(f"/v1/visits/export?format={kind}")
    assert f"visits-{NEWEST}.{kind}" in answer.headers["content-disposition"]
    frame = read[kind](io.BytesIO(answer.content))
    page = As(client, "li").get("/v1/visits?limit=500").json()["visits"]
    assert list(frame["outreach_id"]) == [one["outreach_id"] for one in page]
    assert ("user:li", "visits.export") in [entry[:2] for entry in logged(client)]
    assert set(frame["exported_by"]) == {"user:li"} and frame["exported_at"].str.match(r"20\d\d-").all()
    if kind == "xlsx":
        sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).active
        assert "user:li 20" in sheet.oddFooter.left.text


def test_every_page_says_who_made_it_and_when(client):
    li = As(client, "li")
    household = li.get("/v1/visits").json()["visits"][0]["household_id"]
    for path in ("/visits", f"/visits/{household}"):
        assert re.search(r'class="soft made">账号 li · 20\d\d-\d\d-\d\d \d\d:\d\d<', li.get(path).text), path


def test_other_systems_see_what_their_key_says_and_no_addresses(client):
    key = machine(client, "scores:read", grid_id="g1")
    found = client.get("/v1/visits?limit=500", headers=key).json()["visits"]
    assert found and {one["grid_id"] for one in found} == {"g1"}
    assert all("contact" not in one and "members" not in one for one in found)
    assert client.get("/v1/households/h04/scores", headers=key).status_code == 404
    assert client.get("/v1/needs", headers=key).status_code == 403
    assert client.get("/v1/households/h04/scores", headers=machine(client, "models:read")).status_code == 403


def test_needs_and_demand_without_what_is_sensitive(client):
    assert [one["id"] for one in As(client, "wang").get("/v1/needs").json()] == [
        "childcare",
        "meals",
        "refuge",
    ]
    assert [one["id"] for one in As(client, "chen").get("/v1/needs").json()] == ["childcare", "meals"]
    demand = As(client, "li").get("/v1/demand").json()
    assert {one["grid_id"] for one in demand} == {"", "g0"}
    assert {one["need"] for one in demand} == {"childcare", "meals"}
    every = As(client, "wang").get("/v1/demand?need=refuge").json()
    assert {one["grid_id"] for one in every} == {"", "g0", "g1"}


def test_a_new_week_is_served_once_it_is_published_and_the_feed_tells(client):
    workspace = client.app.state.settings.workspace
    wang = As(client, "wang")
    before = wang.get("/v1/weeks/feed").json()
    publish_week(workspace, AS_OF + 7)
    client.app.state.shelf.refresh()
    later = wang.get(f"/v1/weeks/feed?since={before['revision']}").json()
    week = date_of(AS_OF + 7).isoformat()
    assert {one["as_of"] for one in later["events"]} == {week} and later["revision"] > before["revision"]
    assert wang.get("/v1/households/h04/scores").json()["as_of"] == week
    assert wang.get(f"/v1/weeks/feed?since={later['revision']}").json()["events"] == []
    assert json.loads((workspace / "served/current.json").read_text())["revision"] == later["revision"]


def test_before_the_first_week_there_is_nothing_and_no_error(tmp_path):
    with served(tmp_path / "empty") as client:
        wang = As(client, "wang")
        assert wang.get("/v1/weeks").json() == []
        answer = wang.get("/v1/visits")
        assert answer.status_code == 404 and "xianying score" in answer.json()["detail"]
        assert wang.get("/v1/households/h04/scores").status_code == 404


def test_the_log_names_routes_and_nobody(client, caplog):
    caplog.set_level(logging.INFO, "xianying")
    wang = As(client, "wang")
    wang.get("/v1/households/h04/scores")
    wang.get("/v1/households/h04/nothing")
    wang.get("/v1/visits?household_id=h04")
    lines = [JsonLines().format(one) for one in caplog.records if one.name.startswith("xianying")]
    assert [json.loads(line)["route"] for line in lines] == [
        "/v1/households/{household_id}/scores",
        "other",
        "/v1/visits",
    ]
    assert not any("h04" in line or "wang" in line for line in lines)
