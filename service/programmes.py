"""Which programme fits a need, and how many of its seats are left."""

from calendar import monthrange
from datetime import date

import numpy as np

from features.contract import OUTCOMES, Need, Programme
from features.language import say
from features.records import Known, date_of, day_of
from models.programmes import month_day, programmes_for, runs

WEEK = 7


def programmes_text(need: Need, known: Known) -> str:
    """The programmes that run within a need's window, a line each, with the seats left."""
    ends = known.as_of + WEEK * (need.lead_weeks + need.horizon_weeks)
    return "\n".join(_text(one, known) for one in programmes_for(known.community, need.id, known.as_of, ends))


def _text(programme: Programme, known: Known) -> str:
    details = [_seats(programme, known)]
    if programme.opens or programme.closes:
        details.append(f"{programme.opens}～{programme.closes}")
    details.append(programme.organiser)
    inside = say("，", ", ").join(one for one in details if one)
    return f"{programme.name.here}（{inside}）" if inside else programme.name.here


def _seats(programme: Programme, known: Known) -> str:
    left, seats = seats_left(programme, known), programme.seats
    if seats is None or left is None:
        return ""
    if not left:
        return say(f"{seats} 个名额可能已满", f"{seats} seats, perhaps all taken")
    about = "" if programme.seats_taken is not None else say("约", "about ")
    return say(f"{seats} 个名额，{about}剩 {left}", f"{seats} seats, {about}{left} left")


def seats_left(programme: Programme, known: Known) -> int | None:
    """Seats that are not taken yet: as the settings say or, without ``seats_taken``, those that no household
    has claimed since the programme opened; None for a programme without a number of seats.
    """
    if programme.seats is None:
        return None
    taken = programme.seats_taken
    return max(0, programme.seats - (claimed(programme, known) if taken is None else taken))


def claimed(programme: Programme, known: Known) -> int:
    """Households that asked for one of a programme's needs, or that a visit found to need it, since it opened.

    None have while it is not open.
    """
    if not runs(programme, known.as_of, known.as_of + 1):
        return 0
    since, index = _opened(programme, known.as_of), known.community.need_index()
    served = [index[need] for need in programme.needs]
    asked, visits = known.requests, known.outreach
    found = visits.outcome == OUTCOMES.index("needed")
    households = np.concatenate(
        [
            asked.household[(asked.requested >= since) & np.isin(asked.need, served)],
            visits.household[found & (visits.contacted >= since) & np.isin(visits.need, served)],
        ]
    )
    return len(np.unique(households))


def _opened(programme: Programme, as_of: int) -> int:
    """The day on which a programme that is running opened."""
    month, day = month_day(programme.opens, (1, 1))
    today = date_of(as_of)
    year = today.year if (month, day) <= (today.month, today.day) else today.year - 1
    month = min(max(month, 1), 12)
    return day_of(date(year, month, min(max(day, 1), monthrange(year, month)[1])))
