"""Store new requests, from other systems or entered by a worker, until the workspace's records take them."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy import or_

from service.web.base.access import Identity
from service.web.database.engine import Database
from service.web.database.tables import NewRequest, now
from service.web.intake.once import store_once


@dataclass(frozen=True)
class SentRequest:
    """A request as it was sent."""

    household_id: str
    requested_at: datetime | None  # None: now
    need: str | None
    text: str | None
    channel: str | None
    resolved_at: datetime | None
    satisfaction: int | None
    request_id: str | None = None


def add_request(
    database: Database, identity: Identity, asked: SentRequest, token: str, purpose: str = ""
) -> NewRequest:
    """Store a request; for a token or request_id that the sender used before, return the request stored then.

    It gets an id of the service's own, so that no sender can take another's id, or one in the records. ``token``: the
    Idempotency-Key. ``purpose``: for the audit log. Raises a problem when the earlier request was about something else.
    """
    given, number = asked.request_id, uuid4().hex
    if given is not None:
        number = hashlib.sha256(f"{identity.who}\n{given}".encode()).hexdigest()[:32]
    number = f"service-{number}"
    row = NewRequest(
        **{**vars(asked), "request_id": number, "requested_at": asked.requested_at or now()},
        by=identity.who,
        token=token,
    )
    alike = vars(asked).keys() - {"request_id"} - ({"requested_at"} if asked.requested_at is None else set())
    same = or_(NewRequest.token == token, NewRequest.request_id == number)
    return store_once(database, row, same, alike, ("request.write", purpose, number))
