"""Programmes of a community: which of them run in a need's window, and whether their seats suffice for the demand."""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import pandas as pd

from features.contract.community import Community, Programme
from features.point_in_time.records import Known, date_of, day_of
from features.units import COMMON_YEAR, WEEK
from models.demand.expected import TOWN


def programmes_for(community: Community, need: str, begins: float, ends: float) -> list[Programme]:
    """List the programmes that serve a need and run at some time in [begins, ends) (days since 1970)."""
    return [
        programme
        for programme in community.programmes
        if need in programme.needs and runs(programme, begins, ends)
    ]


def runs(programme: Programme, begins: float, ends: float) -> bool:
    """Tell whether a programme runs at some time in [begins, ends) (days since 1970); one without dates always does.

    ``opens`` and ``closes`` are month-days; a programme may run over the turn of the year.
    """
    opens, closes = month_day(programme.opens, (1, 1)), month_day(programme.closes, (12, 31))
    days = [date_of(day) for day in range(int(begins), max(int(np.ceil(ends)), int(begins) + 1))]
    marks = [(day.month, day.day) for day in days[: COMMON_YEAR + 1]]
    if opens <= closes:
        return any(opens <= mark <= closes for mark in marks)
    return any(mark >= opens or mark <= closes for mark in marks)


def runs_now(programme: Programme, known: Known) -> bool:
    """Tell whether a programme runs on the as-of day."""
    return runs(programme, known.as_of, known.as_of + 1)


def month_day(text: str, default: tuple[int, int]) -> tuple[int, int]:
    """Read month and day of a programme's opening or closing; return ``default`` if there are none in the text."""
    parts = text.replace("/", "-").replace(".", "-").split("-")
    try:
        return int(parts[-2]), int(parts[-1])
    except (ValueError, IndexError):
        return default


def opening(programme: Programme, day: float) -> int:
    """Return the last day, up to ``day``, on which a programme opened; in days since 1970."""
    month, first = month_day(programme.opens, (1, 1))
    today = date_of(day)
    year = today.year if (month, first) <= (today.month, today.day) else today.year - 1
    return day_of(calendar_day(year, month, first))


def next_opening(programme: Programme, day: float) -> int:
    """Return ``day`` if a programme runs then, else the next day on which it opens; in days since 1970."""
    if runs(programme, day, day + 1):
        return int(day)
    month, first = month_day(programme.opens, (1, 1))
    last = date_of(opening(programme, day))
    return day_of(calendar_day(last.year + 1, month, first))


def calendar_day(year: int, month: int, day: int) -> date:
    """Return a date, the nearest that exists: 31 June is the 30th."""
    month = min(max(month, 1), 12)
    return date(year, month, min(max(day, 1), monthrange(year, month)[1]))


def against_seats(
    demand: pd.DataFrame, community: Community, as_of: float, left: Mapping[str, int | None]
) -> pd.DataFrame:
    """The whole town's demand per need beside the seats of the programmes that run in its window.

    ``left``: seats left, by programme (``models.demand.seats.all_seats_left``).
    Adds programmes (names), seats (left in all of them, NaN where no programme or one without a number), shared_with
    (other needs that draw on the same seats), others (households expected to ask for those) and short
    (expected and others minus seats, NaN without seats).
    """
    table = demand[demand["grid_id"] == TOWN].reset_index(drop=True)
    needs = {need.id: need for need in community.needs}
    serving = [_serving(needs, community, need, as_of) for need in table["need"]]
    table["programmes"] = [[programme.name.here for programme in programmes] for programmes in serving]
    table["seats"] = [_seats(programmes, left) for programmes in serving]
    table["shared_with"] = [
        sorted({other for programme in programmes for other in programme.needs} - {need})
        for need, programmes in zip(table["need"], serving, strict=True)
    ]
    expected = dict(zip(table["need"], table["expected"], strict=True))
    table["others"] = [
        sum(expected.get(need, 0.0) for need in needs_sharing) for needs_sharing in table["shared_with"]
    ]
    table["short"] = table["expected"] + table["others"] - table["seats"]
    return table


def _serving(needs: dict, community: Community, need: str, as_of: float) -> list[Programme]:
    begins = as_of + WEEK * needs[need].lead_weeks
    return programmes_for(community, need, begins, begins + WEEK * needs[need].horizon_weeks)


def _seats(programmes: Sequence[Programme], left: Mapping[str, int | None]) -> float:
    seats = [left.get(programme.id) for programme in programmes]
    return float(sum(seats)) if seats and None not in seats else float("nan")  # type: ignore[arg-type]
