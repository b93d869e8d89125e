"""Find out who sends a request, by API key or session cookie; the answer is kept for a few seconds."""

import time
from dataclasses import dataclass, field
from typing import Annotated, cast

from anyio import CapacityLimiter
from fastapi import Depends, Request
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from service.web.auth.tokens import hashed, same
from service.web.base.access import SCOPES, Identity, Role, machine_scopes
from service.web.base.filters import refuse_unknown
from service.web.base.limiting import Limits
from service.web.base.problems import not_signed_in, outdated_page
from service.web.base.settings import Settings
from service.web.database.engine import Database
from service.web.database.tables import ApiKey, SignIn, User, lasts, now

COOKIE, SECURE_COOKIE = "xianying_session", "__Host-xianying_session"
CSRF_HEADER = "x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MOST_REMEMBERED = 10_000
CHECKED_AT_ONCE = 2  # passwords


@dataclass
class Identities:
    """Identities by key or session token, looked up in the database again after ``seconds``."""

    database: Database
    seconds: float
    _held: dict[str, tuple[float, Identity]] = field(default_factory=dict)

    def remembered(self, token: str) -> Identity | None:
        """Return the identity of a token looked up lately, or None where it must be looked up."""
        kept = self._held.get(token)
        return kept[1] if kept and kept[0] > time.monotonic() else None

    def find(self, token: str) -> Identity | None:
        """Look up the identity of a key or session in the database; None where it is not valid (any more)."""
        digest = hashed(token)
        with self.database.reading() as session:
            identity = _of_key(session, digest) if token.startswith("xy_") else _of_session(session, digest)
        if identity:
            if len(self._held) >= MOST_REMEMBERED:
                self._held.clear()
            self._held[token] = time.monotonic() + self.seconds, identity
        return identity

    def forget(self, token: str = "") -> None:
        """Forget one token, or all, so that a change made in this process takes effect at once."""
        if token:
            self._held.pop(token, None)
        else:
            self._held.clear()


class AccessState:
    """The part of the application's state about access; ``service.web.published.state`` adds the rest."""

    settings: Settings
    database: Database
    limits: Limits
    identities: Identities
    signing_in: CapacityLimiter  # how many passwords are checked at a time


def access_state(request: Request) -> AccessState:
    """Return the application's state for a request, as far as it is about access."""
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
    row = session.execute(
        select(SignIn, User).join(User, SignIn.user_id == User.id).where(SignIn.token_hash == digest)
    ).first()
    if row is None:
        return None
    sign_in, user = row
    if not (lasts(sign_in.created_at, sign_in.expires_at) and user.active):
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
    """Return the name of the session's cookie: browsers take ``__Host-`` over https only."""
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
    """Return who asks. A browser's unsafe request must carry its session's CSRF token in ``X-CSRF-Token``.

    Raises a 401 problem without a valid key or session, a 403 problem without the token, a 429 problem beyond the rate,
    a 422 problem for a query parameter that the route does not take.
    """
    identity = await _identity(request)
    if identity.session and request.method not in SAFE_METHODS:
        check_csrf(identity, request.headers.get(CSRF_HEADER, ""))
    if request.scope["query_string"]:
        refuse_unknown(request)
    return identity


def check_csrf(identity: Identity, token: str) -> None:
    """Raise a 403 problem unless the token is that of the session."""
    if identity.session and not (token and same(token, identity.csrf)):
        raise outdated_page()


Asker = Annotated[Identity, Depends(current_identity)]
SignedIn = Annotated[Identity, Depends(signed_in)]
