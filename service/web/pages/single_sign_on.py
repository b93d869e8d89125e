"""Single sign-on with an OpenID Connect issuer, only for people who have an account here."""

import secrets
from collections.abc import Mapping
from typing import Any

from authlib.integrations.starlette_client import OAuth
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from httpx2 import HTTPError
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool
from starlette.middleware.sessions import SessionMiddleware

from service.web.api.sessions import set_cookie
from service.web.audit.log import enter
from service.web.auth.sign_in import open_session
from service.web.base.problems import Problem
from service.web.base.settings import Settings
from service.web.database.engine import Database
from service.web.database.tables import User
from service.web.published.state import ServiceState, state_of

COOKIE, SECONDS = "xianying_oidc", 600  # of a sign-in under way
ALGORITHMS = "id_token_signing_alg_values_supported"
# by a key that only the issuer has; issuers also list "none", for what this client does not do
SIGNED = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
router = APIRouter(prefix="/v1/session/oidc", tags=["登录 sign-in"])


def add_single_sign_on(app: FastAPI, settings: Settings) -> None:
    """Add the routes, and the cookie that lives while a sign-in is under way."""
    oauth = OAuth()
    oauth.register(
        "issuer",
        server_metadata_url=f"{settings.oidc_issuer.rstrip('/')}/.well-known/openid-configuration",
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret.get_secret_value() or None,
        client_kwargs={"scope": "openid profile", "code_challenge_method": "S256"},
    )
    app.state.issuer = oauth.issuer
    app.add_middleware(
        SessionMiddleware,
        secret_key=settings.secret.get_secret_value() or secrets.token_hex(32),
        session_cookie=COOKIE,
        max_age=SECONDS,
        https_only=settings.secure,
        same_site="lax",
        path="/v1/session/oidc",
    )
    app.include_router(router)


@router.get("", summary="单点登录：转到上级身份平台", status_code=302, response_class=RedirectResponse)
async def begin(request: Request) -> Any:
    """Redirect to the issuer."""
    state_of(request).limits.count_sign_in(request.client.host if request.client else "")
    try:
        await _metadata(state_of(request))
        return await state_of(request).issuer.authorize_redirect(request, _way_back(request))
    except Exception as error:  # the library has many kinds of its own for what an issuer may answer
        raise _unreachable() from error


def _way_back(request: Request) -> str:
    """Return where the issuer sends the browser back to: an address of the settings, as a request may name any host."""
    address, back = state_of(request).settings.public_address, request.url_for("oidc_back")
    return f"{address}{back.path}" if address else str(back)


@router.get(
    "/back", summary="单点登录：返回", status_code=302, response_class=RedirectResponse, name="oidc_back"
)
async def back(request: Request) -> Response:
    """Return from the issuer, and open a session of the account that has this login."""
    state = state_of(request)
    try:
        issuer = (await _metadata(state))["issuer"]
        # the library alone also takes a token for another audience that names this client as authorised party
        token = await state.issuer.authorize_access_token(
            request,
            claims_options={
                "iss": {"essential": True, "value": issuer},
                "aud": {"essential": True, "value": state.settings.oidc_client_id},
            },
        )
        if "id_token" not in token:  # claims beside it are signed by nobody
            raise ValueError("no id_token")
        login = _login(token["userinfo"], state.settings.oidc_claim)
    except HTTPError as error:
        raise _unreachable() from error
    except Exception as error:  # a used code, a token that is forged, old or another's, or none
        raise Problem(
            401, "sign-in-failed", "统一认证没有成功，请再试一次", "sign-in failed: try again"
        ) from error
    session = await run_in_threadpool(_session_of, state.database, login, state.settings.session_hours)
    response = RedirectResponse("/", status_code=302)
    set_cookie(request, response, session)
    return response


async def _metadata(state: ServiceState) -> dict[str, Any]:
    """Load what the issuer says of itself, and leave in it only algorithms by which nobody else can sign.

    Raises ValueError where another issuer answers, or an address in it is none of the web.
    """
    metadata = await state.issuer.load_server_metadata()
    own = str(metadata.get("issuer")).rstrip("/") == state.settings.oidc_issuer.rstrip("/")
    if not own or not all(str(metadata.get(name)).startswith(("https://", "http://")) for name in ENDPOINTS):
        metadata.pop("_loaded_at")  # asked again next time
        raise ValueError("no metadata of this issuer")
    metadata[ALGORITHMS] = [name for name in metadata.get(ALGORITHMS) or () if name in SIGNED]
    return metadata


def _login(claims: Mapping[str, Any], claim: str) -> str:
    """Return the login that the issuer states, or "" without one; an unverified email address does not count."""
    unchecked = claim == "email" and str(claims.get("email_verified", True)).lower() != "true"
    return "" if unchecked else str(claims.get(claim) or "")


def _session_of(database: Database, login: str, hours: float) -> str:
    with database.writing() as session:
        user = session.scalar(select(User).where(User.login == login)) if login else None
        if user is None or not user.active:
            raise Problem(
                403,
                "no-account",
                "统一认证平台上有您，但这里还没给您开账号，请找数据员（xianying users add）",
                "the issuer knows you, but there is no account for you here: ask the data staff",
            )
        enter(session, f"user:{user.login}", "session.open", "", "", "single sign-on")
        return open_session(session, user, hours)


def _unreachable() -> Problem:
    return Problem(
        503,
        "issuer-unreachable",
        "连不上统一认证平台，请等一会儿再试，或用密码登录",
        "the issuer cannot be reached: try later, or use a password",
        headers={"Retry-After": "10"},
    )
