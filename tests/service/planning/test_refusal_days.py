"""A refusal holds up to the day in ``until``, on which it no longer holds: as known, on lists and in the service."""

import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from make_records import day, make_records
from served_town import settings_for

from features.point_in_time.records import known_before
from service.planning.eligibility import left_out
from service.web.database.engine import open_database
from service.web.database.tables import Refusal
from service.web.published.from_records import REFUSALS, refusing_on
from service.web.published.restrictions import Restrictions
from service.web.published.week_files import SERVED

FROM, UNTIL = date(2024, 4, 1), date(2024, 6, 3)
HOMES = [{"household_id": "H1", "valid_from": "2023-01-01"}]
REFUSAL = [{"household_id": "H1", "from": str(FROM), "until": str(UNTIL)}]


def listed(today: date) -> bool:
    """Whether the household may be on the list of the week that begins on a day."""
    known = known_before(make_records(HOMES, opt_outs=REFUSAL), day(str(today)))
    closed = np.zeros((1, len(known.community.needs)), dtype=bool)
    return not left_out(known, closed).refuses[0]


@pytest.mark.parametrize(("days", "refuses"), [(-1, True), (0, False), (1, False)])
def test_the_end_known_on_lists_and_in_the_service(tmp_path: Path, days: int, refuses: bool) -> None:
    today = UNTIL + timedelta(days=days)
    known = known_before(make_records(HOMES, opt_outs=REFUSAL), day(str(today)))
    assert known.opted_out.tolist() == [refuses]
    assert listed(today) is not refuses
    (tmp_path / SERVED).mkdir()
    (tmp_path / SERVED / REFUSALS).write_text(json.dumps([["H1", str(FROM), str(UNTIL)]]))
    assert bool(refusing_on(tmp_path, today)) is refuses


@pytest.mark.parametrize(("days", "refuses"), [(-1, False), (0, True), (1, True)])
def test_the_beginning_in_the_service(tmp_path: Path, days: int, refuses: bool) -> None:
    (tmp_path / SERVED).mkdir()
    (tmp_path / SERVED / REFUSALS).write_text(json.dumps([["H1", str(FROM), str(UNTIL)]]))
    assert bool(refusing_on(tmp_path, FROM + timedelta(days=days))) is refuses


@pytest.mark.parametrize(("days", "refuses"), [(-7, False), (-6, True), (0, True)])
def test_a_list_of_the_week_in_which_a_refusal_begins_leaves_the_household_out(
    days: int, refuses: bool
) -> None:
    assert listed(FROM + timedelta(days=days)) is not refuses


@pytest.mark.parametrize(("begins", "until"), [(FROM, UNTIL), (FROM, None)])
def test_one_noted_in_the_service_holds_from_its_day_until_its_end(
    tmp_path: Path, begins: date, until: date | None
) -> None:
    database = open_database(settings_for(tmp_path))
    with database.writing() as session:
        session.add(Refusal(household_id="H1", begins_on=begins, until=until, by="user:wang"))

    def refuses(today: date) -> bool:
        held = Restrictions(tmp_path, database, lambda: today)
        held.refresh()
        return not held.listed("H1")

    days = (timedelta(days=-1), timedelta(0), timedelta(days=1))
    assert [refuses(FROM + day) for day in days] == [True, True, True]  # a clock set back ends no refusal
    assert [refuses(UNTIL + day) for day in days] == [True, until is None, until is None]
    database.engine.dispose()
