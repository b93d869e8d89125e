"""Which programme fits a need, and how many of its seats are left."""

from features.contract import Need, Programme
from features.language import say
from features.records import Known
from models.programmes import programmes_for
from models.seats import seats_left

WEEK = 7


def programmes_text(need: Need, known: Known) -> str:
    """The programmes that run within a need's window, a line each, with the seats left."""
    ends = known.as_of + WEEK * (need.lead_weeks + need.horizon_weeks)
    return "\n".join(_text(one, known) for one in programmes_for(known.community, need.id, known.as_of, ends))


def _text(programme: Programme, known: Known) -> str:
    details = [_seats(programme, known)]
    if programme.opens or programme.closes:
        details.append(f"{programme.opens}～{programme.closes}")
    if programme.enrol_until:
        details.append(say(f"报名截至 {programme.enrol_until}", f"enrol until {programme.enrol_until}"))
    details.append(programme.organiser)
    inside = say("，", ", ").join(one for one in details if one)
    name = programme.name.here
    return say(f"{name}（{inside}）", f"{name} ({inside})") if inside else name


def _seats(programme: Programme, known: Known) -> str:
    left, seats = seats_left(programme, known), programme.seats
    if seats is None or left is None:
        return ""
    if not left:
        return say(f"{seats} 个名额可能已满", f"{seats} seats, perhaps all taken")
    about = "" if programme.seats_taken is not None else say("约", "about ")
    return say(f"{seats} 个名额，{about}剩 {left}", f"{seats} seats, {about}{left} left")
