"""Visit first whom a list from above warns of, with its own reason and deadline, until a visit has answered."""

import numpy as np
import pandas as pd

from features.contract.tables import OUTCOMES
from features.language import say, say_line
from features.point_in_time.records import Known
from features.point_in_time.spoken import spoken_day
from features.rows.tables import positions_of
from service.planning.choice import Chosen, chosen
from service.planning.eligibility import LeftOut, eligible_pairs
from service.planning.workers import Workers

NOT_REACHED = OUTCOMES.index("not_reached")
WARNED = ("warned_of", "deadline")  # columns of a plan's visits


def open_warnings(warnings: pd.DataFrame | None, known: Known) -> pd.DataFrame:
    """Select the warnings that a visit has yet to answer.

    warnings: None where there are none, or household_id, received_at (NaT counts as received long ago), deadline
        (NaT: none) and warned_of.
    known: what was known on the as-of day; a warning is answered by an outcome, other than that nobody was met, of a
        contact since it was received.

    Returns one row a household, the most urgent first: household (position), warned_of (of all its open warnings),
    deadline (the earliest).
    """
    if warnings is None or warnings.empty:
        return pd.DataFrame({"household": pd.Series(dtype=np.int64), **{name: [] for name in WARNED}})
    household = positions_of(warnings["household_id"], known.household_ids)
    received = warnings["received_at"].to_numpy("datetime64[us]").astype("datetime64[D]").astype(np.float64)
    received = np.where(np.isnat(warnings["received_at"].to_numpy("datetime64[us]")), -np.inf, received)
    rows = known.outreach
    answered = (rows.outcome >= 0) & (rows.outcome != NOT_REACHED)
    last = np.full(known.household_count, -np.inf)
    np.maximum.at(last, rows.household[answered], rows.contacted[answered])
    waiting = (household >= 0) & (received < known.as_of)
    waiting[waiting] &= known.present[household[waiting]] & ~(last[household[waiting]] >= received[waiting])
    current = warnings[waiting].assign(household=household[waiting])
    return (
        current.groupby("household")
        .agg(
            warned_of=("warned_of", lambda texts: "；".join(dict.fromkeys(texts))),
            deadline=("deadline", "min"),
        )
        .reset_index()
        .sort_values(["deadline", "household"], na_position="last", ignore_index=True)
    )


def warned_pairs(
    scores: pd.DataFrame, known: Known, out: LeftOut, warned: pd.DataFrame, usual: np.ndarray | None
) -> pd.DataFrame:
    """Select what to ask each warned household: the need of most value that is not sensitive.

    A warned household is visited though it was contacted lately, had its visits of the year or has an open request; one
    that refuses or left is not. ``scores``, ``out`` and ``usual``: as for ``eligible_pairs``. ``warned``: from
    ``open_warnings``. Returns the columns of ``eligible_pairs``, with warned_of and deadline.
    """
    if warned.empty:
        return warned
    nobody, nothing = np.zeros_like(out.rests), np.zeros_like(out.handled)
    rules = LeftOut(out.refuses, nobody, nobody, nothing, out.suppressed, nothing)
    rows = scores[np.isin(positions_of(scores["household_id"], known.household_ids), warned["household"])]
    pairs = eligible_pairs(rows, known, rules, usual)
    pairs = (
        pairs[~pairs["sensitive"]]
        .sort_values("value", ascending=False, kind="stable")
        .drop_duplicates("household")
    )
    return pairs.merge(warned, on="household").sort_values(["household", "need"], ignore_index=True)


def choose_warned(pairs: pd.DataFrame, workers: Workers, spare: np.ndarray) -> Chosen:
    """Choose the visits of warned households that the workers can make, the earliest deadlines first.

    ``pairs``: weighed pairs of ``warned_pairs``. ``spare``: visits that each worker can still make, int [workers]; the
    chosen ones are subtracted in place.
    """
    urgency = pairs["deadline"].rank(method="first", ascending=False, na_option="top")
    return chosen(
        pairs.assign(worth=urgency, price=0.0), workers, spare, ~workers.frame["coordinator"].to_numpy(), []
    )


def with_warnings(visits: pd.DataFrame) -> pd.DataFrame:
    """Put what is warned of, and until when to answer, before the reason of each warned household's visits."""
    warned = visits["warned_of"] != ""
    texts = [
        _told(words_of, deadline) if words_of else ""
        for words_of, deadline in zip(visits["warned_of"], visits["deadline"], strict=True)
    ]
    between = say("；", "; ")
    words = pd.Series(texts, index=visits.index, dtype=object)
    return visits.assign(
        **{
            name: visits[name].mask(warned, words + between + visits[name].astype(object))
            for name in ("reason", "why", "paper")
        }
    )


def _told(warned_of: str, deadline: pd.Timestamp) -> str:
    until = (
        ""
        if pd.isna(deadline)
        else say(f"，{spoken_day(f'{deadline:%m-%d}')}前反馈", f", answer by {deadline:%Y-%m-%d}")
    )
    return say(f"预警：{warned_of}{until}", f"warning: {warned_of}{until}")


def warned_lines(open_households: int, listed: int) -> list[str]:
    """Write how many warned households are listed, and why others are not; none where nobody is warned of."""
    if not open_households:
        return []
    rest = open_households - listed
    more = say(
        f"，{rest} 户未排（谢绝、已迁出，或本周走访数不够）",
        f", {rest} not (they refuse, left, or visits do not suffice)",
    )
    return say_line(
        f"预警待核 {open_households} 户，本周排入 {listed} 户{more if rest else ''}",
        f"{open_households} households are warned of; {listed} are listed this week{more if rest else ''}",
    )
