"""What an omniscient office sees of a made-up town, on the first and the last week of each window."""

import pandas as pd
import pytest
from make_records import make_community

from features.simulation.truth import add_what_happened

NO_EPISODES = pd.DataFrame(columns=["household_id", "need", "begin_week", "end_week", "met_by_visit"])


@pytest.mark.parametrize(
    ("week", "asked", "last_year"),
    [(-53, 0, 0), (-52, 0, 1), (-1, 0, 1), (0, 0, 0), (1, 0, 0), (2, 1, 0), (5, 1, 0), (6, 0, 0)],
)
def test_an_omniscient_office_sees_the_requests_of_the_window_and_of_the_year_before(
    week: int, asked: int, last_year: int
) -> None:
    needs = [{"id": "meals", "name": {"zh": "助餐"}, "lead_weeks": 2, "horizon_weeks": 4}]
    truth = pd.DataFrame({"household_id": ["h1", "h2"], "need": "meals"})
    request = pd.DataFrame({"household_id": ["h1"], "need_id": ["meals"], "week": [100 + week]})
    found = add_what_happened(truth, 100, NO_EPISODES, request, make_community(needs))
    assert found["asked"].tolist() == [asked, 0] and found["asked_last_year"].tolist() == [last_year, 0]


@pytest.mark.parametrize(
    ("begin", "end", "met", "there"),
    [(100, 101, 0, 1), (101, 110, 0, 0), (90, 100, 0, 0), (90, 100, 1, 1), (90, 99, 1, 0), (90, 101, 0, 1)],
)
def test_a_need_is_there_from_its_first_week_until_it_ends_or_a_visit_of_the_week_meets_it(
    begin: int, end: int, met: int, there: int
) -> None:
    truth = pd.DataFrame({"household_id": ["h1"], "need": ["meals"]})
    episode = pd.DataFrame([("h1", "meals", begin, end, bool(met))], columns=NO_EPISODES.columns)
    nothing = pd.DataFrame({"household_id": [], "need_id": [], "week": []})
    assert add_what_happened(truth, 100, episode, nothing, make_community())["in_need"].tolist() == [there]
