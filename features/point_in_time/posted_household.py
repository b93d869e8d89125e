"""Records of households that another system posts, instead of reading them from files."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from features.contract.attribute_values import Texts, read_texts
from features.contract.community import Community
from features.contract.refusing_words import wanted_part
from features.contract.table_names import attribute_names
from features.contract.tables import ARMS, OUTCOMES
from features.point_in_time.records import Records, day_of, microgrid_id
from features.rows.tables import (
    FeedbackRows,
    HouseholdRows,
    OptOutRows,
    OutreachRows,
    RequestRows,
    ResidentRows,
)

SECONDS = 86400.0
Row = Mapping[str, Any]
Table = TypeVar("Table", OptOutRows, FeedbackRows)


@dataclass(frozen=True)
class Posted:
    """One household's rows with the contract's columns.

    Times are datetimes, dates, days as numbers, or None; attributes are any values that JSON holds.
    """

    household_id: str
    households: Sequence[Row]  # grid_id, microgrid_id, valid_from, attributes
    residents: Sequence[Row] = ()  # resident_id, valid_from, birth_year or birth_date, attributes
    # need or text, requested_at, recorded_at, resolved_at, satisfaction
    requests: Sequence[Row] = field(default=())
    outreach: Sequence[Row] = field(default=())  # need, contacted_at, arm, outcome

    def row_known(self, as_of: float, zone: ZoneInfo) -> Row | None:
        """Return the newest row of ``households`` before an as-of day, in whatever order they came; None without one."""
        begun = [(day(row["valid_from"], zone), at) for at, row in enumerate(self.households)]
        _, last = max((version for version in begun if version[0] < as_of), default=(0.0, -1))
        return self.households[last] if last >= 0 else None


def posted_records(
    posted: Sequence[Posted],
    community: Community,
    grid_ids: np.ndarray,
    microgrid_ids: np.ndarray,
    attributes: Sequence[str],
    has_residents: bool,
    has_outreach: bool,
) -> Records:
    """Make records with these households as the only ones, in a town with these grids, micro-grids and attributes.

    ``posted``: numbered in this order, whatever their ids; nothing of one tells on another. ``grid_ids``,
    ``microgrid_ids``: object str, sorted; a grid or micro-grid that is not among them becomes -1. ``attributes``: names
    of the town's columns in ``households``; one that was not posted is an empty cell. ``has_residents``,
    ``has_outreach``: whether the town has these tables. Nothing is checked: the caller has checked times and needs.
    """
    zone = ZoneInfo(community.community.timezone)

    def rows(table: str) -> list[Row]:
        return [
            {**row, "household": number}
            for number, household in enumerate(posted)
            for row in getattr(household, table)
        ]

    return Records(
        community=community,
        household_ids=np.array([household.household_id for household in posted], dtype=object),
        grid_ids=grid_ids,
        microgrid_ids=microgrid_ids,
        households=_households(rows("households"), grid_ids, microgrid_ids, attributes, zone),
        residents=_residents(rows("residents"), zone),
        requests=_requests(rows("requests"), community, zone),
        outreach=_outreach(rows("outreach"), community, zone),
        opt_outs=_none(OptOutRows),
        feedback=_none(FeedbackRows),
        workers=pd.DataFrame(),
        has_residents=has_residents,
        has_outreach=has_outreach,
    )


def day(value: Any, zone: ZoneInfo) -> float:
    """Return a time as days since 1970-01-01 in local time; a datetime without offset is local; NaN for None."""
    if value is None:
        return float("nan")
    if isinstance(value, datetime):
        local = value if value.tzinfo is None else value.astimezone(zone).replace(tzinfo=None)
        return local.replace(tzinfo=UTC).timestamp() / SECONDS
    if isinstance(value, date):
        return float(day_of(value))
    return float(value)


def held_name(name: str, columns: Collection[str]) -> str:
    """Return the town's column that an attribute's name stands for, such as children for 孩子数; else the name itself."""
    return (
        name if name in columns else next((held for held in attribute_names(name) if held in columns), name)
    )


def attribute_text(value: Any) -> str | None:
    """Return an attribute as the records keep it: a text, or None for a value that says nothing."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    return text or None


def need_of_text(text: str | None, community: Community) -> int:
    """Find the need whose keywords a text contains, by the rule of ``reader.match_texts``; -1 where there is none."""
    if not text:
        return -1
    small, best, best_need = wanted_part(text).lower(), (0, 0), -1
    for index, need in enumerate(community.needs):
        hits = {word for keyword in need.keywords if (word := keyword.strip().lower()) and word in small}
        score = (len(hits), max(map(len, hits), default=0))
        if score > best:
            best, best_need = score, index
    return best_need


def _of(rows: Sequence[Row]) -> np.ndarray:
    return np.array([row["household"] for row in rows], dtype=np.int32)


def _seen(times: Sequence[float]) -> dict[str, np.ndarray]:
    return {
        "visible_from": np.array(times, dtype=np.float64),
        "visible_to": np.full(len(times), np.inf),
    }


def _ordered(rows: Sequence[Row], time: Any) -> tuple[list[Row], list[float]]:
    """Sort the rows by when they became known; return them and these times."""
    timed = sorted(((time(row), index) for index, row in enumerate(rows)), key=lambda item: item)
    return [rows[index] for _, index in timed], [moment for moment, _ in timed]


def _texts(values: Sequence[str | None]) -> np.ndarray:
    texts = np.empty(len(values), dtype=object)
    texts[:] = values
    return texts


def _attributes(rows: Sequence[Row], columns: Sequence[str] = ()) -> dict[str, Texts]:
    given = [
        {held_name(name, columns): value for name, value in (row.get("attributes") or {}).items()}
        for row in rows
    ]
    names = dict.fromkeys([*columns, *(name for row in given for name in row)])
    return {name: read_texts([attribute_text(row.get(name)) for row in given]) for name in names}


def _position(ids: np.ndarray, wanted: str) -> int:
    place = int(np.searchsorted(ids, wanted))
    return place if place < len(ids) and ids[place] == wanted else -1


def _ends(rows: Sequence[Row], zone: ZoneInfo) -> np.ndarray:
    ends = np.array([day(row.get("valid_until"), zone) for row in rows], dtype=np.float64)
    return np.where(np.isnan(ends), np.inf, ends)


def _households(
    rows: Sequence[Row],
    grid_ids: np.ndarray,
    microgrid_ids: np.ndarray,
    attributes: Sequence[str],
    zone: ZoneInfo,
) -> HouseholdRows:
    ordered, times = _ordered(rows, lambda row: day(row["valid_from"], zone))
    return HouseholdRows(
        **_seen(times),
        household=_of(ordered),
        valid_from=np.array(times, dtype=np.float64),
        valid_until=_ends(ordered, zone),
        grid=np.array([_position(grid_ids, row["grid_id"]) for row in ordered], dtype=np.int32),
        microgrid=np.array(
            [_position(microgrid_ids, microgrid_id(row["grid_id"], row["microgrid_id"])) for row in ordered],
            dtype=np.int32,
        ),
        attributes=_attributes(ordered, attributes),
    )


def _residents(rows: Sequence[Row], zone: ZoneInfo) -> ResidentRows:
    ordered, times = _ordered(rows, lambda row: day(row["valid_from"], zone))
    people = [(row["household"], str(row["resident_id"])) for row in ordered]  # of one household only
    number = {person: index for index, person in enumerate(sorted(set(people)))}
    return ResidentRows(
        **_seen(times),
        resident=np.array([number[person] for person in people], dtype=np.int32),
        household=_of(ordered),
        valid_from=np.array(times, dtype=np.float64),
        valid_until=_ends(ordered, zone),
        born=np.array([_born(row, zone) for row in ordered], dtype=np.float64),
        left=np.full(len(ordered), np.inf),
        attributes=_attributes(ordered),
    )


def _born(row: Row, zone: ZoneInfo) -> float:
    if row.get("birth_date"):
        return day(row["birth_date"], zone)
    return float(day_of(date(int(row["birth_year"]), 7, 1))) if row.get("birth_year") else float("nan")


def _requests(rows: Sequence[Row], community: Community, zone: ZoneInfo) -> RequestRows:
    index = community.need_index()

    def known(row: Row) -> float:
        asked = day(row["requested_at"], zone)
        return max(asked, day(row["recorded_at"], zone)) if row.get("recorded_at") else asked

    ordered, times = _ordered(rows, known)
    need = [
        index.get(row["need"], -1) if row.get("need") else need_of_text(row.get("text"), community)
        for row in ordered
    ]
    return RequestRows(
        **_seen(times),
        request_id=_texts([str(row.get("request_id", "")) for row in ordered]),
        household=_of(ordered),
        need=np.array(need, dtype=np.int16),
        requested=np.array([day(row["requested_at"], zone) for row in ordered], dtype=np.float64),
        recorded=np.array(times, dtype=np.float64),
        resolved=np.array([day(row.get("resolved_at"), zone) for row in ordered], dtype=np.float64),
        satisfaction=np.array([_number(row.get("satisfaction")) for row in ordered], dtype=np.float32),
    )


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _outreach(rows: Sequence[Row], community: Community, zone: ZoneInfo) -> OutreachRows:
    index = community.need_index()
    ordered, times = _ordered(rows, lambda row: day(row["contacted_at"], zone))
    outcomes = [OUTCOMES.index(row["outcome"]) if row.get("outcome") else -1 for row in ordered]
    return OutreachRows(
        **_seen(times),
        outreach_id=_texts([str(row.get("outreach_id", "")) for row in ordered]),
        household=_of(ordered),
        need=np.array([index.get(row["need"], -1) for row in ordered], dtype=np.int16),
        contacted=np.array(times, dtype=np.float64),
        random=np.array([row.get("arm", ARMS[0]) == ARMS[1] for row in ordered], dtype=bool),
        outcome=np.array(outcomes, dtype=np.int8),
        propensity=np.full(len(ordered), np.nan),
    )


def _none(table: type[Table]) -> Table:
    """Make a table without rows."""
    return table(**{column.name: np.empty(0, dtype=np.int32) for column in fields(table)})
