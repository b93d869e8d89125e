"""What happened at each household in a period: what was warned of, found, offered and settled, as texts for a form."""

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from features.contract.tables import OUTCOMES
from features.language import joined_names, say
from features.mapping.kept_rows import read_warnings
from features.mapping.register import DOOR, HOUSEHOLDER, PHONE
from features.point_in_time.records import Records, date_of, day_of, microgrid_numbers
from features.rows.tables import OutreachRows, RequestRows, current, positions_of, rows_at
from models.demand.programmes import programmes_for
from service.lists.answers import outcome_names

NEEDED, NOT_REACHED = OUTCOMES.index("needed"), OUTCOMES.index("not_reached")
BETWEEN = "；"
HOUSEHOLD = ("household_id", "grid", "microgrid", "address", "householder", "phone")


def period_rows(
    workspace: Path, records: Records, workers: Mapping[str, str], begin: date, end: date
) -> pd.DataFrame:
    """Tell what happened at each household from ``begin`` to ``end``, both included.

    ``workers``: worker_id by outreach_id, of all lists. Needs that are sensitive are left out. Returns a row a household
    that was visited or warned of then, in the order of grid, micro-grid and door, with the columns of ``HOUSEHOLD`` and
    the texts warned_of, deadline, visited_on, visited, worker, need, found, offered, settled, resolved_on, done and
    satisfaction.
    """
    visits = _visits(workers, records, begin, end)
    notes = _notes(records, begin, end)
    warned = _warned(workspace, records, begin, end)
    homes = sorted({*visits["household"], *notes["household"], *warned["household"]})
    requests = _requests(records, end)
    rows = [
        {
            "household": home,
            **_warning(warned[warned["household"] == home]),
            **_told(
                records,
                visits[visits["household"] == home],
                notes[notes["household"] == home],
                requests,
                home,
                end,
            ),
        }
        for home in homes
    ]
    table = pd.DataFrame(rows)
    if table.empty:
        return pd.DataFrame(columns=[*HOUSEHOLD])
    table = table.join(_households(records, table["household"].to_numpy()))
    return table.sort_values(["grid", "microgrid", "address", "household_id"], ignore_index=True).drop(
        columns="household"
    )


def _within(when: np.ndarray, begin: date, end: date) -> np.ndarray:
    return np.flatnonzero((when >= day_of(begin)) & (when < day_of(end) + 1))


def _open_needs(records: Records) -> np.ndarray:
    """Tell which needs may stand on a form: bool [needs + 1], the last for none."""
    return np.array([*(not need.sensitive for need in records.community.needs), True])


def _visits(workers: Mapping[str, str], records: Records, begin: date, end: date) -> pd.DataFrame:
    """Return the visits of the period: household, need, day, outcome and worker."""
    rows: OutreachRows = current(records.outreach)
    rows = rows_at(rows, _within(rows.contacted, begin, end))
    rows = rows_at(rows, np.flatnonzero(_open_needs(records)[rows.need]))
    names = dict(zip(records.workers.get("worker_id", []), records.workers.get("name", []), strict=True))
    ids = [workers.get(outreach_id) or "" for outreach_id in rows.outreach_id]
    return pd.DataFrame(
        {
            "household": rows.household,
            "need": rows.need,
            "day": [date_of(when) for when in rows.contacted],
            "outcome": rows.outcome,
            "worker": [
                names.get(worker_id) if isinstance(names.get(worker_id), str) else worker_id
                for worker_id in ids
            ],
        }
    )


def _notes(records: Records, begin: date, end: date) -> pd.DataFrame:
    """Return what was noted on visits in the period: household, day, note, satisfaction."""
    rows = current(records.feedback)
    rows = rows_at(rows, _within(rows.recorded, begin, end))
    return pd.DataFrame(
        {
            "household": rows.household,
            "day": [date_of(when) for when in rows.recorded],
            "note": [note or "" for note in rows.note],
            "satisfaction": rows.satisfaction,
        }
    )


def _requests(records: Records, end: date) -> RequestRows:
    """Return the requests that were made up to the end of the period."""
    rows: RequestRows = current(records.requests)
    keep = (rows.requested < day_of(end) + 1) & (rows.need >= 0)
    rows = rows_at(rows, np.flatnonzero(keep))
    return rows_at(rows, np.flatnonzero(_open_needs(records)[rows.need]))


def _warned(workspace: Path, records: Records, begin: date, end: date) -> pd.DataFrame:
    """Return the warnings that were received in the period, or were to be answered in it."""
    warnings = read_warnings(workspace)
    first, last = pd.Timestamp(begin), pd.Timestamp(end) + pd.Timedelta(days=1)
    received, deadline = pd.to_datetime(warnings["received_at"]), pd.to_datetime(warnings["deadline"])
    here = ((received >= first) & (received < last)) | (
        (deadline >= first) & (received.isna() | (received < last))
    )
    warned = warnings[here | (received.isna() & deadline.isna())]
    household = positions_of(warned["household_id"], records.household_ids)
    return warned.assign(household=household)[household >= 0]


def _warning(warned: pd.DataFrame) -> dict[str, str]:
    deadlines = pd.to_datetime(warned["deadline"]).dropna()
    return {
        "warned_of": BETWEEN.join(dict.fromkeys(warned["warned_of"])),
        "deadline": f"{deadlines.min():%Y-%m-%d}" if len(deadlines) else "",
    }


def _told(
    records: Records, visits: pd.DataFrame, notes: pd.DataFrame, requests: RequestRows, home: int, end: date
) -> dict[str, str]:
    """Write what the visits of one household found, and what was offered and settled."""
    needs, outcomes = records.community.needs, list(outcome_names().values())
    days = sorted({*visits["day"], *notes["day"]})
    met = visits[(visits["outcome"] >= 0) & (visits["outcome"] != NOT_REACHED)]
    findings = [
        f"{needs[need].name.here}{say('：', ': ')}{[*outcomes, say('结果还没交', 'no outcome yet')][outcome]}"
        for need, outcome in visits[["need", "outcome"]].itertuples(index=False)
    ]
    first = day_of(days[0]) - 1 if days else np.inf
    asked = np.flatnonzero((requests.household == home) & (requests.requested >= first))
    needed = dict.fromkeys(
        [*visits.loc[visits["outcome"] == NEEDED, "need"], *(requests.need[at] for at in asked)]
    )
    offered = [
        f"{needs[need].name.here}{say('：', ': ')}{programme.name.here}"
        for need in needed
        for programme in programmes_for(
            records.community, needs[need].id, day_of(end), day_of(end) + 7 * needs[need].horizon_weeks
        )
    ]
    resolved = {needs[requests.need[at]].name.here: requests.resolved[at] for at in asked}
    settled = [
        f"{name} {date_of(when)} {say('办结', 'settled')}"
        if np.isfinite(when)
        else f"{name} {say('办理中', 'being handled')}"
        for name, when in resolved.items()
    ]
    ended = [when for when in resolved.values() if np.isfinite(when)]
    reached = len(met) > 0 or len(notes) > 0
    return {
        "visited_on": joined_names(days),
        "visited": say("是", "yes") if reached else say("否", "no"),
        "worker": _joined(visits["worker"]),
        "need": joined_names(needs[need].name.here for need in needed),
        "found": _joined([*findings, *notes["note"]]),
        "offered": _joined(offered),
        "settled": _joined(settled)
        or (say("无需办理", "nothing to settle") if reached and not needed else ""),
        "resolved_on": str(date_of(max(ended))) if ended and len(ended) == len(resolved) else "",
        "done": say("是", "yes") if reached and len(ended) == len(needed) else say("否", "no"),
        "satisfaction": _last_mark(notes["satisfaction"].dropna()),
    }


def _last_mark(marks: pd.Series) -> str:
    return f"{marks.iloc[-1]:g}" if len(marks) else ""


def _joined(texts: Iterable[str]) -> str:
    return BETWEEN.join(dict.fromkeys(text for text in texts if text))


def _households(records: Records, homes: np.ndarray) -> pd.DataFrame:
    """Return who the households are: the columns of ``HOUSEHOLD``, with the index of ``homes``."""
    rows = current(records.households)
    latest: dict[int, int] = {}
    for at in np.lexsort((rows.visible_from, rows.valid_from)):
        latest[int(rows.household[at])] = int(at)
    at = np.array([latest[int(home)] for home in homes], dtype=np.int64)
    numbers = microgrid_numbers(records.microgrid_ids)

    def attribute(name: str) -> list[str]:
        column = rows.attributes.get(name)
        return ["" if column is None else column.at(int(row)) or "" for row in at]

    return pd.DataFrame(
        {
            "household_id": records.household_ids[homes],
            "grid": records.grid_ids[rows.grid[at]],
            "microgrid": numbers[rows.microgrid[at]],
            "address": attribute(DOOR),
            "householder": attribute(HOUSEHOLDER),
            "phone": attribute(PHONE),
        }
    )
