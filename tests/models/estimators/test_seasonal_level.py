import numpy as np
import pytest
from make_records import make_community, make_records

from features.point_in_time.records import known_before
from models.estimators.seasonal_level import Course, ahead, asking_per_request, course_of, weekly_requests

DAY = 19968  # a Monday
NEED = {"id": "meals", "name": {"zh": "助餐"}, "horizon_weeks": 8}
OTHER = {"id": "visit", "name": {"zh": "探访"}, "horizon_weeks": 8}


def request(number: int, household: str, when: float, need: str = "meals") -> dict:
    return {"request_id": f"r{number}", "household_id": household, "need": need, "requested_at": when}


def known(households: dict[str, float], asked: list[tuple]):
    """The town as of DAY: ``households`` by id with the day they are known from; ``asked`` household, day, need."""
    rows = [{"household_id": name, "valid_from": since} for name, since in households.items()]
    requests = [request(number, *one) for number, one in enumerate(asked)]
    return known_before(make_records(rows, requests, community=make_community([NEED, OTHER])), DAY)


def steadily(household: str, first: int, last: int, apart: int = 28, need: str = "meals") -> list[tuple]:
    """One request every ``apart`` days, ``first`` to ``last`` days before DAY; each household on its own days."""
    begin = DAY - first + hash_of(household) % apart
    return [(household, day + 0.4, need) for day in range(begin, DAY - last, apart)]


def hash_of(name: str) -> int:
    return sum(map(ord, name)) * 7


def test_requests_of_years_in_which_nobody_was_known_do_not_set_the_level():
    names = [f"h{one}" for one in range(60)]
    late = dict.fromkeys(names, DAY - 728.0)
    recent = [one for name in names for one in steadily(name, 728, 0)]
    before = [(name, DAY - 728.0 - back, "meals") for name in names for back in (900, 2000, 4000)]
    alone, with_past = (ahead(known(late, asked)).requests[0] for asked in (recent, before + recent))
    assert alone == pytest.approx(60 * 56 / 28, rel=0.1)
    assert with_past == pytest.approx(alone, rel=1e-6)


def test_a_week_of_which_half_is_recorded_yet_counts_half():
    requested = DAY - 7.0 * np.arange(60, 0, -1) + 3
    recorded = requested + np.tile([0.0, 10.0], 30)
    course = Course(DAY, np.zeros(60, dtype=np.int16), requested, recorded, np.full(10, DAY - 1000.0))
    exposure = weekly_requests(course, 1).exposure
    assert exposure[-1] == pytest.approx(5, rel=0.1) and (exposure[:-1] == 10).all()


def test_a_request_by_which_a_household_becomes_known_is_expected_of_nobody():
    since = {f"h{one}": DAY - 720.0 + one for one in range(700)}
    first = [(name, day + 0.4, "meals") for name, day in since.items()]
    course = course_of(known(since, first))
    assert not len(course.requested) and len(course.since) == 700
    assert ahead(known(since, first)).requests[0] == 0


def test_askers_per_request_make_the_rate_of_the_known_the_askers_of_a_cohort():
    names = {f"h{one}": DAY - 728.0 for one in range(50)}
    town = known(names, [one for name in names for one in steadily(name, 700, 0, 14)])
    days = np.array([DAY - 364, DAY - 336])
    asking = np.array([[50.0, np.nan], [50.0, np.nan]])
    per_request = asking_per_request(town, days, asking)
    assert per_request[0] == pytest.approx(1 / 4, rel=0.05)  # eight weeks hold four requests of each
    assert per_request[1] == 1  # of a need that is not known yet


def test_a_single_asker_hardly_sets_how_many_ask_per_request():
    names = {f"h{one}": DAY - 728.0 for one in range(50)}
    often = [one for name in names for one in steadily(name, 700, 0, 14)]
    seldom = [(f"h{one}", DAY - 700.0 + 70 * one, "visit") for one in range(10)]
    days = np.array([DAY - 364, DAY - 336])
    asking = np.array([[50.0, 1.0], [50.0, 0.0]])
    others, alone = asking_per_request(known(names, often + seldom), days, asking)
    raw = asking_per_request(known(names, seldom), days, asking * [0, 1])[1]
    assert others == pytest.approx(1 / 4, rel=0.05)
    assert others < alone < np.sqrt(others * raw) < raw


def test_a_need_that_stopped_is_noticed_and_no_longer_expected():
    names = {f"h{one}": DAY - 800.0 for one in range(40)}
    steady = [one for name in names for one in steadily(name, 728, 0, 28, "visit")]
    stopped = [one for name in names for one in steadily(name, 728, 91)]
    found = ahead(known(names, steady + stopped))
    assert found.changed[0] > 0.95 and found.changed[1] < 0.05
    assert found.requests[0] < 0.15 * found.requests[1]


def test_a_need_that_begins_is_noticed():
    names = {f"h{one}": DAY - 800.0 for one in range(40)}
    rare = [(f"h{one}", DAY - 700.0 + 30 * one, "meals") for one in range(20)]
    begun = [one for name in names for one in steadily(name, 70, 0, 14)]
    found = ahead(known(names, rare + begun))
    assert found.changed[0] > 0.95
    assert found.requests[0] > 40


@pytest.mark.parametrize("weeks", [3, 8])
def test_a_need_that_nobody_asked_for_before_follows_its_first_weeks(weeks):
    names = [f"h{one}" for one in range(80)]
    since = dict.fromkeys(names, DAY - 1820.0)
    always = [one for name in names for one in steadily(name, 1800, 0)]
    begun = [one for name in names for one in steadily(name, 7 * weeks, 0, 14, need="visit")]
    found = ahead(known(since, always + begun))
    assert found.changed[1] > 0.95
    assert found.requests[1] == pytest.approx(len(begun), rel=0.1)


@pytest.mark.parametrize("weeks", [16, 44])
def test_years_before_a_need_was_offered_are_no_season_that_comes_again(weeks):
    names = [f"h{one}" for one in range(80)]
    since = dict.fromkeys(names, DAY - 1820.0)
    always = [one for name in names for one in steadily(name, 1800, 0)]
    begun = [one for name in names for one in steadily(name, 7 * weeks, 0, need="visit")]
    found = ahead(known(since, always + begun))
    assert found.requests[1] == pytest.approx(80 * 56 / 28, rel=0.3)
    assert found.requests[0] == pytest.approx(80 * 56 / 28, rel=0.15)
    assert list(found.changed) == [0, weeks < 34]
