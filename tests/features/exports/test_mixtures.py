"""Whatever mixture of exports comes: rows sum up, refusals hold, who left is not listed, earlier dates do not move."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from office_exports import Office, ask, home

from features.ingest.ingest_report import IngestReport
from features.point_in_time.feedback import refusing
from features.point_in_time.records import Known

FIRST = date(2024, 1, 1)
HOUSES = 6


def on(day: int) -> str:
    return str(FIRST + timedelta(days=day))


@st.composite
def some_exports(draw) -> list[dict[str, list[dict]]]:
    """Exports of an office, each later than the one before: homes that come, change, leave and come back, requests
    under numbers that come again or with a time that nobody can read, and refusals."""
    exports, end = [], 0
    for _ in range(draw(st.integers(2, 3))):
        end += draw(st.integers(20, 150))
        days = st.integers(0, end)
        homes = [home(0)]
        for number in draw(st.lists(st.integers(1, HOUSES), unique=True)):
            until = draw(st.one_of(st.just(""), st.integers(number, end + 60).map(on)))
            homes.append(home(number, on(number), valid_until=until, children=draw(st.integers(0, 3))))
        known = st.sampled_from([row["household_id"] for row in homes])
        times = st.one_of(days.map(on), st.sampled_from(["2042-01-01", "soon"]))
        asked = [
            ask(str(draw(st.integers(1, 9))), 0, draw(times)) | {"household_id": draw(known)}
            for _ in range(draw(st.integers(1, 8)))
        ]
        refusals = [
            {"household_id": draw(known), "from": on(draw(days)), "until": ""}
            for _ in range(draw(st.integers(0, 2)))
        ]
        last = ask(f"last {len(exports)}", 0, on(end))
        exports.append({"households": homes, "requests": [*asked, last], "opt_outs": refusals})
    return exports


def sums_up(report: IngestReport) -> bool:
    return all(
        table.read == table.new + table.corrected + table.unchanged + table.repeated + table.quarantined
        for table in report.tables.values()
    )


def picture(office: Office, known: Known) -> list:
    """What was known, by ids: who is there, what they asked, who refuses."""
    ids = office.records().household_ids
    rows = known.requests
    asked = sorted(
        zip(rows.request_id.tolist(), ids[rows.household].tolist(), rows.requested.tolist(), strict=True)
    )
    children = known.households.attributes["children"]
    there = [(str(ids[at]), children.at(known.household_row[at])) for at in np.flatnonzero(known.present)]
    return [there, asked, sorted(map(str, ids[known.opted_out]))]


def gone(exports: list[dict], day: date) -> set[str]:
    """Households whose end, as it was last told, lies before a day."""
    told = {row["household_id"]: row.get("valid_until") for export in exports for row in export["households"]}
    return {one for one, until in told.items() if until and until <= str(day)}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("mixtures")


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(some_exports())
def test_any_mixture_of_exports(place, exports):
    office = Office(place / str(len(list(place.iterdir()))))
    pictures: dict[str, list] = {}
    for export in exports:
        assert sums_up(office.hand_in(**export))
        for day, before in pictures.items():
            assert picture(office, office.known(day)) == before
        day = str(date.fromisoformat(export["requests"][-1]["requested_at"]) + timedelta(days=1))
        pictures[day] = picture(office, office.known(day))
    ids, later = office.records().household_ids, office.known("2026-01-05")
    out = refusing(later) | later.opted_out | ~later.present
    refused = {row["household_id"] for export in exports for row in export["opt_outs"]}
    assert refused | gone(exports, date(2026, 1, 5)) <= set(map(str, ids[out]))
