"""Tell until when the programmes that serve a need enrol, and how many more they can take. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import combinations

import numpy as np
import pandas as pd

from features.contract.community import Programme
from features.language import UserError
from features.point_in_time.records import Known, date_of, day_of
from features.units import WEEK
from models.demand.programmes import calendar_day, month_day, programmes_for
from models.demand.seats import found, seats_told

MOST_PROGRAMMES = 63
JOINT = 6  # so many programmes that share needs are looked at in every combination; of more, singly and all


@dataclass(frozen=True)
class Enrolment:
    """What the programmes of the community mean for visits in the coming week.

    ``closed``: programmes serve the need in the household's grid within its window, and all have stopped enrolling.
    ``until``: the last day to enrol with any of them, as a day number, inf where there is no such day.
    ``within``: where all programmes still enrolling have a number of seats, these programmes as bits; else 0.
    """

    closed: np.ndarray  # bool [households, needs]
    until: np.ndarray  # float64 days [households, needs]
    within: np.ndarray  # int64 [households, needs]
    seats: np.ndarray  # float64 per programme: seats left, inf where there is no number


@dataclass(frozen=True)
class Limit:
    """The seats left in a set of programmes (bits), for all pairs that no other programme can serve."""

    programmes: int
    seats: float

    def concerns(self, within: np.ndarray) -> np.ndarray:
        """Tell which pairs draw on these seats: bool [pairs]; ``within``: int64 [pairs] (``Enrolment.within``)."""
        return (within != 0) & (within & ~self.programmes == 0)


def enrolment(known: Known, history: pd.DataFrame | None = None) -> Enrolment:
    """Compute what the programmes mean for every household and need, as of the known day.

    ``history``: the contract's programme_history (``store.read_programme_history``). Raises UserError when there are
    more programmes than an int64 has bits for.
    """
    community, grids = known.community, known.grid_ids
    if len(community.programmes) > MOST_PROGRAMMES:
        raise UserError(
            f"community.yaml：programmes 最多 {MOST_PROGRAMMES} 个，请去掉已结束的",
            f"community.yaml: {MOST_PROGRAMMES} programmes at most; leave out those that have ended",
        )
    shape = (len(grids) + 1, len(community.needs))  # the last row: grid not known yet
    closed, within = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=np.int64)
    until = np.full(shape, np.inf)
    seats = np.array([seats_for_visits(programme, known, history) for programme in community.programmes])
    position = {programme.id: at for at, programme in enumerate(community.programmes)}
    for at, need in enumerate(community.needs):
        begins = known.as_of + WEEK * need.lead_weeks
        running = programmes_for(community, need.id, begins, begins + WEEK * need.horizon_weeks)
        last = {programme.id: last_day_to_enrol(programme, begins) for programme in running}
        for row, grid in enumerate(grids):
            offered = [programme for programme in running if not programme.grids or grid in programme.grids]
            free = [programme for programme in offered if last[programme.id] >= known.as_of]
            closed[row, at] = bool(offered) and not free
            until[row, at] = max((last[programme.id] for programme in free), default=np.inf)
            if free and all(np.isfinite(seats[position[programme.id]]) for programme in free):
                within[row, at] = sum(1 << position[programme.id] for programme in free)
    return Enrolment(closed[known.grid], until[known.grid], within[known.grid], seats)


def last_day_to_enrol(programme: Programme, begins: float) -> float:
    """Return the last day (days since 1970) to join the season that runs on or after ``begins``; inf without one.

    ``enrol_until`` of a programme is a month-day; the last one before the programme closes counts.
    """
    if not programme.enrol_until:
        return np.inf
    closes = _next(*month_day(programme.closes, (12, 31)), date_of(begins))
    month, day = month_day(programme.enrol_until, (12, 31))
    last = calendar_day(closes.year, month, day)
    return float(day_of(last if last <= closes else calendar_day(closes.year - 1, month, day)))


def _next(month: int, day: int, begins: date) -> date:
    """Return the first such month-day on or after a date."""
    day_then = calendar_day(begins.year, month, day)
    return day_then if day_then >= begins else calendar_day(begins.year + 1, month, day)


def seats_for_visits(programme: Programme, known: Known, history: pd.DataFrame | None = None) -> float:
    """Compute the seats that visits may still promise; inf where the number of seats is not given.

    Where nobody has recorded how many seats are taken, the households that a visit found in need since the programme
    opened count as taken. Requests do not count: many of them come to nothing, and need no visit.
    """
    seats, taken = seats_told(programme, known, history)
    if seats is None:
        return np.inf
    if taken is None:
        taken = found(programme, known)
    return float(max(0, seats - taken))


def limits_of(enrolment: Enrolment, pairs: pd.DataFrame) -> list[Limit]:
    """Return the limits that the seats left set: expected takers of each set of programmes do not exceed its seats.

    By Hall's theorem all takers find a seat when, for every set of programmes that share needs, no more takers depend
    on that set alone than it has seats. ``pairs``: column ``within``.
    """
    sets = [int(number) for number in np.unique(pairs["within"]) if number]
    limits = []
    for joined in _joined(sets):
        for subset in _subsets(joined):
            if any(programmes & ~subset == 0 for programmes in sets):
                seats = sum(left for at, left in enumerate(enrolment.seats) if subset >> at & 1)
                limits.append(Limit(subset, float(seats)))
    return limits


def _joined(sets: list[int]) -> list[int]:
    """Join the sets of programmes (bits) that overlap."""
    joined: list[int] = []
    for programmes in sets:
        apart = [other for other in joined if not other & programmes]
        for other in joined:
            programmes |= other if other & programmes else 0
        joined = [*apart, programmes]
    return joined


def _subsets(programmes: int) -> Iterator[int]:
    bits = [1 << at for at in range(programmes.bit_length()) if programmes >> at & 1]
    sizes = range(1, len(bits) + 1) if len(bits) <= JOINT else (1, len(bits))
    for size in sizes:
        yield from (sum(combination) for combination in combinations(bits, size))
