"""Getting in: passwords, sessions, lock-outs, API keys; on both databases."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from service_database import database_url  # noqa: F401
from sqlalchemy import update

from features.language import UserError
from service.web.app import create_app
from service.web.auth import identities, people
from service.web.base.limiting import MOST_COUNTED, Limits
from service.web.base.problems import Problem
from service.web.base.settings import Settings, read_settings
from service.web.database.tables import ApiKey, User, now

PASSWORD = "correct horse"


@pytest.fixture
def client(tmp_path: Path, database_url: str) -> Iterator[TestClient]:  # noqa: F811
    settings = Settings(
        workspace=tmp_path,
        environment="development",
        database_url=database_url,
        attempts=3,
        lock_seconds=60,
        identity_seconds=0,
    )
    with TestClient(create_app(settings)) as client:
        database = client.app.state.database
        people.add_user(database, "wang", "coordinator", PASSWORD, "王芳")
        people.add_user(database, "li", "grid_worker", PASSWORD, grid_id="g1")
        yield client


def sign_in(client: TestClient, login: str = "wang", password: str = PASSWORD):
    return client.post("/v1/session", json={"login": login, "password": password})


def test_a_password_opens_a_session_that_ends_when_signing_out(client):
    assert client.get("/v1/session").status_code == 401
    answer = sign_in(client)
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie
    me = client.get("/v1/session").json()
    assert me["who"] == "user:wang" and me["role"] == "coordinator" and "sensitive:read" in me["scopes"]
    assert client.delete("/v1/session").status_code == 403  # without the token of the page
    assert client.delete("/v1/session", headers={"X-CSRF-Token": me["csrf"]}).status_code == 204
    assert client.get("/v1/session").status_code == 401


def test_a_session_that_was_ended_elsewhere_no_longer_works(client):
    sign_in(client)
    cookie = client.cookies["xianying_session"]
    people.set_password(client.app.state.database, "wang", "another password")
    client.cookies.set("xianying_session", cookie)
    assert client.get("/v1/session").status_code == 401


def test_wrong_passwords_lock_the_login_with_ever_longer_waits(client):
    for _ in range(3):
        answer = sign_in(client, password="wrong password")
        assert answer.status_code == 401 and answer.json()["type"] == "urn:xianying:wrong-password"
    answer = sign_in(client)  # right, but too late
    assert answer.status_code == 429 and 50 < int(answer.headers["retry-after"]) <= 61
    database = client.app.state.database
    with database.writing() as session:
        session.execute(update(User).where(User.login == "wang").values(locked_until=now()))
    assert sign_in(client, password="wrong again!").status_code == 401
    assert int(sign_in(client).headers["retry-after"]) > 100
    people.set_active(database, "wang", True)
    assert sign_in(client).status_code == 204
    assert sign_in(client, "nobody").status_code == 401
    assert sign_in(client, "li").status_code == 204  # one login's lock is not another's


def test_whoever_is_shut_out_is_out_at_once(client):
    sign_in(client)
    people.set_active(client.app.state.database, "wang", False)
    assert client.get("/v1/session").status_code == 401
    assert sign_in(client).status_code == 401


def test_a_key_works_until_it_is_revoked_or_expires(client):
    database = client.app.state.database
    key = people.make_key(database, "mini-program", ["scores:read"], 30, grid_id="g1")
    bearer = {"Authorization": f"Bearer {key}"}
    me = client.get("/v1/session", headers=bearer).json()
    assert me["role"] == "machine" and me["scopes"] == ["scores:read"] and me["grid_id"] == "g1"
    (held,) = people.keys(database)
    assert key not in (held.key_hash, held.id) and key.split("_", 2)[2] not in held.key_hash
    people.revoke_key(database, held.id)
    assert client.get("/v1/session", headers=bearer).status_code == 401
    second = people.make_key(database, "other", ["scores:read"], 30)
    with database.writing() as session:
        session.execute(update(ApiKey).where(ApiKey.name == "other").values(expires_at=now()))
    assert client.get("/v1/session", headers={"Authorization": f"Bearer {second}"}).status_code == 401
    answer = client.get("/v1/session", headers={"Authorization": "Bearer xy_no_such"})
    assert answer.status_code == 401 and answer.headers["content-type"] == "application/problem+json"


def test_mistakes_at_the_command_line_are_named(client):
    database = client.app.state.database
    with pytest.raises(UserError, match="scores:write"):
        people.make_key(database, "x", ["scores:write"], 30)
    with pytest.raises(UserError, match="wang"):
        people.add_user(database, "wang", "auditor", PASSWORD)
    with pytest.raises(UserError, match="10"):
        people.add_user(database, "zhao", "auditor", "short")
    with pytest.raises(UserError, match="--grid"):
        people.add_user(database, "zhao", "grid_worker", PASSWORD)
    with pytest.raises(UserError, match="nobody"):
        people.set_password(database, "nobody", PASSWORD)


def test_unsafe_settings_are_refused(monkeypatch, tmp_path):
    monkeypatch.delenv("XIANYING_SECRET", raising=False)
    with pytest.raises(UserError, match="XIANYING_SECRET"):
        read_settings(workspace=tmp_path)
    with pytest.raises(UserError, match="development"):
        read_settings(workspace=tmp_path, environment="development", host="0.0.0.0")
    with pytest.raises(UserError, match="XIANYING_PORT"):
        read_settings(workspace=tmp_path, environment="development", port=70000)
    monkeypatch.setenv("XIANYING_SECRET", "x" * 32)
    assert read_settings(workspace=tmp_path, host="0.0.0.0").secure


def test_every_answer_carries_security_headers(client):
    headers = client.get("/v1/health").headers
    assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
    assert "script-src 'self'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert client.get("/v1/ready").json() == {"status": "ready"}
    assert "xianying_requests_total" in client.get("/metrics").text


def test_too_many_requests_are_turned_away(tmp_path):
    settings = Settings(
        workspace=tmp_path, environment="development", rate="5/minute", sign_in_rate="3/minute"
    )
    with TestClient(create_app(settings)) as client:
        key = people.make_key(client.app.state.database, "eager", ["scores:read"], 1)
        bearer = {"Authorization": f"Bearer {key}"}
        answers = [client.get("/v1/session", headers=bearer) for _ in range(6)]
        assert [one.status_code for one in answers] == [200] * 5 + [429]
        assert 0 < int(answers[-1].headers["retry-after"]) <= 61
        assert [sign_in(client).status_code for _ in range(4)] == [401] * 3 + [429]


def test_bodies_have_a_limit_whether_they_say_their_length_or_not(tmp_path):
    settings = Settings(workspace=tmp_path, environment="development", largest_body=1000)
    with TestClient(create_app(settings)) as client:
        large = b'{"login":"' + b"x" * 2000 + b'"}'
        for content in (large, iter([large[:900], large[900:]])):
            answer = client.post("/v1/session", content=content, headers={"content-type": "application/json"})
            assert answer.status_code == 413 and answer.json()["type"] == "urn:xianying:too-large"


def test_many_other_addresses_give_no_new_start_to_one_that_tried_too_often():
    limits = Limits("1000/day", "3/day")
    for _ in range(3):
        limits.count_sign_in("192.0.2.1")
    for other in range(2 * MOST_COUNTED):
        limits.count_sign_in(f"other {other}")
    with pytest.raises(Problem, match="太多"):
        limits.count_sign_in("192.0.2.1")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORT", "abc", "请写整数"),
        ("WORKERS", "0", "要不小于 1"),
        ("RATE", "often", "写法如 30/minute"),
        ("LOG_LEVEL", "loud", "只能是"),
    ],
)
def test_a_wrong_setting_is_told_in_words_of_the_language(monkeypatch, name, value, words):
    monkeypatch.setenv("XIANYING_ENVIRONMENT", "development")
    monkeypatch.setenv(f"XIANYING_{name}", value)
    with pytest.raises(UserError, match=f"XIANYING_{name}: .*{words}"):
        read_settings()


def test_many_sign_ins_at_once_hash_a_few_at_a_time_and_let_others_read(client, monkeypatch):
    at_once, most, may_go = [], [], threading.Event()

    def slow(password, stored):
        at_once.append(1)
        most.append(len(at_once))
        may_go.wait(30)
        at_once.pop()
        return False

    assert sign_in(client).status_code == 204
    monkeypatch.setattr(identities, "password_fits", slow)

    def enter(number):
        return client.post(
            "/v1/session", json={"login": f"somebody{number}", "password": "wrong"}
        ).status_code

    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(enter, number) for number in range(20)]
        assert client.get("/v1/session").status_code == client.get("/v1/models").status_code == 200
        assert not any(one.done() for one in waiting)
        may_go.set()
        assert {one.result() for one in waiting} == {401}
    assert max(most) <= identities.CHECKED_AT_ONCE


def test_a_locked_login_costs_no_hash(client, monkeypatch):
    wrong = {"login": "li", "password": "wrong password"}
    while client.post("/v1/session", json=wrong).status_code != 429:
        pass
    monkeypatch.setattr(identities, "password_fits", lambda *_: pytest.fail("a password was hashed"))
    assert client.post("/v1/session", json=wrong).status_code == 429
