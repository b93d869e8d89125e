"""Sign in with a password and, where there is one, a second factor; sign out."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from anyio import to_thread
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from features.workspace_secret import workspace_secret
from service.console.operator import operator
from service.web.audit.log import enter
from service.web.auth.failures import Patience, Source, count_failure, forget_failures, locked_for
from service.web.auth.identities import AccessState
from service.web.auth.second_factor import code_fits
from service.web.auth.tokens import hashed, new_token, password_fits
from service.web.base.access import Identity
from service.web.base.problems import Problem
from service.web.base.settings import Settings
from service.web.database.engine import Database
from service.web.database.tables import SignIn, User, now

MOST_WAITING = 100  # passwords


@dataclass(frozen=True)
class Credentials:
    """What somebody signs in with, and where they come from."""

    login: str
    password: str
    code: str
    address: str
    source: Source


async def sign_in_in_turn(state: AccessState, given: Credentials) -> str:
    """Check a password, open a session, and return its token; only a few passwords are checked at a time.

    Checks run in threads of their own, as each takes 64 MiB and a moment, and other requests must not wait for them.
    Raises a problem for a wrong or locked login, and when too many sign-ins are waiting already.
    """
    if state.signing_in.statistics().tasks_waiting >= MOST_WAITING:
        raise Problem(
            503,
            "busy",
            "登录的人太多，请稍后再试",
            "too many people are signing in: try again in a moment",
            headers={"Retry-After": "5"},
        )
    check = partial(sign_in, state.database, state.settings, given)
    return await to_thread.run_sync(check, limiter=state.signing_in)


def sign_in(database: Database, settings: Settings, given: Credentials) -> str:
    """Check a password and code, open a session, and return its token.

    Raises the same problem for a login that does not exist, one that is shut out, and one with a wrong password or
    code. Other problems: the source is locked, or the person's role needs a second factor and there is none.
    """
    with database.reading() as session:
        wait = locked_for(session, given.source)
        user = session.scalar(select(User).where(User.login == given.login))
    if wait:
        with database.writing() as session:
            _enter_failure(session, user, given, "session.locked")
        raise _locked(wait)
    stored = user.password_hash if user and user.active else None
    fits = password_fits(given.password, stored)  # takes long, so before the database is locked
    with database.writing() as session:
        user = session.scalar(select(User).where(User.login == given.login).with_for_update())
        right = user is not None and fits and user.active and user.password_hash == stored
        lacking = (
            user is not None and user.second_factor is None and user.role in settings.second_factor_roles
        )
        if user is not None and right and not lacking:
            right = code_fits(session, user, given.code, workspace_secret(settings.workspace))
        if user is not None and right and not lacking:
            enter(session, f"user:{user.login}", "session.open", "", "", "password")
            forget_failures(session, given.source.login, given.source.place)
            return open_session(session, user, settings.session_hours)
        _enter_failure(session, user, given, "session.failed")
        if not right:
            count_failure(session, given.source, Patience(settings.attempts, settings.lock_seconds))
    raise _second_factor_needed(given.login) if right else _wrong()


def _wrong() -> Problem:
    return Problem(401, "wrong-password", "账号、密码或验证码不对", "wrong login, password or second factor")


def _second_factor_needed(login: str) -> Problem:
    return Problem(
        403,
        "second-factor-needed",
        f"您的账号要用两步登录（密码加手机验证码），请管理员运行 xianying users second-factor {login}",
        f"your role needs a second factor: ask for xianying users second-factor {login}",
    )


def _enter_failure(session: Session, user: User | None, given: Credentials, action: str) -> None:
    """Enter a failed sign-in in the audit log; an unknown login is not repeated, as it may be a password."""
    enter(session, f"user:{user.login}" if user else "unknown", action, "", "", given.address)


def _locked(wait: int) -> Problem:
    return Problem(
        429,
        "locked",
        f"密码错误次数过多，请 {wait} 秒后再试",
        f"too many wrong passwords: try again in {wait} s",
        headers={"Retry-After": str(wait)},
    )


def open_session(session: Session, user: User, hours: float) -> str:
    """Open a session of a person, and return its token for the cookie.

    ``hours``: how long it lasts. Sessions that have ended are removed.
    """
    session.execute(delete(SignIn).where(SignIn.expires_at <= now()))
    token = new_token()
    session.add(
        SignIn(
            token_hash=hashed(token),
            user_id=user.id,
            csrf=new_token(),
            expires_at=now() + timedelta(hours=hours),
        )
    )
    return token


def end_lacking(database: Database, roles: Collection[str]) -> None:
    """End the sessions of people with a password alone whose role needs a second factor by now.

    ``roles``: that need one. Who comes by single sign-on signs in there again.
    """
    lacks = (User.role.in_(roles), User.second_factor.is_(None), User.password_hash.is_not(None))
    with database.writing() as session:
        open_now = select(User.id, User.login).join(SignIn, SignIn.user_id == User.id).where(*lacks)
        for number, login in session.execute(open_now.distinct()).all():
            session.execute(delete(SignIn).where(SignIn.user_id == number))
            enter(session, operator(), "session.close", "", "", f"{login} lacks a second factor")


def close_session(database: Database, identity: Identity, everywhere: bool = False) -> None:
    """End a person's session.

    ``everywhere``: end all their sessions, on any device.
    """
    with database.writing() as session:
        user_id = select(SignIn.user_id).where(SignIn.token_hash == identity.session).scalar_subquery()
        which = SignIn.user_id == user_id if everywhere else SignIn.token_hash == identity.session
        session.execute(delete(SignIn).where(which).execution_options(synchronize_session=False))
        enter(session, identity.who, "session.close", "", "", "everywhere" if everywhere else "")
