import numpy as np
import pytest
from small_town import at, town_records, town_rows

from features.blocks.build import build
from features.point_in_time.town_summary import asked
from features.units import YEAR_OF_WEEKS
from models.evaluation.baselines import (
    ELIGIBILITY,
    GRID_AVERAGE,
    RANKERS,
    REQUEST_COUNT,
    REQUEST_COUNT_ALL,
    SAME_SEASON,
    baseline_scores,
)


@pytest.fixture(scope="module")
def town():
    known, rows, schema = at(town_records(town_rows(requests=900)))
    return known, rows, baseline_scores(build(known, rows, schema), known.microgrid)


def test_counts_are_the_households_own_requests(town):
    known, rows, scores = town
    past = asked(known)
    pick = (rows.household, rows.need)
    assert scores[REQUEST_COUNT] == pytest.approx(past.count(0, YEAR_OF_WEEKS)[pick])
    assert scores[REQUEST_COUNT_ALL] == pytest.approx(past.total()[pick])


def test_same_season_counts_the_window_a_year_before(town):
    known, rows, scores = town
    need = known.community.needs[1]  # two weeks ahead, four weeks long
    row = int(np.flatnonzero((rows.need == 1) & (scores[SAME_SEASON] > 0))[0])
    begins = known.as_of + 7 * need.lead_weeks - YEAR_OF_WEEKS
    mine = (known.requests.household == rows.household[row]) & (known.requests.need == 1)
    when = known.requests.requested[mine]
    assert scores[SAME_SEASON][row] == ((when >= begins) & (when < begins + 7 * need.horizon_weeks)).sum()


def test_the_eligibility_rule_prefers_nobody(town):
    assert len(np.unique(town[2][ELIGIBILITY])) == 1


def test_households_of_one_micro_grid_are_alike_for_the_grid_average(town):
    known, rows, scores = town
    value = scores[GRID_AVERAGE][rows.need == 1]
    where = known.microgrid[rows.household[rows.need == 1]]
    means = {one: set(value[where == one].tolist()) for one in np.unique(where)}
    assert all(len(mean) == 1 for mean in means.values())
    asked_a_household = {
        one: asked(known).total()[:, 1][known.microgrid == one].mean() for one in np.unique(where)
    }
    assert max(means, key=lambda one: max(means[one])) == max(means, key=asked_a_household.__getitem__)


def test_unknown_comes_last_and_every_ranker_has_a_name(town):
    for ranker, score in town[2].items():
        assert ranker in RANKERS
        assert np.isfinite(score).all() and len(score) == len(town[1])
