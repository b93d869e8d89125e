"""Tables of the service's database."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

CLOCK_SLACK = timedelta(minutes=5)  # by which clocks differ


def now() -> datetime:
    """Return the present moment in UTC, with its timezone."""
    return datetime.now(UTC)


def lasts(made: datetime, ends: datetime) -> bool:
    """Tell whether what was made at one moment, and ends at another, lasts now.

    What would have been made later than now was made while the clock was ahead, and would last too long.
    """
    return made - CLOCK_SLACK <= now() < ends


class Moment(TypeDecorator[datetime]):
    """A column type for moments: UTC in every database, with the timezone in Python."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Convert a moment to UTC."""
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Return a stored moment in UTC; SQLite forgets the timezone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Number = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows in INTEGER columns only


class Base(DeclarativeBase):
    """The base class of all tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: Moment,
        date: Date,
        dict[str, Any]: JSON,
        list[str]: JSON,
    }


class _Numbered:
    """Rows that the database numbers."""

    id: Mapped[int] = mapped_column(Number, primary_key=True)


class _AboutHousehold(_Numbered):
    """Rows about a household, and by whom they came."""

    household_id: Mapped[str] = mapped_column(String(100), index=True)
    by: Mapped[str] = mapped_column(String(120), sort_order=1)


class _Sent(_AboutHousehold):
    """What a client sent: ``token`` is made by the client, so that sending twice counts once."""

    token: Mapped[str] = mapped_column(String(100), sort_order=1)
    recorded_at: Mapped[datetime] = mapped_column(default=now, sort_order=1)


class _Noted:
    """When something was noted, and since when the records have it."""

    at: Mapped[datetime] = mapped_column(default=now, sort_order=1)
    drained_at: Mapped[datetime | None] = mapped_column(sort_order=1)


class User(_Numbered, Base):
    """A person who signs in."""

    __tablename__ = "users"

    login: Mapped[str] = mapped_column(String(100), unique=True)
    name: Mapped[str] = mapped_column(String(100), default="")
    role: Mapped[str] = mapped_column(String(20))
    grid_id: Mapped[str | None] = mapped_column(String(100))
    microgrid_id: Mapped[str | None] = mapped_column(String(100))
    worker_id: Mapped[str | None] = mapped_column(String(100))
    password_hash: Mapped[str | None] = mapped_column(String(200))  # None: single sign-on only
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    second_factor: Mapped[str | None] = mapped_column(String(200))  # encrypted; None: a password is enough
    second_factor_step: Mapped[int | None]  # half minute of the last code used
    created_at: Mapped[datetime] = mapped_column(default=now)


class UsedCode(Base):
    """A half minute whose code of the second factor a person has used: none counts twice, wherever the clock stands."""

    __tablename__ = "used_codes"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)


class SignInFailure(Base):
    """Wrong passwords of a login from one browser or address, or from all unknown browsers."""

    __tablename__ = "sign_in_failures"

    login_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    place_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    last_at: Mapped[datetime]
    locked_until: Mapped[datetime | None]


class SignIn(Base):
    """A session of a person; its token is known to the browser only."""

    __tablename__ = "sign_ins"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    csrf: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]


class ApiKey(Base):
    """A machine client's key; the key itself is shown once, when it is made."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    scopes: Mapped[list[str]]
    grid_id: Mapped[str | None] = mapped_column(String(100))
    microgrid_id: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Outcome(_Sent, Base):
    """What a visit found: a row each time somebody reports it, of which the last that was not undone counts."""

    __tablename__ = "outcomes"

    outreach_id: Mapped[str] = mapped_column(String(64), index=True)
    need: Mapped[str] = mapped_column(String(100))
    as_of: Mapped[date]
    outcome: Mapped[str] = mapped_column(String(20))
    contacted_on: Mapped[date]
    arm: Mapped[str] = mapped_column(String(20))
    propensity: Mapped[float | None]
    worker_id: Mapped[str | None] = mapped_column(String(100))
    note: Mapped[str] = mapped_column(Text, default="")
    undone_at: Mapped[datetime | None]
    # on its way to the workspace's records: from then on it cannot be undone
    taken_at: Mapped[datetime | None]
    drained_at: Mapped[datetime | None]  # in the records

    __table_args__ = (
        UniqueConstraint("by", "token", name="one_outcome_a_token"),
        Index("outcomes_to_drain", "drained_at", "id"),
    )


class NewRequest(_Sent, Base):
    """A request that another system or a worker entered."""

    __tablename__ = "requests"

    request_id: Mapped[str] = mapped_column(String(100), unique=True)
    requested_at: Mapped[datetime]
    need: Mapped[str | None] = mapped_column(String(100))
    text: Mapped[str | None] = mapped_column(Text)
    channel: Mapped[str | None] = mapped_column(String(50))
    resolved_at: Mapped[datetime | None]
    satisfaction: Mapped[int | None]
    drained_at: Mapped[datetime | None] = mapped_column(index=True)

    __table_args__ = (UniqueConstraint("by", "token", name="one_request_a_token"),)


class Remark(_Sent, Base):
    """What was said about a row of a list beside its outcome; of each column the last word that was given counts."""

    __tablename__ = "remarks"

    outreach_id: Mapped[str] = mapped_column(String(64), index=True)
    need: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str | None] = mapped_column(String(20))  # of contract.FEEDBACK
    satisfaction: Mapped[int | None]  # 1 to 5
    next_visit: Mapped[date | None]
    drained_at: Mapped[datetime | None] = mapped_column(index=True)

    __table_args__ = (UniqueConstraint("by", "token", name="one_remark_a_token"),)


class Reassignment(_AboutHousehold, Base):
    """A household of a week's lists that one worker handed to another; the last row counts."""

    __tablename__ = "reassignments"

    as_of: Mapped[date]
    worker_id: Mapped[str] = mapped_column(String(100))  # who visits from now on
    worker_name: Mapped[str] = mapped_column(String(100))
    at: Mapped[datetime] = mapped_column(default=now)


class Refusal(_AboutHousehold, _Noted, Base):
    """A household that refuses automated listing, from the moment it was noted."""

    __tablename__ = "refusals"

    begins_on: Mapped[date]
    until: Mapped[date | None]


# a refusal that ends on the day on which it begins: it ends those that the records hold
ENDS_RECORDED = Refusal.begins_on == Refusal.until


class Correction(_AboutHousehold, _Noted, Base):
    """An attribute of a household that was wrong, and what it should say."""

    __tablename__ = "corrections"

    attribute: Mapped[str] = mapped_column(String(100))
    value: Mapped[str | None] = mapped_column(Text)


class Deletion(_Numbered, _Noted, Base):
    """A household to be deleted: hidden at once, and removed from the workspace when the deletion is carried out."""

    __tablename__ = "deletions"

    household_hash: Mapped[str] = mapped_column(String(64), index=True)
    household_id: Mapped[str | None] = mapped_column(String(100))  # emptied once it is drained
    by: Mapped[str] = mapped_column(String(120))


# tables with a row for something that somebody sent about a household
OF_HOUSEHOLD = (Outcome, NewRequest, Remark, Reassignment, Refusal, Correction)


class Entry(Base):
    """One entry of the audit log, which holds the hash of the one before. No entry is ever changed or removed."""

    __tablename__ = "audit"

    number: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(String(64), unique=True)  # of the journal's line
    at: Mapped[str] = mapped_column(String(40))
    who: Mapped[str] = mapped_column(String(120), index=True)
    action: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(Text)  # household or other thing, '' for many
    purpose: Mapped[str] = mapped_column(Text)
    detail: Mapped[str] = mapped_column(Text)
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
