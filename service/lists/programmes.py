"""Which programme fits a need, and how many of its seats are left."""

import pandas as pd

from features.contract.community import Need, Programme
from features.language import say
from features.point_in_time.records import Known
from models.demand.programmes import programmes_for
from models.demand.seats import seats_left, seats_told

WEEK = 7


def programmes_text(need: Need, known: Known, history: pd.DataFrame | None = None) -> str:
    """The programmes that run within a need's window, a line each, with the seats left.

    ``history``: past courses of the programmes (``store.read_programme_history``).
    """
    ends = known.as_of + WEEK * (need.lead_weeks + need.horizon_weeks)
    found = programmes_for(known.community, need.id, known.as_of, ends)
    return "\n".join(_text(one, known, history) for one in found)


def _text(programme: Programme, known: Known, history: pd.DataFrame | None) -> str:
    details = [_seats(programme, known, history)]
    if programme.opens or programme.closes:
        details.append(f"{programme.opens}～{programme.closes}")
    if programme.enrol_until:
        details.append(say(f"报名截至 {programme.enrol_until}", f"enrol until {programme.enrol_until}"))
    details.append(programme.organiser)
    inside = say("，", ", ").join(one for one in details if one)
    name = programme.name.here
    return say(f"{name}（{inside}）", f"{name} ({inside})") if inside else name


def _seats(programme: Programme, known: Known, history: pd.DataFrame | None) -> str:
    seats, taken = seats_told(programme, known, history)
    left = seats_left(programme, known, history)
    if seats is None or left is None:
        return ""
    if taken is not None:
        return say(f"{seats} 个名额，剩 {left}", f"{seats} seats, {left} left")
    if not left:
        return say(f"{seats} 个名额可能已满", f"{seats} seats, perhaps all taken")
    return say(f"{seats} 个名额，约剩 {left}", f"{seats} seats, about {left} left")
