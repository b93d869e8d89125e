"""What the pages' addresses allow: rows in sight, tokens of forms, refusals, the audit log; without a browser."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from served_town import NEWEST, PASSWORD, As, copy_workspace, served

from service.web.audit import log as audit
from service.web.database.tables import Outcome


@pytest.fixture
def client(tmp_path: Path):
    with served(copy_workspace(tmp_path / "workspace")) as client:
        yield client


def rows(client: TestClient, login: str) -> list[dict]:
    return As(client, login).get("/v1/visits?limit=500").json()["visits"]


def form(
    person: As, outreach_id: str, outcome: str = "needed", token: str = "a", **more: str
) -> dict[str, str]:
    return {"csrf": person.csrf, "outreach_id": outreach_id, "outcome": outcome, "token": token, **more}


def stored(client: TestClient) -> list[tuple[str, bool]]:
    with client.app.state.database.reading() as session:
        return [
            (one.outcome, one.undone_at is not None) for one in session.query(Outcome).order_by(Outcome.id)
        ]


def logged(client: TestClient) -> list[tuple[str, str, str, str]]:
    client.app.state.drain.everything(client.app.state.journal)
    entries = audit._entries(client.app.state.database)
    return [(one.who, one.action, one.subject, one.purpose) for one in entries]


def test_a_page_shows_nothing_that_the_api_would_not(client):
    li, wang = As(client, "li"), As(client, "wang")
    mine = {row["household_id"] for row in rows(client, "li")}
    for row in rows(client, "wang"):
        home = row["household_id"]
        seen = li.get(f"/visits/{home}")
        assert seen.status_code == (200 if home in mine else 404)
        if home in mine:
            assert "家暴求助" not in seen.text
        assert wang.get(f"/visits/{home}").status_code == 200
    shown = set(re.findall(r'href="/visits/(h\d+)', li.get("/visits").text))
    assert shown == mine
    assert li.get("/overview").status_code == 403
    assert li.get("/visits?grid=g1").text.count('class="card"') == li.get("/visits").text.count(
        'class="card"'
    )
    for login in ("chen", "sun"):
        assert As(client, login).get("/visits").status_code == 403
        assert As(client, login).get("/overview").status_code == 403
    assert As(client, "chen").get("/audit").status_code == 403


def test_outcomes_out_of_sight_or_without_the_forms_token_are_refused(client):
    li = As(client, "li")
    own, other = rows(client, "li")[0], next(one for one in rows(client, "wang") if one["grid_id"] == "g1")
    assert li.post("/outcomes", data=form(li, other["outreach_id"])).status_code == 404
    assert li.post("/outcomes", data={**form(li, own["outreach_id"]), "csrf": "x"}).status_code == 403
    assert li.post("/outcomes", data=form(li, own["outreach_id"], outcome="maybe")).status_code == 422
    assert (
        li.post("/refusals", data={"csrf": li.csrf, "household_id": other["household_id"]}).status_code == 404
    )
    assert stored(client) == []
    chen = As(client, "chen")
    assert chen.post("/outcomes", data=form(chen, own["outreach_id"])).status_code == 403


def test_the_same_form_counts_once_and_another_button_or_a_press_after_undo_counts_anew(client):
    li, row = As(client, "li"), rows(client, "li")[0]
    for _ in range(2):
        answer = li.post("/outcomes", data=form(li, row["outreach_id"]), follow_redirects=False)
        assert answer.status_code == 303 and answer.headers["location"].startswith("/visits/")
    assert stored(client) == [("needed", False)]
    li.post("/outcomes", data=form(li, row["outreach_id"], outcome="declined"))
    assert stored(client) == [("needed", False), ("declined", False)]
    undo = {"csrf": li.csrf, "outreach_id": row["outreach_id"], "number": "2"}
    li.post("/outcomes/undo", data=undo)
    li.post("/outcomes", data=form(li, row["outreach_id"], outcome="declined"))
    assert stored(client) == [("needed", False), ("declined", True), ("declined", False)]


def test_a_household_that_wants_no_visits_is_gone_from_every_page_at_once(client):
    li, row = As(client, "li"), rows(client, "li")[0]
    home = row["household_id"]
    assert li.post("/refusals", data={"csrf": li.csrf, "household_id": home}).status_code == 200
    assert home not in li.get("/visits").text
    gone = li.get(f"/visits/{home}")
    assert gone.status_code == 403 and "谢绝" in gone.text
    assert home not in {one["household_id"] for one in rows(client, "wang")}
    assert ("user:li", "resident.refuse", home, "住户页 household page") in logged(client)


def test_a_coordinator_takes_a_refusal_back_on_the_page(client):
    li, wang, home = As(client, "li"), As(client, "wang"), rows(client, "li")[0]["household_id"]
    assert "收回谢绝" in wang.get("/visits").text and "收回谢绝" not in li.get("/visits").text
    li.post("/refusals", data={"csrf": li.csrf, "household_id": home})
    assert li.post("/refusals/end", data={"csrf": li.csrf, "household_id": home}).status_code == 403
    assert wang.post("/refusals/end", data={"csrf": "x", "household_id": home}).status_code == 403
    assert li.get(f"/visits/{home}").status_code == 403
    end = {"csrf": wang.csrf, "household_id": f" {home} "}
    assert wang.post("/refusals/end", data=end, follow_redirects=False).status_code == 303
    assert li.get(f"/visits/{home}").status_code == 200
    again = wang.post("/refusals/end", data=end)
    assert again.status_code == 404 and "没有登记过谢绝" in again.text
    assert wang.post("/refusals/end", data={**end, "household_id": "nobody"}).status_code == 404
    assert ("user:wang", "resident.accept", home, "本周走访页 visits page") in logged(client)


def test_a_form_sent_after_the_session_ended_says_that_it_was_not_stored(client):
    client.cookies.clear()
    home = rows(client, "li")[0]["household_id"]
    client.cookies.clear()
    for path in ("/refusals", "/outcomes"):
        answer = client.post(path, data={"household_id": home, "csrf": "x"})
        assert answer.url.path == "/sign-in" and "没有保存" in answer.text
    assert "没有保存" not in client.post("/sign-out").text
    assert "没有保存" not in client.get("/visits").text
    assert As(client, "li").get(f"/visits/{home}").status_code == 200


def test_every_look_is_in_the_audit_log_with_its_reason(client):
    li, row = As(client, "li"), rows(client, "li")[0]
    li.get("/visits")
    li.get(f"/visits/{row['household_id']}")
    seen = logged(client)
    assert seen[-2][:2] == ("user:li", "visits.read") and row["household_id"] in seen[-2][2].split("\n")
    assert seen[-2][3] == "本周走访页 visits page"
    assert seen[-1] == ("user:li", "visit.read", row["household_id"], "住户页 household page")


def test_signing_in_needs_the_forms_token_and_leads_only_to_addresses_of_this_service(client):
    client.cookies.clear()
    fields = {"login": "li", "password": PASSWORD, "next": "https://elsewhere.example/"}
    assert client.post("/sign-in", data=fields).status_code == 403
    token = re.search(r'name="token" value="(\w+)"', client.get("/sign-in").text)[1]
    for wanted, got in (
        ("https://elsewhere.example/", "/"),
        ("//elsewhere.example", "/"),
        ("/visits", "/visits"),
    ):
        fields |= {"token": token, "next": wanted}
        answer = client.post("/sign-in", data=fields, follow_redirects=False)
        assert answer.status_code == 303 and answer.headers["location"] == got
    client.cookies.clear()


def test_errors_are_pages_for_people_and_json_for_the_api(client):
    li = As(client, "li")
    for path, status in (("/nowhere", 404), ("/visits?as_of=2020-01-06", 404), ("/visits?as_of=x", 422)):
        answer = li.get(path)
        assert answer.status_code == status and answer.headers["content-type"].startswith("text/html")
    assert NEWEST in li.get("/visits?as_of=2020-01-06").text
    assert li.get("/v1/visits?as_of=2020-01-06").headers["content-type"] == "application/problem+json"
    english = li.client.get("/nowhere", headers={"Cookie": "xianying_language=en"})
    assert "no such address" in english.text and 'lang="en"' in english.text
    assert "没有这个地址" in li.client.get("/nowhere", headers={"Cookie": "xianying_language=fr"}).text


def test_what_is_wrong_with_a_request_is_told_in_chinese_on_pages_and_by_field_to_systems(client):
    li = As(client, "li")
    junk = {"headers": {"Content-Type": "multipart/form-data; boundary=x"}, "content": b"junk"}
    for answer in (
        li.get("/visits?as_of=x"),
        li.get("/visits?everybody=perhaps"),
        li.post("/outcomes", data={"csrf": li.csrf}),
        li.send("POST", "/outcomes", **junk),
    ):
        main = answer.text[answer.text.index("<main") : answer.text.index("</main")]
        main = re.sub(r"<[^>]*>", "", re.sub(r'<p class="soft made">[^<]*</p>', "", main))  # who, and when
        assert "填的内容不对" in main and not re.search("[A-Za-z]", main)
    assert "query.as_of" in li.get("/v1/visits?as_of=x").json()["detail"]


def test_single_sign_on_is_offered_where_there_is_an_issuer(client):
    assert "/v1/session/oidc" not in client.get("/sign-in").text
    issuer = {"oidc_issuer": "https://id.example", "oidc_client_id": "xianying"}
    with served(client.app.state.settings.workspace, **issuer) as other:
        assert 'href="/v1/session/oidc"' in other.get("/sign-in").text


def test_pages_tell_the_communitys_time_and_their_files_travel_packed(client):
    page = As(client, "li").get("/visits").text
    (stamp,) = re.findall(r"账号 li · (\S+ \S+)</p>", page)
    told = datetime.fromisoformat(stamp).replace(tzinfo=ZoneInfo("Asia/Shanghai"))
    assert abs(datetime.now(ZoneInfo("UTC")) - told) < timedelta(minutes=30)
    (script,) = re.findall(r'src="(/static/visits\.js\S+)"', page)
    plain, packed = (
        client.get(script, headers={"Accept-Encoding": kind}) for kind in ("identity", "gzip, br")
    )
    assert plain.text == packed.text and packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 2


def test_the_overview_shows_at_once_what_workers_note(client):
    li, wang = As(client, "li"), As(client, "wang")
    first, second, *_ = {row["household_id"]: row for row in rows(client, "li")}.values()
    li.post("/v1/feedback", json={"outreach_id": first["outreach_id"], "kind": "wrong_person"})
    asked = {"household_id": first["household_id"], "requested_at": "2024-06-04T09:00:00+08:00"}
    li.post("/v1/requests", json=asked | {"text": "楼道灯坏了"}, headers={"Idempotency-Key": "a"})
    li.post(f"/v1/residents/{second['household_id']}/refusal", json={})
    page = wang.get("/overview").text
    for words in ("人不对", "别的需要：楼道灯坏了", "不要再来（已不上名单"):
        assert words in page, words
    assert f'href="/visits/{first["household_id"]}?as_of' in page
    assert f'href="/visits/{second["household_id"]}?as_of' not in page
