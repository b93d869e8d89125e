"""Who sends a request: by API key or by the cookie of a session, remembered for a few seconds."""

import time
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Annotated, cast

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request
from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from features.language import say
from service.web.audit.log import enter
from service.web.auth.tokens import hashed, new_token, password_fits, same
from service.web.base.access import SCOPES, Identity, Role, machine_scopes
from service.web.base.limiting import Limits
from service.web.base.problems import Problem, not_signed_in, outdated_page
from service.web.base.settings import Settings
from service.web.database.engine import Database
from service.web.database.tables import ApiKey, SignIn, User, now

COOKIE, SECURE_COOKIE = "xianying_session", "__Host-xianying_session"
CSRF_HEADER = "x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MOST_REMEMBERED = 10_000
CHECKED_AT_ONCE, MOST_WAITING = 2, 100  # passwords
LONGEST_LOCK = timedelta(days=1)


@dataclass
class Identities:
    """Identities by the hash of their key or session; looked up again after ``seconds``."""

    database: Database
    seconds: float
    _held: dict[str, tuple[float, Identity]] = field(default_factory=dict)

    def remembered(self, token: str) -> Identity | None:
        """The identity of a token seen lately; None where it must be looked up."""
        found = self._held.get(token)
        return found[1] if found and found[0] > time.monotonic() else None

    def find(self, token: str) -> Identity | None:
        """The identity of a key or session, from the database; None where it no longer holds."""
        digest = hashed(token)
        with self.database.reading() as session:
            identity = _of_key(session, digest) if token.startswith("xy_") else _of_session(session, digest)
        if identity:
            if len(self._held) >= MOST_REMEMBERED:
                self._held.clear()
            self._held[token] = time.monotonic() + self.seconds, identity
        return identity

    def forget(self, token: str = "") -> None:
        """Forget a token, or all of them: what was changed in this process holds at once."""
        if token:
            self._held.pop(token, None)
        else:
            self._held.clear()


class AccessState:
    """What the application holds of who may use it: ``service.web.published.state`` adds the rest."""

    settings: Settings
    database: Database
    limits: Limits
    identities: Identities
    signing_in: CapacityLimiter  # how many passwords are checked at a time


def access_state(request: Request) -> AccessState:
    """Return what the application holds that a request came to, as far as it is about access."""
    return cast(AccessState, request.app.state)


def _of_key(session: Session, digest: str) -> Identity | None:
    key = session.scalar(select(ApiKey).where(ApiKey.key_hash == digest))
    if key is None or key.revoked_at is not None or key.expires_at <= now():
        return None
    return Identity(
        who=f"key:{key.id}",
        role=Role.MACHINE,
        scopes=machine_scopes(key.scopes),
        grid_id=key.grid_id,
        microgrid_id=key.microgrid_id,
        name=key.name,
    )


def _of_session(session: Session, digest: str) -> Identity | None:
    found = session.execute(
        select(SignIn, User).join(User, SignIn.user_id == User.id).where(SignIn.token_hash == digest)
    ).first()
    if found is None:
        return None
    sign_in, user = found
    if sign_in.expires_at <= now() or not user.active:
        return None
    return Identity(
        who=f"user:{user.login}",
        role=Role(user.role),
        scopes=SCOPES[Role(user.role)],
        grid_id=user.grid_id,
        microgrid_id=user.microgrid_id,
        worker_id=user.worker_id,
        name=user.name or user.login,
        csrf=sign_in.csrf,
        session=digest,
    )


def cookie_name(request: Request) -> str:
    """The name of the session's cookie: browsers take ``__Host-`` over https only."""
    return SECURE_COOKIE if access_state(request).settings.secure else COOKIE


async def signed_in(request: Request) -> Identity:
    """Return the person who asks for a page; a page's form must call ``check_csrf`` itself.

    Raises a 401 problem without a person's session: pages show what no key may see.
    """
    identity = await _identity(request)
    if not identity.session:
        raise not_signed_in()
    return identity


async def _identity(request: Request) -> Identity:
    """Return who asks, by key or session. Raises a 401 problem."""
    identities = access_state(request).identities
    header = request.headers.get("authorization")
    if header is not None:
        kind, _, token = header.partition(" ")
        if kind.lower() != "bearer" or not token.startswith("xy_"):
            raise not_signed_in()
    else:
        token = request.cookies.get(cookie_name(request), "")
        if not token or token.startswith("xy_"):
            raise not_signed_in()
    identity = identities.remembered(token) or await run_in_threadpool(identities.find, token)
    if identity is None:
        raise not_signed_in()
    request.state.identity = identity
    access_state(request).limits.count(identity.who)
    return identity


async def current_identity(request: Request) -> Identity:
    """Who asks. A browser's unsafe request must carry its session's CSRF token in ``X-CSRF-Token``."""
    identity = await _identity(request)
    if identity.session and request.method not in SAFE_METHODS:
        check_csrf(identity, request.headers.get(CSRF_HEADER, ""))
    return identity


def check_csrf(identity: Identity, token: str) -> None:
    """Raise a 403 problem unless the token is that of the session."""
    if identity.session and not (token and same(token, identity.csrf)):
        raise outdated_page()


Asker = Annotated[Identity, Depends(current_identity)]
SignedIn = Annotated[Identity, Depends(signed_in)]


async def sign_in_in_turn(state: AccessState, login: str, password: str) -> str:
    """Check a password and open a session; its token.

    A few passwords are checked at a time, in threads of their own: each check takes 64 MiB and a moment, and whoever
    reads does not wait for them. Raises a problem for a wrong or locked login, and where too many wait already.
    """
    if state.signing_in.statistics().tasks_waiting >= MOST_WAITING:
        raise Problem(
            503,
            "busy",
            say("登录的人太多，请稍后再试", "too many people are signing in: try again in a moment"),
            headers={"Retry-After": "5"},
        )
    settings = state.settings
    how = (settings.session_hours, settings.attempts, settings.lock_seconds)
    check = partial(sign_in, state.database, login, password, *how)
    return await to_thread.run_sync(check, limiter=state.signing_in)


def sign_in(
    database: Database, login: str, password: str, hours: float, attempts: int, lock_seconds: float
) -> str:
    """Check a password and open a session; its token. Raises a problem for a wrong or locked one.

    After ``attempts`` wrong passwords the login is locked for ``lock_seconds``, twice as long each further time.
    """
    with database.reading() as session:
        user = session.scalar(select(User).where(User.login == login))
    if user and user.locked_until and user.locked_until > now():
        raise _locked(int((user.locked_until - now()).total_seconds()) + 1)
    stored = user.password_hash if user and user.active else None
    fits = password_fits(password, stored)  # takes long, so before the database is locked
    with database.writing() as session:
        user = session.scalar(select(User).where(User.login == login).with_for_update())
        if user and user.locked_until and user.locked_until > now():
            failed = _locked(int((user.locked_until - now()).total_seconds()) + 1)
        elif user and fits and user.active and user.password_hash == stored:
            user.failures, user.locked_until = 0, None
            enter(session, f"user:{user.login}", "session.open", "", "", "password")
            return open_session(session, user, hours)
        else:
            failed = Problem(401, "wrong-password", say("账号或密码不对", "wrong login or password"))
            if user:
                user.failures += 1
                if user.failures >= attempts:
                    lock = timedelta(seconds=lock_seconds * 2 ** min(user.failures - attempts, 20))
                    user.locked_until = now() + min(lock, LONGEST_LOCK)
    raise failed


def _locked(wait: int) -> Problem:
    return Problem(
        429,
        "locked",
        say(f"密码错误次数过多，请 {wait} 秒后再试", f"too many wrong passwords: try again in {wait} s"),
        headers={"Retry-After": str(wait)},
    )


def open_session(session: Session, user: User, hours: float) -> str:
    """A new session of a person; its token, for the cookie. Sessions that have ended are removed."""
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


def close_session(database: Database, identity: Identity) -> None:
    """End a person's session."""
    with database.writing() as session:
        session.execute(delete(SignIn).where(SignIn.token_hash == identity.session))
        enter(session, identity.who, "session.close", "")
