"""Pages to sign in and out, and to choose the language and the size of text."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request, Response

from features.language import say
from service.web.api.sessions import YEAR, enter_in, forget_cookie
from service.web.auth.identities import SignedIn, check_csrf
from service.web.auth.sign_in import close_session
from service.web.auth.tokens import new_token, same, signed
from service.web.base.problems import Problem, outdated_page
from service.web.pages.frame import LANGUAGE_COOKIE, NEXT_DEFAULT, TEXT_COOKIE, go_to, local, menu, page
from service.web.published.state import state_of

router = APIRouter(include_in_schema=False)
FORM_COOKIE = "xianying_form"
Next = Annotated[str, Query(max_length=500)]


@router.get("/sign-in")
def sign_in_page(request: Request, next: Next = NEXT_DEFAULT, unsaved: bool = False) -> Response:
    """Show the form. ``unsaved``: say that what somebody sent after the session had ended was not stored."""
    lost = say(
        "登录过期了，刚才登记的没有保存；请登录后再登记一次",
        "your sign-in had ended and what you sent was not saved: sign in and send it again",
    )
    return _form(request, next, problem=lost if unsaved else "")


def _form(request: Request, next: str, status: int = 200, problem: str = "", login: str = "") -> Response:
    settings = state_of(request).settings
    nonce = request.cookies.get(FORM_COOKIE) or new_token()
    answer = page(
        request,
        None,
        "sign_in.html",
        status,
        next=local(next),
        token=signed(settings.secret.get_secret_value(), nonce),
        problem=problem,
        login=login,
        single_sign_on=settings.single_sign_on,
    )
    answer.set_cookie(FORM_COOKIE, nonce, httponly=True, secure=settings.secure, samesite="strict", path="/")
    return answer


@router.post("/sign-in")
async def open_session(
    request: Request,
    login: Annotated[str, Form(max_length=100)] = "",
    password: Annotated[str, Form(max_length=200)] = "",
    code: Annotated[str, Form(max_length=20)] = "",
    token: Annotated[str, Form(max_length=100)] = "",
    next: Annotated[str, Form(max_length=500)] = NEXT_DEFAULT,
) -> Response:
    """Check a login and password; when they are wrong, show the form again with what is wrong."""
    settings = state_of(request).settings
    answer: Response = go_to(next)
    nonce = request.cookies.get(FORM_COOKIE, "")
    try:
        if not nonce or not same(token, signed(settings.secret.get_secret_value(), nonce)):
            raise outdated_page()
        await enter_in(request, answer, login.strip(), password, code)
    except Problem as problem:
        answer = _form(request, next, problem.status, problem.content["title"], login)
        answer.headers.update(problem.headers)
    return answer


@router.post("/sign-out")
def sign_out(
    request: Request,
    asker: SignedIn,
    csrf: Annotated[str, Form(max_length=100)] = "",
    everywhere: Annotated[bool, Form()] = False,
) -> Response:
    """End the session; with ``everywhere`` all sessions of the person."""
    check_csrf(asker, csrf)
    if asker.session:
        close_session(state_of(request).database, asker, everywhere)
        state_of(request).identities.forget()
    answer = go_to("/sign-in")
    forget_cookie(request, answer)
    return answer


@router.get("/settings")
def settings(
    request: Request,
    language: Literal["zh", "en"] | None = None,
    text: Literal["large", "normal"] | None = None,
    next: Next = NEXT_DEFAULT,
) -> Response:
    """Remember a language or a size of text in this browser."""
    answer = go_to(next)
    secure = state_of(request).settings.secure
    for name, value in ((LANGUAGE_COOKIE, language), (TEXT_COOKIE, text)):
        if value:
            answer.set_cookie(name, value, YEAR, httponly=True, secure=secure, samesite="lax", path="/")
    return answer


@router.get("/")
def first_page(asker: SignedIn) -> Response:
    """Redirect to the page where this person begins."""
    pages = menu(asker)
    return go_to(pages[0][0] if pages else "/sign-in")
