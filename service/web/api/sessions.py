"""Routes to sign in and out, and to ask who one is."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, StringConstraints

from features.workspace_secret import workspace_secret
from service.web.auth.failures import browser_cookie, source_of
from service.web.auth.identities import Asker, cookie_name
from service.web.auth.sign_in import Credentials, close_session, sign_in_in_turn
from service.web.published.state import state_of

BROWSER_COOKIE, YEAR = "xianying_browser", 365 * 24 * 3600
router = APIRouter(prefix="/v1/session", tags=["登录 sign-in"])


class Given(BaseModel):
    """A login, its password, and the second factor's code where the person has one."""

    login: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(examples=["zhang.wei"])
    password: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        examples=["correct horse battery"]
    )
    code: Annotated[str, StringConstraints(max_length=20)] = Field("", examples=["123456"])


class Me(BaseModel):
    """Who asks, and what they may do."""

    who: str
    name: str
    role: str
    scopes: list[str]
    grid_id: str | None
    microgrid_id: str | None
    csrf: str = Field(description="send it as X-CSRF-Token with every unsafe request of a browser")


def set_cookie(request: Request, response: Response, token: str) -> None:
    """Give a browser its session."""
    settings = state_of(request).settings
    response.set_cookie(
        cookie_name(request),
        token,
        max_age=int(settings.session_hours * 3600),
        httponly=True,
        secure=settings.secure,
        samesite="lax",
        path="/",
    )


def forget_cookie(request: Request, response: Response) -> None:
    """Take a browser's session away."""
    secure = state_of(request).settings.secure
    response.delete_cookie(cookie_name(request), path="/", secure=secure, httponly=True, samesite="lax")


@router.post("", status_code=204, summary="登录，得到会话 cookie")
async def open_session(request: Request, given: Given) -> Response:
    """Give a session cookie for a login and password; answer 401 if they are wrong, 429 while the login is locked."""
    response = Response(status_code=204)
    await enter_in(request, response, given.login, given.password, given.code)
    return response


async def enter_in(request: Request, response: Response, login: str, password: str, code: str) -> None:
    """Sign somebody in and set two cookies: the session's, and one by which the browser is known again.

    Raises a problem when the login, password or code is wrong, or while sign-in is locked or limited.
    """
    state = state_of(request)
    address = request.client.host if request.client else ""
    secret = workspace_secret(state.settings.workspace)
    source = source_of(secret, login, address, request.cookies.get(BROWSER_COOKIE, ""))
    state.limits.count_sign_in(source.place)
    given = Credentials(login, password, code, address, source)
    set_cookie(request, response, await sign_in_in_turn(state, given))
    known = browser_cookie(secret, login)
    response.set_cookie(
        BROWSER_COOKIE, known, YEAR, httponly=True, secure=state.settings.secure, samesite="strict", path="/"
    )


@router.get("", summary="当前身份")
async def me(asker: Asker) -> Me:
    """Return who asks."""
    return Me(
        who=asker.who,
        name=asker.name,
        role=asker.role.value,
        scopes=sorted(asker.scopes),
        grid_id=asker.grid_id,
        microgrid_id=asker.microgrid_id,
        csrf=asker.csrf,
    )


@router.delete("", status_code=204, summary="退出登录")
def end_session(request: Request, asker: Asker, everywhere: bool = False) -> Response:
    """End the session; with ``everywhere`` all sessions of the person."""
    if asker.session:
        close_session(state_of(request).database, asker, everywhere)
        state_of(request).identities.forget()
    response = Response(status_code=204)
    forget_cookie(request, response)
    return response
