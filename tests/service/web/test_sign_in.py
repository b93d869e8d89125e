"""Getting in: passwords, sessions, lock-outs, API keys; on both databases."""

import asyncio
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY
from fastapi.testclient import TestClient
from service_database import database_url  # noqa: F401
from sqlalchemy import select, update

from features.language import UserError
from service.web.app import create_app
from service.web.auth import identities, people, second_factor
from service.web.auth import sign_in as entrance
from service.web.auth.failures import browser_cookie, source_of
from service.web.base.limiting import MOST_COUNTED, Limits
from service.web.base.middleware import Frame
from service.web.base.problems import Problem
from service.web.base.settings import Settings, read_settings
from service.web.database.tables import ApiKey, Entry, SignIn, SignInFailure, User, now

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


def test_passwords_are_kept_as_rfc_9106_recommends(production_hasher: PasswordHasher):
    assert extract_parameters(production_hasher.hash(PASSWORD)) == RFC_9106_LOW_MEMORY


def test_a_session_that_was_ended_elsewhere_no_longer_works(client):
    sign_in(client)
    cookie = client.cookies["xianying_session"]
    people.set_password(client.app.state.database, "wang", "another password")
    client.cookies.set("xianying_session", cookie)
    assert client.get("/v1/session").status_code == 401


def test_a_session_opened_while_the_clock_was_ahead_ends_when_it_is_set_right(client):
    sign_in(client)
    ahead = now() + timedelta(days=360)
    with client.app.state.database.writing() as session:
        session.execute(update(SignIn).values(created_at=ahead, expires_at=ahead + timedelta(hours=12)))
    assert client.get("/v1/session").status_code == 401


def test_wrong_passwords_lock_the_login_with_ever_longer_waits(client):
    for _ in range(3):
        answer = sign_in(client, password="wrong password")
        assert answer.status_code == 401 and answer.json()["type"] == "urn:xianying:wrong-password"
    answer = sign_in(client)  # right, but too late
    assert answer.status_code == 429 and 50 < int(answer.headers["retry-after"]) <= 61
    database = client.app.state.database
    with database.writing() as session:
        session.execute(update(SignInFailure).values(locked_until=now()))
    assert sign_in(client, password="wrong again!").status_code == 401
    assert int(sign_in(client).headers["retry-after"]) > 100
    with database.writing() as session:  # locked while the clock was ahead
        session.execute(update(SignInFailure).values(locked_until=now() + timedelta(days=300)))
    assert sign_in(client, password="wrong again!").status_code == 401
    people.set_active(database, "wang", True)
    assert sign_in(client).status_code == 204
    assert sign_in(client, "nobody").status_code == 401
    assert sign_in(client, "li").status_code == 204  # one login's lock is not another's


@pytest.mark.parametrize("change", [people.set_password, people.set_active])
def test_a_password_or_person_changed_while_the_password_is_checked_opens_nothing(
    client, monkeypatch, change
):
    fits = entrance.password_fits

    def meanwhile(password: str, stored: str | None) -> bool:
        found = fits(password, stored)
        change(
            client.app.state.database, "wang", "another password" if change is people.set_password else False
        )
        return found

    monkeypatch.setattr(entrance, "password_fits", meanwhile)
    assert sign_in(client).status_code == 401
    assert client.get("/v1/session").status_code == 401


def of_address(client: TestClient, host: str) -> TestClient:
    """Another browser, at another address."""
    return TestClient(client.app, client=(host, 50000))


def test_nobody_locks_a_colleague_out(client):
    mine, desk = of_address(client, "192.0.2.7"), of_address(client, "192.0.2.8")
    assert sign_in(mine).status_code == 204
    guessers = [of_address(client, f"198.51.100.{number}") for number in range(12)]
    refused = [sign_in(one, password="wrong password").status_code for one in guessers for _ in range(4)]
    assert refused == [401, 401, 401, 429] * 10 + [429] * 8  # from anywhere: ten times as many
    assert sign_in(mine).status_code == 204  # where they signed in before they always can
    wait = int(sign_in(desk).headers["retry-after"])  # elsewhere they wait a moment
    assert 0 < wait <= 61
    with client.app.state.database.writing() as session:
        session.execute(
            update(SignInFailure).where(SignInFailure.place_hash == "anywhere").values(locked_until=now())
        )
    assert sign_in(desk).status_code == 204
    with client.app.state.database.writing() as session:
        session.execute(update(SignInFailure).values(failures=1000, locked_until=now()))
    assert sign_in(guessers[0], password="wrong password").status_code == 401
    assert int(sign_in(guessers[0]).headers["retry-after"]) <= 15 * 60 + 1


def test_a_browser_is_known_by_a_cookie_of_ours_for_that_login_only():
    secret, cookie = b"s" * 32, browser_cookie(b"s" * 32, "wang")
    assert source_of(secret, "wang", "192.0.2.1", cookie).known
    token = cookie.partition(".")[0]
    for other in (
        "",
        token,
        f"{token}.",
        f"{token}.{'0' * 64}",
        f"x{cookie}",
        browser_cookie(b"o" * 32, "wang"),
    ):
        assert not source_of(secret, "wang", "192.0.2.1", other).known, other
    assert not source_of(secret, "li", "192.0.2.1", cookie).known


def test_a_login_that_nobody_has_is_answered_like_one_with_a_lock(client):
    def answers(login: str) -> list[tuple[int, dict]]:
        some = of_address(client, "192.0.2.9")
        found = [sign_in(some, login, "wrong password") for _ in range(5)]
        return [(one.status_code, {**one.json(), "title": one.json()["title"][:6]}) for one in found]

    people.add_user(client.app.state.database, "blocked", "auditor", PASSWORD)
    people.set_active(client.app.state.database, "blocked", False)
    assert answers("wang") == answers("nobody") == answers("blocked")


def code_now(factor, steps: int = 0) -> str:
    totp = pyotp.TOTP(factor.key)
    return totp.at(now() + timedelta(seconds=steps * totp.interval))


def test_a_second_factor_is_asked_of_whoever_has_one(client):
    database = client.app.state.database
    factor = people.set_second_factor(database, "wang")
    assert factor.key in factor.address and "wang" in factor.address

    def enter(code: str):
        given = {"login": "wang", "password": PASSWORD, "code": code}
        return of_address(client, "192.0.2.10").post("/v1/session", json=given)

    wrong = sign_in(of_address(client, "192.0.2.11"), password="wrong password")
    assert enter("").json() == enter("000000").json() == wrong.json()
    code = code_now(factor)
    assert enter(code).status_code == 204
    assert enter(code).status_code == 401  # used
    people.set_active(database, "wang", True)
    assert enter(code_now(factor, 1)).status_code == 204  # a clock that is a little fast
    assert enter(code_now(factor, 9)).status_code == 401
    factor = people.set_second_factor(database, "wang")
    with database.writing() as session:  # signed in while the clock was a year ahead
        session.execute(update(User).where(User.login == "wang").values(second_factor_step=10**9))
    assert enter(code_now(factor)).status_code == 204 and enter(code_now(factor)).status_code == 401
    with database.writing() as session:
        kept = session.scalar(select(User.second_factor).where(User.login == "wang"))
        session.execute(update(User).where(User.login == "wang").values(second_factor="damaged"))
    assert enter(code_now(factor)).status_code == 401
    with database.writing() as session:
        session.execute(update(User).where(User.login == "wang").values(second_factor=kept))
    with database.reading() as session:
        assert factor.key not in session.query(User).filter_by(login="wang").one().second_factor
    people.set_second_factor(database, "wang", remove=True)
    assert enter("").status_code == 204


def test_no_code_is_taken_twice_where_the_clock_was_set_back(client, monkeypatch):
    factor, start = people.set_second_factor(client.app.state.database, "wang"), now()

    def enter(minutes: float, code: str) -> int:
        """Sign in so many minutes after the start, by the server's clock."""
        monkeypatch.setattr(second_factor, "now", lambda: start + timedelta(minutes=minutes))
        given = {"login": "wang", "password": PASSWORD, "code": code}
        people.set_active(client.app.state.database, "wang", True)
        return of_address(client, "192.0.2.12").post("/v1/session", json=given).status_code

    def code(minutes: float) -> str:
        return pyotp.TOTP(factor.key).at(start + timedelta(minutes=minutes))

    assert enter(0, code(0)) == enter(60, code(60)) == 204
    assert enter(1, code(1)) == 204  # set back by an hour
    assert enter(0, code(0)) == 401 and enter(60, code(60)) == 401  # used before that
    assert enter(2, code(1)) == 401 and enter(2, code(2)) == 204
    assert enter(30, code(30)) == 204 and enter(29.5, code(29)) == 401  # older than the one before, as ever
    people.set_second_factor(client.app.state.database, "wang", remove=True)


def test_an_office_can_require_a_second_factor_by_role(tmp_path):
    settings = Settings(workspace=tmp_path, environment="development", second_factor="coordinator, auditor")
    with TestClient(create_app(settings)) as client:
        database = client.app.state.database
        people.add_user(database, "wang", "coordinator", PASSWORD)
        people.add_user(database, "li", "grid_worker", PASSWORD, grid_id="g1")
        assert sign_in(client, "li").status_code == 204
        answer = sign_in(client)
        assert answer.status_code == 403 and "users second-factor wang" in answer.json()["title"]
        assert sign_in(client, password="wrong password").status_code == 401
        given = {
            "login": "wang",
            "password": PASSWORD,
            "code": code_now(people.set_second_factor(database, "wang")),
        }
        assert client.post("/v1/session", json=given).status_code == 204
    with pytest.raises(UserError, match=r"XIANYING_SECOND_FACTOR.*boss"):
        read_settings(workspace=tmp_path, environment="development", second_factor="boss")


def test_a_requirement_ends_sessions_that_a_password_alone_opened(tmp_path):
    settings = {"workspace": tmp_path, "environment": "development", "identity_seconds": 0}
    cookies = {}
    with TestClient(create_app(Settings(**settings))) as client:
        database = client.app.state.database
        for login, role in (("wang", "coordinator"), ("sun", "auditor"), ("chen", "coordinator")):
            people.add_user(database, login, role, PASSWORD)
        with database.writing() as session:  # by single sign-on: without a password
            zhou = User(login="zhou", role="coordinator")
            session.add(zhou)
            session.flush()
            cookies["zhou"] = f"xianying_session={entrance.open_session(session, zhou, hours=1)}"
        factor = people.set_second_factor(database, "chen")
        for login, code in (("wang", ""), ("sun", ""), ("chen", code_now(factor))):
            given = {"login": login, "password": PASSWORD, "code": code}
            answer = client.post("/v1/session", json=given)
            cookies[login] = f"xianying_session={answer.cookies['xianying_session']}"
    with TestClient(create_app(Settings(**settings, second_factor="coordinator"))) as client:
        answers = {
            login: client.get("/v1/session", headers={"Cookie": cookie}) for login, cookie in cookies.items()
        }
        codes = {login: answer.status_code for login, answer in answers.items()}
        assert codes == {"wang": 401, "sun": 200, "chen": 200, "zhou": 200}


def test_signing_out_everywhere_ends_every_session_of_the_person(client):
    here, there, other = (of_address(client, f"192.0.2.{number}") for number in (20, 21, 22))
    assert [sign_in(here).status_code, sign_in(there).status_code, sign_in(other, "li").status_code] == [
        204
    ] * 3
    csrf = {"X-CSRF-Token": here.get("/v1/session").json()["csrf"]}
    assert here.delete("/v1/session?everywhere=true", headers=csrf).status_code == 204
    assert [one.get("/v1/session").status_code for one in (here, there, other)] == [401, 401, 200]
    page = other.get("/visits").text
    token = re.search(r'name="csrf" value="([^"]+)"', page).group(1)
    assert sign_in(there, "li").status_code == 204
    form = {"csrf": token, "everywhere": "true"}
    other.post("/sign-out", data=form, follow_redirects=False)
    assert [one.get("/v1/session").status_code for one in (there, other)] == [401, 401]


@pytest.mark.parametrize("how", ["api", "page", "everywhere"])
def test_signing_out_holds_at_once_though_sessions_are_remembered(tmp_path, how):
    settings = Settings(workspace=tmp_path, environment="development", identity_seconds=60)
    with TestClient(create_app(settings)) as client:
        people.add_user(client.app.state.database, "wang", "coordinator", PASSWORD)
        assert sign_in(client).status_code == 204
        other = of_address(client, "192.0.2.40")
        assert sign_in(other).status_code == 204 and other.get("/v1/session").status_code == 200
        cookie, csrf = client.cookies["xianying_session"], client.get("/v1/session").json()["csrf"]
        if how == "page":
            client.post("/sign-out", data={"csrf": csrf}, follow_redirects=False)
        else:
            path = "/v1/session" + ("?everywhere=true" if how == "everywhere" else "")
            assert client.delete(path, headers={"X-CSRF-Token": csrf}).status_code == 204
        client.cookies.set("xianying_session", cookie)
        assert client.get("/v1/session").status_code == 401
        assert other.get("/v1/session").status_code == (401 if how == "everywhere" else 200)


def test_failed_and_locked_sign_ins_are_in_the_audit_log(client):
    some = of_address(client, "192.0.2.30")
    for login in ("wang", "my password by mistake"):
        for _ in range(4):
            sign_in(some, login, "wrong password")
    with client.app.state.database.reading() as session:
        found = [
            (one.who, one.action, one.detail)
            for one in session.scalars(select(Entry).order_by(Entry.number))
            if one.action.startswith("session")
        ]
    for who in ("user:wang", "unknown"):
        assert [one[1:] for one in found if one[0] == who] == [
            *[("session.failed", "192.0.2.30")] * 3,
            ("session.locked", "192.0.2.30"),
        ]
    assert "mistake" not in str(found)


def test_whoever_is_shut_out_is_out_at_once(client):
    sign_in(client)
    people.set_active(client.app.state.database, "wang", False)
    assert client.get("/v1/session").status_code == 401
    assert sign_in(client).status_code == 401


def test_a_session_still_stored_opens_nothing_for_who_is_shut_out(client):
    sign_in(client)
    with client.app.state.database.writing() as session:
        session.execute(update(User).where(User.login == "wang").values(active=False))
    assert client.get("/v1/session").status_code == 401


def test_a_key_works_until_it_is_revoked_or_expires(client):
    database = client.app.state.database
    key = people.make_key(database, "mini-program", ["scores:read"], 30, grid_id="g1")
    bearer = {"Authorization": f"Bearer {key}"}
    me = client.get("/v1/session", headers=bearer).json()
    assert me["role"] == "machine" and me["scopes"] == ["scores:read"] and me["grid_id"] == "g1"
    client.cookies.set("xianying_session", key)  # where it would need no CSRF token
    assert client.get("/v1/session").status_code == 401
    client.cookies.clear()
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
    for address in (
        "/v1/session",
        "/v1/nowhere",
        "/sign-in",
        "/audit",
    ):  # answers that refuse are not kept either
        assert client.get(address, follow_redirects=False).headers["cache-control"] == "no-store", address
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


def test_a_body_in_small_pieces_has_the_same_limit(tmp_path):
    settings = Settings(workspace=tmp_path, environment="development", largest_body=1000)
    waiting = [{"type": "http.request", "body": b"x" * 400, "more_body": True} for _ in range(9)]
    answered = []

    async def receive():
        return waiting.pop(0)

    async def send(message):
        answered.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/session", "raw_path": b"/v1/session"}
    scope |= {"query_string": b"", "headers": [(b"content-type", b"application/json")]}
    asyncio.run(Frame(create_app(settings), settings)(scope, receive, send))
    assert answered[0]["status"] == 413 and len(waiting) == 6


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
    monkeypatch.setattr(entrance, "password_fits", slow)

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
    monkeypatch.setattr(entrance, "password_fits", lambda *_: pytest.fail("a password was hashed"))
    assert client.post("/v1/session", json=wrong).status_code == 429
