"""Turn what residents mention at the door into requests: another need beside a row, or a row added below a list."""

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from features.language import say
from features.point_in_time.records import Records
from service.lists.answers import OUTCOME_OF, plain_words, read_date
from service.returns.filled_rows import Filled

CHANNEL = "走访"
NOTHING = {"", "无", "没有", "none", "no"}


def is_added(row: Filled, listed: set[tuple[str, str]]) -> bool:
    """Tell whether a row was added below a list by hand, and is not a listed row that lost its outreach_id.

    ``listed``: household and need, by its id and names, of every pair ever listed.
    """
    return not row.outreach_id and bool(row.household_id) and (row.household_id, row.need) not in listed


def requests_of(
    rows: Sequence[Filled], records: Records, now: datetime
) -> tuple[list[dict[str, Any]], list[str]]:
    """Build the requests that are not stored yet.

    rows: filled rows: of lists with ``other_need``, and added ones.
    records: what is stored by now.
    now: local time at which the requests are recorded.

    Returns Rows of the contract's table requests, and one line for each row of a household that is not known.
    """
    needs = records.community.need_of_word()
    homes, stored = {*records.household_ids}, {*records.requests.request_id}
    requests: dict[str, dict[str, Any]] = {}
    refused = []
    for row in rows:
        text = _mentioned(row)
        if plain_words(text) in NOTHING:
            continue
        if row.household_id not in homes:
            refused.append(_unknown_household(row))
            continue
        day = _day(row, now.date())
        number = _number(row.household_id, day, text)
        if number not in stored:
            need = needs.get(text)
            requests[number] = {
                "request_id": number,
                "household_id": row.household_id,
                "requested_at": day.isoformat(),
                "recorded_at": now.replace(tzinfo=None, microsecond=0).isoformat(sep=" "),
                "need": need,
                "text": None if need else text,
                "channel": CHANNEL,
            }
    return list(requests.values()), refused


def _mentioned(row: Filled) -> str:
    """The need that was mentioned: of an added row its need, unless the outcome says that there is none."""
    if row.other_need or row.outreach_id:
        return row.other_need
    outcome = OUTCOME_OF.get(plain_words(row.outcome), "needed")
    return (row.need or row.notes) if outcome == "needed" else ""


def _day(row: Filled, today: date) -> date:
    return min(read_date(row.date, today) or today, today)


def _number(household_id: str, day: date, text: str) -> str:
    digest = hashlib.blake2b("\x1f".join((household_id, day.isoformat(), text)).encode(), digest_size=6)
    return f"visit-{digest.hexdigest()}"


def _unknown_household(row: Filled) -> str:
    place = row.at("household_id")
    return say(
        f"{place}：户号 {row.household_id} 不在资料里，这一行没有记成诉求",
        f"{place}: household {row.household_id} is not known; the row was not recorded as a request",
    )
