"""Keep the accounts of people and the keys of machine clients; each change is entered in the audit log."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from features.language import UserError, joined_names
from features.workspace_secret import workspace_secret
from service.console.operator import operator
from service.web.audit.log import enter
from service.web.auth.failures import forget_failures, login_hash
from service.web.auth.second_factor import SecondFactor, new_second_factor
from service.web.auth.tokens import FEWEST_CHARACTERS, hash_password, hashed, new_key
from service.web.base.access import PLACED, Role, Scope, machine_scopes
from service.web.database.engine import Database
from service.web.database.tables import ApiKey, SignIn, User, now


def add_user(
    database: Database,
    login: str,
    role: str,
    password: str | None,
    name: str = "",
    grid_id: str | None = None,
    microgrid_id: str | None = None,
    worker_id: str | None = None,
) -> None:
    """Add a person; without a password only single sign-on lets them in.

    ``role``: a value of ``Role``. ``grid_id``, ``microgrid_id``: the place whose households they see; a grid worker
    needs one. ``worker_id``: theirs in the workers table. Raises UserError when the login exists, the password is too
    short, or a grid worker has no place.
    """
    if role in PLACED and not (grid_id or microgrid_id):
        raise UserError(
            "grid_worker 要有 --grid 或 --microgrid，否则什么都看不到",
            "a grid_worker needs --grid or --microgrid, or sees nothing",
        )
    with database.writing() as session:
        if session.scalar(select(User.id).where(User.login == login)):
            raise UserError(f"已有账号 {login}", f"there is a login {login} already")
        session.add(
            User(
                login=login,
                name=name,
                role=Role(role).value,
                grid_id=grid_id,
                microgrid_id=microgrid_id,
                worker_id=worker_id,
                password_hash=hash_password(_strong(password)) if password is not None else None,
            )
        )
        place = "/".join(part for part in (grid_id, microgrid_id) if part)
        enter(session, operator(), "users.add", "", "", " ".join(filter(None, (login, role, place))))


def _strong(password: str) -> str:
    if len(password) < FEWEST_CHARACTERS:
        raise UserError(
            f"密码至少要 {FEWEST_CHARACTERS} 个字符", f"a password needs {FEWEST_CHARACTERS} characters"
        )
    return password


@contextmanager
def _changing(
    database: Database, login: str, action: str, detail: str = ""
) -> Iterator[tuple[Session, User]]:
    """Change a person's account, and end their sessions. Raises UserError when there is no such login."""
    with database.writing() as session:
        user = session.scalar(select(User).where(User.login == login))
        if user is None:
            raise UserError(f"没有账号 {login}", f"there is no login {login}")
        yield session, user
        session.execute(delete(SignIn).where(SignIn.user_id == user.id))
        enter(session, operator(), action, "", "", f"{login} {detail}".strip())


def set_password(database: Database, login: str, password: str) -> None:
    """Set a new password, and end the person's sessions and lock-out.

    Raises UserError when there is no such login, or when the password is too short.
    """
    with _changing(database, login, "users.password") as (session, user):
        user.password_hash = hash_password(_strong(password))
        forget_failures(session, login_hash(workspace_secret(database.workspace), login))


def set_active(database: Database, login: str, active: bool) -> None:
    """Shut a person out, or let them in again; end their sessions and lock-out.

    ``active``: whether they may sign in. Raises UserError when there is no such login.
    """
    with _changing(database, login, "users.unblock" if active else "users.block") as (session, user):
        user.active = active
        forget_failures(session, login_hash(workspace_secret(database.workspace), login))


def set_second_factor(database: Database, login: str, remove: bool = False) -> SecondFactor | None:
    """Give a person a new second factor and return it, or remove it and return None; end their sessions.

    The key cannot be read again later. Raises UserError when there is no such login.
    """
    with _changing(database, login, "users.second_factor", "removed" if remove else "") as (session, user):
        if remove:
            user.second_factor = None
            return None
        return new_second_factor(session, user, workspace_secret(database.workspace))


def users(database: Database) -> list[User]:
    """Return all people, sorted by login."""
    with database.reading() as session:
        return list(session.scalars(select(User).order_by(User.login)))


def make_key(
    database: Database,
    name: str,
    scopes: Sequence[str],
    days: float,
    grid_id: str | None = None,
    microgrid_id: str | None = None,
) -> str:
    """Make an API key and return it; it cannot be read again later.

    ``scopes``: values of ``Scope``. ``days``: for how long it works. ``grid_id``, ``microgrid_id``: the place whose
    households it sees; without one it sees the whole community. Raises UserError for a scope that does not exist.
    """
    try:
        chosen = sorted(machine_scopes(scopes))
    except ValueError as error:
        known = joined_names(sorted(Scope))
        unknown = next(scope for scope in scopes if scope not in set(Scope))
        raise UserError(
            f"没有权限 {unknown}，只有 {known}", f"no scope {unknown}; there are {known}"
        ) from error
    identity, key = new_key()
    with database.writing() as session:
        session.add(
            ApiKey(
                id=identity,
                key_hash=hashed(key),
                name=name,
                scopes=[scope.value for scope in chosen],
                grid_id=grid_id,
                microgrid_id=microgrid_id,
                expires_at=now() + timedelta(days=days),
            )
        )
        place = "/".join(part for part in (grid_id, microgrid_id) if part)
        details = (identity, name, " ".join(scope.value for scope in chosen), place)
        enter(session, operator(), "keys.create", "", "", " ".join(filter(None, details)))
    return key


def revoke_key(database: Database, identity: str) -> None:
    """Revoke a key; running services notice within XIANYING_IDENTITY_SECONDS."""
    with database.writing() as session:
        key = session.get(ApiKey, identity)
        if key is None:
            raise UserError(f"没有密钥 {identity}", f"there is no key {identity}")
        key.revoked_at = key.revoked_at or now()
        enter(session, operator(), "keys.revoke", "", "", identity)


def keys(database: Database) -> list[ApiKey]:
    """Return all keys, the newest first."""
    with database.reading() as session:
        return list(session.scalars(select(ApiKey).order_by(ApiKey.created_at.desc())))
