"""What every page shares: its language and size of text, the frame around it, and errors as pages."""

import json
from collections.abc import Awaitable, Callable
from functools import cache
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from starlette.types import ASGIApp, Receive, Scope, Send

from features.language import grid_words, language, microgrid_words, say, speaking
from service.web.base.access import Identity
from service.web.base.access import Scope as May
from service.web.pages.static import address
from service.web.published.state import state_of

API = ("/v1", "/metrics")
LANGUAGE_COOKIE, TEXT_COOKIE = "xianying_language", "xianying_text"
LANGUAGES = {"zh": "中文", "en": "English"}
NEXT_DEFAULT = "/"
FOR_SYSTEMS = ("urn:xianying:invalid", "urn:xianying:http")  # their details are for those who write programs


class Spoken:
    """A middleware that sets the language of pages: the browser's cookie's, else the community's. Pure ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["path"].startswith(API):
            await self.app(scope, receive, send)
            return
        with speaking(_chosen(scope)):
            await self.app(scope, receive, send)


def _chosen(scope: Scope) -> str:
    raw = b"; ".join(value for name, value in scope["headers"] if name == b"cookie").decode("latin-1")
    try:
        cookie = SimpleCookie(raw).get(LANGUAGE_COOKIE)
    except CookieError:
        return ""
    return cookie.value if cookie and cookie.value in LANGUAGES else ""


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("service.web"), PackageLoader("service")]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.globals.update(
        say=say, grid_words=grid_words, microgrid_words=microgrid_words, address=address, language=language
    )
    environment.filters["path"] = lambda text: quote(str(text), safe="")
    return environment


def page(
    request: Request, identity: Identity | None, template: str, status: int = 200, **values: Any
) -> HTMLResponse:
    """Render a page from a template.

    ``identity``: who is signed in, whose menu the page then has; None for nobody. ``status``: of the answer.
    ``values``: what the template needs.
    """
    other = "zh" if language() == "en" else "en"
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    content = (
        _environment()
        .get_template(template)
        .render(
            identity=identity,
            menu=menu(identity) if identity else [],
            made_at=f"{state_of(request).shelf.now():%Y-%m-%d %H:%M}",
            here=here if request.method == "GET" else NEXT_DEFAULT,
            path=request.url.path,
            other=(other, LANGUAGES[other]),
            large=request.cookies.get(TEXT_COOKIE) == "large",
            **values,
        )
    )
    return HTMLResponse(content, status)


def menu(identity: Identity) -> list[tuple[str, str]]:
    """List addresses and names of the pages that somebody may open; the first is where they arrive after signing in."""
    pages = [
        ("/overview", say("概览", "Overview"), {May.SCORES, May.SENSITIVE} <= identity.scopes),
        ("/visits", say("走访", "Visits"), May.SCORES in identity.scopes),
        ("/month", say("近四周", "Month"), {May.SCORES, May.SENSITIVE} <= identity.scopes),
        ("/models", say("模型", "Models"), May.MODELS in identity.scopes),
        ("/audit", say("审计", "Audit"), May.AUDIT in identity.scopes),
    ]
    return [(address, name) for address, name, allowed in pages if allowed]


def local(address: str) -> str:
    """Return the address if it belongs to this service, else the first page's."""
    plain = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if plain and address.isprintable() else NEXT_DEFAULT


def go_to(address: str) -> RedirectResponse:
    """Redirect to another page of this service with 303, whatever the method of the request."""
    return RedirectResponse(local(address), 303)


Handler = Callable[[Request, Any], Awaitable[Response]]


def errors_as_pages(app: FastAPI) -> None:
    """Show problems as pages where a page was asked for; the API's problems stay JSON."""
    for kind, handler in list(app.exception_handlers.items()):
        app.exception_handlers[kind] = _shown(handler)  # type: ignore[arg-type]


def _to_sign_in(request: Request) -> Response:
    """Redirect to the sign-in form, which leads back to the page, or says that a form's content was not stored."""
    if request.method == "GET":
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return go_to(f"/sign-in?next={quote(here)}")
    return go_to("/sign-in" if request.url.path == "/sign-out" else "/sign-in?unsaved=true")


def _shown(handler: Handler) -> Handler:
    async def shown(request: Request, error: Any) -> Response:
        response = await handler(request, error)
        if request.url.path.startswith(API) or not response.body:
            return response
        problem = json.loads(bytes(response.body))
        if problem["type"] == "urn:xianying:not-signed-in":
            return _to_sign_in(request)
        if problem["type"] in FOR_SYSTEMS:
            problem.pop("detail", None)
        identity = getattr(request.state, "identity", None)
        answer = page(request, identity, "problem.html", response.status_code, problem=problem)
        if "retry-after" in response.headers:
            answer.headers["retry-after"] = response.headers["retry-after"]
        return answer

    return shown
