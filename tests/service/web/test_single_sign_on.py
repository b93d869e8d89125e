"""Single sign-on against an OpenID Connect issuer on this machine."""

import socket
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import uvicorn
from fastapi import FastAPI, Form
from fastapi.responses import RedirectResponse
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

from features.language import UserError
from service.web.app import create_app
from service.web.auth import people
from service.web.base.settings import Settings, read_settings


def issuer_app(address: str) -> FastAPI:
    """A small issuer: everybody is the person whose login was put into ``app.state.login``."""
    app, key, nonces = FastAPI(), RSAKey.generate_key(2048, {"kid": "one"}), {}
    app.state.login, app.state.claims = "wang", {}
    app.state.configuration, app.state.header, app.state.answer = {}, {"alg": "RS256", "kid": "one"}, None

    @app.get("/.well-known/openid-configuration")
    def configuration():
        return {
            "issuer": address,
            "authorization_endpoint": f"{address}/authorize",
            "token_endpoint": f"{address}/token",
            "jwks_uri": f"{address}/jwks",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            **app.state.configuration,
        }

    @app.get("/jwks")
    def keys():
        return {"keys": [key.as_dict(private=False)]}

    @app.get("/authorize")
    def authorize(redirect_uri: str, state: str, nonce: str):
        nonces["code"] = nonce
        return RedirectResponse(f"{redirect_uri}?code=code&state={state}")

    @app.post("/token")
    def token(code: str = Form()):
        now = int(time.time())
        claims = {"iss": address, "aud": "xianying", "sub": "1", "iat": now, "exp": now + 60}
        claims |= {"nonce": nonces[code], "preferred_username": app.state.login, **app.state.claims}
        if app.state.answer is not None:
            return app.state.answer
        header = app.state.header
        signed = jwt.encode(header, claims, key, registry=JWSRegistry(algorithms=[header["alg"]]))
        return {"access_token": "x", "token_type": "Bearer", "id_token": signed}

    return app


@pytest.fixture
def issuer():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    app = issuer_app(f"http://127.0.0.1:{port}")
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield app, f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def client(tmp_path: Path, issuer):
    settings = Settings(
        workspace=tmp_path,
        environment="development",
        oidc_issuer=issuer[1],
        oidc_client_id="xianying",
        oidc_client_secret="secret",
        identity_seconds=0,
    )
    with TestClient(create_app(settings), follow_redirects=False) as client:
        people.add_user(client.app.state.database, "wang", "coordinator", None)
        yield client


def come_back(client: TestClient):
    """Through the issuer and back, as a browser goes."""
    import httpx2

    there = client.get("/v1/session/oidc")
    assert there.status_code == 302 and "code_challenge" in there.headers["location"]
    back = httpx2.get(there.headers["location"])
    assert parse_qs(urlsplit(back.headers["location"]).query)["code"] == ["code"]
    return client.get(back.headers["location"])


def test_who_has_an_account_gets_a_session(client):
    answer = come_back(client)
    assert answer.status_code == 302 and answer.headers["location"] == "/"
    assert client.get("/v1/session").json()["who"] == "user:wang"


def test_who_has_none_or_is_shut_out_does_not(client, issuer):
    issuer[0].state.login = "stranger"
    assert come_back(client).json()["type"] == "urn:xianying:no-account"
    issuer[0].state.login = "wang"
    people.set_active(client.app.state.database, "wang", False)
    assert come_back(client).status_code == 403
    assert client.get("/v1/session").status_code == 401


def test_a_login_that_nobody_vouches_for_opens_nothing(client, issuer):
    for login in ("wang@example.org", "None"):
        people.add_user(client.app.state.database, login, "coordinator", None)
    issuer[0].state.login = None
    assert come_back(client).json()["type"] == "urn:xianying:no-account"
    settings = client.app.state.settings.model_copy(update={"oidc_claim": "email"})
    client.app.state.settings = settings
    issuer[0].state.claims = {"email": "wang@example.org", "email_verified": False}
    assert come_back(client).json()["type"] == "urn:xianying:no-account"
    issuer[0].state.claims["email_verified"] = True
    assert come_back(client).status_code == 302


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "other"},
        {"aud": ["other"], "azp": "xianying"},
        {"iss": "http://127.0.0.1:1"},
        {"exp": 1},
        {"nonce": "another's"},
    ],
    ids=str,
)
def test_a_token_for_somebody_else_or_of_another_time_opens_nothing(client, issuer, claims):
    issuer[0].state.claims = claims
    answer = come_back(client)
    assert answer.status_code == 401 and answer.json()["type"] == "urn:xianying:sign-in-failed"


def test_claims_that_nobody_signed_open_nothing(client, issuer):
    state = issuer[0].state
    state.header = {"alg": "none"}
    assert come_back(client).status_code == 401
    bearer = {"access_token": "x", "token_type": "Bearer"}
    for state.answer in (bearer, {**bearer, "userinfo": {"preferred_username": "wang"}}, [], ["x"]):
        assert come_back(client).status_code == 401


@pytest.mark.parametrize(
    "configuration",
    [
        {"issuer": "http://127.0.0.1:1"},
        {"issuer": None},
        {"authorization_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
    ids=str,
)
def test_an_issuer_that_says_it_is_another_is_not_asked_until_it_is_itself_again(
    client, issuer, configuration
):
    issuer[0].state.configuration = configuration
    assert client.get("/v1/session/oidc").json()["type"] == "urn:xianying:issuer-unreachable"
    issuer[0].state.configuration = {}
    assert come_back(client).status_code == 302


@pytest.mark.parametrize("keys", [[1], {"x": 1}, "x"], ids=str)
def test_keys_that_are_none_let_nobody_in(client, issuer, keys):
    issuer[0].state.configuration = {"jwks": keys}
    answer = come_back(client)
    assert answer.status_code == 401 and answer.json()["type"] == "urn:xianying:sign-in-failed"


def test_an_answer_counts_once_and_in_the_browser_that_asked(client):
    import httpx2

    begun = client.get("/v1/session/oidc").headers["location"]
    back = httpx2.get(begun).headers["location"]
    other = TestClient(client.app, follow_redirects=False)
    assert other.get(back).status_code == 401
    assert client.get(back).status_code == 302
    assert client.get(back).status_code == 401


def test_an_answer_that_was_not_asked_for_is_refused(client):
    answer = client.get("/v1/session/oidc/back?code=code&state=forged")
    assert answer.status_code == 401 and answer.json()["type"] == "urn:xianying:sign-in-failed"


def test_an_issuer_that_is_down_is_told(tmp_path):
    settings = Settings(
        workspace=tmp_path, environment="development", oidc_issuer="http://127.0.0.1:1", oidc_client_id="x"
    )
    with TestClient(create_app(settings), follow_redirects=False) as client:
        answer = client.get("/v1/session/oidc")
        assert answer.status_code == 503 and answer.json()["type"] == "urn:xianying:issuer-unreachable"


def test_the_issuer_sends_back_to_the_address_of_the_settings_whatever_host_a_request_names(client, issuer):
    known = client.app.state.settings.model_copy(update={"public_address": "https://visits.example.org"})
    client.app.state.settings = known
    there = client.get("/v1/session/oidc", headers={"Host": "evil.example"}).headers["location"]
    back = parse_qs(urlsplit(there).query)["redirect_uri"]
    assert back == ["https://visits.example.org/v1/session/oidc/back"]


def test_single_sign_on_in_production_needs_the_public_address(tmp_path, issuer):
    given = {"workspace": tmp_path, "secret": "x" * 40, "oidc_issuer": issuer[1], "oidc_client_id": "x"}
    with pytest.raises(UserError, match="XIANYING_PUBLIC_ADDRESS"):
        read_settings(**given)
    for wrong in ("visits.example.org", "https://a@b", "https://a/b"):
        with pytest.raises(UserError, match="不是完整的网址"):
            read_settings(**given, public_address=wrong)
    assert read_settings(**given, public_address="https://a.example/").public_address == "https://a.example"
