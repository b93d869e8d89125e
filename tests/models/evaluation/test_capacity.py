"""How many households a week can be visited, by which lists are measured."""

from datetime import date

import pytest
from make_records import make_community, make_records

from features.point_in_time.records import Known, day_of, known_before
from models.evaluation.capacity import capacity_of_need, weekly_visits
from service.planning.workers import workers_of

AREAS = (("g1", "m1"), ("g1", "m1"), ("g1", "m2"), ("g2", "m1"))


def town(*visits: int | None, needs: int = 2) -> Known:
    """Four households in three micro-grids; workers with so many visits a week, None where none is noted."""
    households = [
        {"household_id": f"h{at}", "grid_id": grid, "microgrid_id": number}
        for at, (grid, number) in enumerate(AREAS)
    ]
    workers = [
        {"worker_id": f"w{at}", "role": "grid_worker", "grid_id": "g1", "weekly_visits": count}
        for at, count in enumerate(visits)
    ]
    community = make_community(
        [{"id": f"n{at}", "name": {"zh": f"需求{at}"}} for at in range(needs)],
        outreach={"visits_per_worker": 6},
    )
    records = make_records(households, workers=workers, community=community)
    return known_before(records, day_of(date(2024, 6, 3)))


@pytest.mark.parametrize(
    ("visits", "whole"), [((), 18), ((4, 5), 9), ((4, None), 10), ((None, None), 12), ((0, 4), 4)]
)
def test_visits_of_a_week_are_those_that_lists_have(visits: tuple, whole: int) -> None:
    known = town(*visits)
    assert weekly_visits(known) == whole
    frame = workers_of(known).frame
    assert frame.loc[~frame["coordinator"], "visits"].sum() == whole


@pytest.mark.parametrize(("needs", "each"), [(1, 18), (2, 18), (3, 18), (6, 9), (100, 1)])
def test_a_visit_asks_about_three_needs_which_share_the_visits(needs: int, each: int) -> None:
    assert capacity_of_need(town(needs=needs)) == each
