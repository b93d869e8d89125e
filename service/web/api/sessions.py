"""Signing in and out, and who one is."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, StringConstraints

from service.web.auth.identities import Asker, close_session, cookie_name, sign_in_in_turn
from service.web.published.state import state_of

router = APIRouter(prefix="/v1/session", tags=["登录 sign-in"])


class Credentials(BaseModel):
    """A login and its password."""

    login: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(examples=["zhang.wei"])
    password: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        examples=["correct horse battery"]
    )


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
async def open_session(request: Request, credentials: Credentials) -> Response:
    """A session cookie for a login and password; 401 where they are wrong, 429 while the login is locked."""
    state = state_of(request)
    state.limits.count_sign_in(request.client.host if request.client else "")
    token = await sign_in_in_turn(state, credentials.login, credentials.password)
    response = Response(status_code=204)
    set_cookie(request, response, token)
    return response


@router.get("", summary="当前身份")
async def me(asker: Asker) -> Me:
    """Who asks."""
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
def end_session(request: Request, asker: Asker) -> Response:
    """End the session."""
    if asker.session:
        close_session(state_of(request).database, asker)
        state_of(request).identities.forget()
    response = Response(status_code=204)
    forget_cookie(request, response)
    return response
