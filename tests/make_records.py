"""Records from plain rows, for tests: the contract's column names, times as ISO texts, dates or days."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd

from features.contract.attribute_values import Texts, read_texts
from features.contract.community import Community, parse_community
from features.contract.tables import ARMS, FEEDBACK, OUTCOMES, TABLES
from features.point_in_time.records import (
    FeedbackRows,
    HouseholdRows,
    OptOutRows,
    OutreachRows,
    Records,
    RequestRows,
    ResidentRows,
    day_of,
)

Row = Mapping[str, Any]
NEEDS = (
    {"id": "childcare", "name": {"zh": "暑期托管", "en": "Summer childcare"}, "horizon_weeks": 8},
    {"id": "meals", "name": {"zh": "老年助餐", "en": "Meals"}, "horizon_weeks": 4, "severity": 3},
)
VERSION_COLUMNS = {"visible_from", "visible_to"}


def day(value: Any) -> float:
    """Days since 1970-01-01 of an ISO text, a date, a date-time without offset or a number; NaN for None."""
    if value is None:
        return np.nan
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).timestamp() / 86400
    if isinstance(value, date):
        return float(day_of(value))
    return float(value)


def make_community(needs: Iterable[Row] = NEEDS, **sections: Any) -> Community:
    """A community.yaml's content with these needs and any further sections."""
    content = {"community": {"name": "西山社区"}, "needs": [dict(need) for need in needs], **sections}
    return parse_community(content, "community.yaml")


def make_records(
    households: Iterable[Row] = (),
    requests: Iterable[Row] = (),
    residents: Iterable[Row] = (),
    outreach: Iterable[Row] = (),
    opt_outs: Iterable[Row] = (),
    feedback: Iterable[Row] = (),
    workers: Iterable[Row] = (),
    community: Community | None = None,
    has_residents: bool | None = None,
    has_outreach: bool | None = None,
) -> Records:
    """Records of these rows.

    ``visible_from`` (default: the table's own time in the contract) and ``visible_to`` (default: never) may
    be given in any row; grid_id, microgrid_id and valid_from of a household default to g1, m1 and 2020-01-01.
    A household named only in another table has no row of its own and is therefore never present.
    """
    community = community or make_community()
    tables = [list(rows) for rows in (households, requests, residents, outreach, opt_outs, feedback)]
    tables[0] = [
        {"grid_id": "g1", "microgrid_id": "m1", "valid_from": "2020-01-01", **row} for row in tables[0]
    ]
    tables[2] = [{"valid_from": "2020-01-01", **row} for row in tables[2]]
    household_ids = _ids(row["household_id"] for rows in tables for row in rows)
    grid_ids = _ids(row["grid_id"] for row in tables[0])
    microgrid_ids = _ids(row["microgrid_id"] for row in tables[0])
    where = {one: index for index, one in enumerate(household_ids)}
    grids = {one: index for index, one in enumerate(grid_ids)}
    microgrids = {one: index for index, one in enumerate(microgrid_ids)}

    def of_household(rows: list[Row]) -> np.ndarray:
        return np.array([where[row["household_id"]] for row in rows], dtype=np.int32)

    rows, seen = _versions(tables[0], "valid_from")
    household_rows = HouseholdRows(
        **seen,
        household=of_household(rows),
        valid_from=_days(rows, "valid_from"),
        grid=np.array([grids[row["grid_id"]] for row in rows], dtype=np.int32),
        microgrid=np.array([microgrids[row["microgrid_id"]] for row in rows], dtype=np.int32),
        attributes=_attributes(rows, "households"),
    )
    rows, seen = _versions(tables[2], "valid_from")
    resident_ids = {one: index for index, one in enumerate(_ids(row["resident_id"] for row in rows))}
    resident_rows = ResidentRows(
        **seen,
        resident=np.array([resident_ids[row["resident_id"]] for row in rows], dtype=np.int32),
        household=of_household(rows),
        valid_from=_days(rows, "valid_from"),
        born=np.array([_born(row) for row in rows], dtype=np.float64),
        left=np.array([_left(row, rows) for row in rows], dtype=np.float64),
        attributes=_attributes(rows, "residents"),
    )
    return Records(
        community=community,
        household_ids=household_ids,
        grid_ids=grid_ids,
        microgrid_ids=microgrid_ids,
        households=household_rows,
        residents=resident_rows,
        requests=_request_rows(tables[1], community, of_household),
        outreach=_outreach_rows(tables[3], community, of_household),
        opt_outs=_opt_out_rows(tables[4], of_household),
        feedback=_feedback_rows(tables[5], community, of_household),
        workers=pd.DataFrame(list(workers), columns=list(TABLES["workers"].columns)),
        has_residents=bool(tables[2]) if has_residents is None else has_residents,
        has_outreach=bool(tables[3]) if has_outreach is None else has_outreach,
    )


def _request_rows(requests, community, of_household) -> RequestRows:
    requests = [{**row, "recorded_at": row.get("recorded_at") or row["requested_at"]} for row in requests]
    rows, seen = _versions(requests, "recorded_at")
    return RequestRows(
        **seen,
        request_id=_texts(row.get("request_id", f"r{index}") for index, row in enumerate(rows)),
        household=of_household(rows),
        need=_needs(rows, community),
        requested=_days(rows, "requested_at"),
        recorded=np.maximum(_days(rows, "requested_at"), _days(rows, "recorded_at")),
        resolved=_days(rows, "resolved_at"),
        satisfaction=np.array([row.get("satisfaction", np.nan) for row in rows], dtype=np.float32),
    )


def _outreach_rows(outreach, community, of_household) -> OutreachRows:
    rows, seen = _versions(outreach, "contacted_at")
    return OutreachRows(
        **seen,
        outreach_id=_texts(row.get("outreach_id", f"o{index}") for index, row in enumerate(rows)),
        household=of_household(rows),
        need=_needs(rows, community),
        contacted=_days(rows, "contacted_at"),
        random=np.array([row.get("arm", ARMS[0]) == "random" for row in rows], dtype=bool),
        outcome=np.array(
            [OUTCOMES.index(row["outcome"]) if row.get("outcome") else -1 for row in rows], dtype=np.int8
        ),
        propensity=np.array([row.get("propensity", np.nan) for row in rows], dtype=np.float64),
    )


def _opt_out_rows(opt_outs, of_household) -> OptOutRows:
    rows, seen = _versions(opt_outs, "from")
    until = _days(rows, "until")
    return OptOutRows(
        **seen,
        household=of_household(rows),
        begins=_days(rows, "from"),
        until=np.where(np.isnan(until), np.inf, until),
    )


def _feedback_rows(feedback, community, of_household) -> FeedbackRows:
    rows, seen = _versions(feedback, "recorded_at")
    return FeedbackRows(
        **seen,
        feedback_id=_texts(row.get("feedback_id", f"f{index}") for index, row in enumerate(rows)),
        outreach_id=_texts(row.get("outreach_id") for row in rows),
        household=of_household(rows),
        need=_needs(rows, community),
        recorded=_days(rows, "recorded_at"),
        kind=np.array(
            [FEEDBACK.index(row["kind"]) if row.get("kind") else -1 for row in rows], dtype=np.int8
        ),
        satisfaction=np.array([row.get("satisfaction", np.nan) for row in rows], dtype=np.float32),
        reason_kind=_texts(row.get("reason_kind") for row in rows),
        note=_texts(row.get("note") for row in rows),
        next_visit=_days(rows, "next_visit"),
    )


def _versions(rows: list[Row], time: str) -> tuple[list[Row], dict[str, np.ndarray]]:
    """The rows in order of ``visible_from``, and both columns that every table has."""
    begins = [day(row.get("visible_from", row[time])) for row in rows]
    order = np.argsort(begins, kind="stable") if rows else []
    rows = [rows[index] for index in order]
    return rows, {
        "visible_from": np.array([begins[index] for index in order], dtype=np.float64),
        "visible_to": np.array([day(row.get("visible_to", np.inf)) for row in rows], dtype=np.float64),
    }


def _days(rows: list[Row], column: str) -> np.ndarray:
    return np.array([day(row.get(column)) for row in rows], dtype=np.float64)


def _born(row: Row) -> float:
    if row.get("birth_date"):
        return day(row["birth_date"])
    return day(date(int(row["birth_year"]), 7, 1)) if row.get("birth_year") else np.nan


def _left(row: Row, rows: list[Row]) -> float:
    """When a later row of the resident with another household becomes visible."""

    def order(one: Row) -> tuple[float, float]:
        return day(one["valid_from"]), day(one.get("visible_from", one["valid_from"]))

    moves = [
        order(one)[1]
        for one in rows
        if one["resident_id"] == row["resident_id"]
        and one["household_id"] != row["household_id"]
        and order(one) > order(row)
    ]
    return min(moves, default=np.inf)


def _needs(rows: list[Row], community: Community) -> np.ndarray:
    index = community.need_index()
    return np.array([index.get(row.get("need"), -1) for row in rows], dtype=np.int16)


def _attributes(rows: list[Row], table: str) -> dict[str, Texts]:
    """Every column that the contract does not know, as text."""
    fixed = set(TABLES[table].columns) | VERSION_COLUMNS
    names = list(dict.fromkeys(name for row in rows for name in row if name not in fixed))
    return {
        name: read_texts([None if (one := row.get(name)) is None else str(one) for row in rows])
        for name in names
    }


def _texts(values: Iterable[str | None]) -> np.ndarray:
    items = list(values)
    texts = np.empty(len(items), dtype=object)
    texts[:] = items
    return texts


def _ids(values: Iterable[str]) -> np.ndarray:
    return _texts(sorted(set(values)))
