"""Count wrong passwords, so that guessing takes ever longer but hardly ever locks the person whose login it is.

Failures are counted for each login by source: the browser, where it signed in with this login before and shows its
cookie, else the address. Only that source is locked, for a time that doubles. All unknown browsers together are slowed
as well, but never for longer than the first lock. A login that nobody has is counted and locked alike.
"""

from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from features.workspace_secret import keyed_hash
from service.web.auth.tokens import new_token, same
from service.web.database.tables import SignInFailure, now

LONGEST_LOCK = timedelta(minutes=15)  # whoever sits beside a colleague must not shut them out for a day
FORGOTTEN = timedelta(days=1)  # after the last wrong password
ANYWHERE = "anywhere"
MORE = 10  # times as many wrong passwords may come from all unknown browsers together


class Source(NamedTuple):
    """Where a sign-in comes from, as hashes: of the login, and of the browser or address."""

    login: str
    place: str
    known: bool  # a browser that signed in with this login before


class Patience(NamedTuple):
    """The number of wrong passwords before a source is locked, and the length of the first lock in seconds."""

    attempts: int
    seconds: float


def source_of(secret: bytes, login: str, address: str, cookie: str) -> Source:
    """Return where a sign-in comes from.

    ``secret``: the workspace's. ``address``: the client's. ``cookie``: what the browser sent as ``browser_cookie``,
    which may be anything.
    """
    token, _, signature = cookie.partition(".")
    known = bool(token) and same(signature, _signature(secret, login, token))
    place = f"browser {token}" if known else f"address {address}"
    return Source(login_hash(secret, login), keyed_hash(secret, "sign-in place", place), known)


def login_hash(secret: bytes, login: str) -> str:
    """Hash what was typed as a login, since it may have been a password."""
    return keyed_hash(secret, "sign-in login", login)


def browser_cookie(secret: bytes, login: str) -> str:
    """Make a cookie by which a browser is known again for this login."""
    token = new_token()
    return f"{token}.{_signature(secret, login, token)}"


def _signature(secret: bytes, login: str, token: str) -> str:
    return keyed_hash(secret, "browser", f"{login}\n{token}")


def locked_for(session: Session, source: Source) -> int:
    """Return the seconds until this source may try again, or 0 where it may now."""
    rows = session.scalars(_rows(source))
    left = [(row.locked_until - now()).total_seconds() for row in rows if row.locked_until]
    longest = LONGEST_LOCK.total_seconds()  # beyond: the clock was set back since
    return max((int(seconds) + 1 for seconds in left if 0 < seconds <= longest), default=0)


def count_failure(session: Session, source: Source, patience: Patience) -> None:
    """Count a wrong password, and lock its source from ``patience.attempts`` on.

    To be called in a transaction that writes to the audit log, so that two processes never count at once.
    """
    session.execute(delete(SignInFailure).where(SignInFailure.last_at < now() - FORGOTTEN))
    rows = {row.place_hash: row for row in session.scalars(_rows(source))}
    for place in (source.place,) if source.known else (source.place, ANYWHERE):
        row = rows.get(place) or SignInFailure(login_hash=source.login, place_hash=place, failures=0)
        session.add(row)
        row.failures, row.last_at = row.failures + 1, now()
        allowed = patience.attempts * (MORE if place == ANYWHERE else 1)
        if row.failures >= allowed:
            times = 1 if place == ANYWHERE else 2 ** min(row.failures - allowed, 20)
            row.locked_until = now() + min(timedelta(seconds=patience.seconds * times), LONGEST_LOCK)


def forget_failures(session: Session, login: str, place: str | None = None) -> None:
    """Reset the count of a login, for all sources or for one.

    ``login``, ``place``: hashes as in ``Source``; without ``place`` all sources count anew.
    """
    query = delete(SignInFailure).where(SignInFailure.login_hash == login)
    session.execute(query if place is None else query.where(SignInFailure.place_hash == place))


def _rows(source: Source) -> Select[Any]:
    places = [source.place] if source.known else [source.place, ANYWHERE]
    return select(SignInFailure).where(
        SignInFailure.login_hash == source.login, SignInFailure.place_hash.in_(places)
    )
