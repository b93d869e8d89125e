from datetime import date
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_records import make_community, make_records

from features.point_in_time.labels import label_end, usual_recording_delay
from features.point_in_time.records import date_of, day_of, known_before
from models.dataset.split import STEP, complete, split


def records_of(weeks, horizon=8, delay_days=0, needs=None):
    """One household asks every week for so many weeks, each request recorded some days later."""
    first = day_of(date(2022, 1, 3))
    needs = needs or [{"id": "meals", "horizon_weeks": horizon}]
    requests = [
        {
            "household_id": "h1",
            "need": needs[0]["id"],
            "requested_at": first + 7 * week,
            "recorded_at": first + 7 * week + delay_days,
        }
        for week in range(weeks)
    ]
    return make_records([{"household_id": "h1"}], requests, community=make_community(needs))


def plan_of(weeks, **settings):
    known = known_before(records_of(weeks, **settings), day_of(date(2022, 1, 3)) + 7 * weeks)
    return split(known), known


@given(st.integers(30, 220), st.integers(1, 26), st.integers(0, 40))
@settings(max_examples=30)
def test_validation_begins_when_training_labels_have_ended(weeks, horizon, delay):
    plan, known = plan_of(weeks, horizon=horizon, delay_days=delay)
    days = np.array(plan.dates)
    for fold in plan.folds:
        trained = days[complete(known, days, fold.cut)[:, 0]]
        assert len(trained)
        last_end = max(label_end(known.community, day)[0] for day in trained)
        assert last_end + usual_recording_delay(known) <= fold.cut <= min(fold.dates)


@given(st.integers(2, 220), st.integers(1, 30))
@settings(max_examples=30)
def test_days_are_mondays_whose_labels_are_complete(weeks, horizon):
    plan, known = plan_of(weeks, horizon=horizon)
    for day in plan.dates:
        assert date_of(day).weekday() == 0
        assert label_end(known.community, day)[0] <= known.as_of
    for fold in plan.folds:
        assert set(fold.dates) <= set(range(plan.dates[0], plan.dates[-1] + 1))
        assert all(date_of(day).weekday() == 0 for day in fold.dates)


def test_folds_expand_and_do_not_share_validation_days():
    plan, _ = plan_of(200)
    assert len(plan.folds) == 3
    cuts = [fold.cut for fold in plan.folds]
    assert cuts == sorted(cuts)
    days = [day for fold in plan.folds for day in fold.dates]
    assert days == sorted(set(days))
    assert all((later - earlier) % STEP == 0 for earlier, later in pairwise(days))


@pytest.mark.parametrize("weeks", range(120, 124))
def test_the_newest_labels_are_trained_on_and_validated_wherever_the_lattice_lies(weeks):
    plan, known = plan_of(weeks)
    assert plan.dates[-1] == known.as_of - 8 * 7 == plan.folds[-1].days[-1]
    apart = (plan.folds[-1].dates[-1] - plan.folds[0].dates[0]) % STEP
    assert apart == 0 and sum(len(fold.beside) for fold in plan.folds) <= 1


def test_gap_holds_for_each_need_by_its_own_window():
    needs = [{"id": "meals", "horizon_weeks": 4}, {"id": "repair", "horizon_weeks": 12, "lead_weeks": 4}]
    plan, known = plan_of(180, needs=needs)
    days = np.array(plan.dates)
    done = complete(known, days, plan.folds[-1].cut)
    assert done[:, 0].sum() > done[:, 1].sum()
    assert days[done[:, 1]].max() + 16 * 7 <= plan.folds[-1].cut


def test_a_week_later_the_same_days_are_used():
    records = records_of(200)
    first = day_of(date(2022, 1, 3)) + 7 * 190
    before, after = (split(known_before(records, day)) for day in (first, first + 7))
    shared = set(before.dates) & set(after.dates)
    assert len(shared) >= len(before.dates) - 1


@pytest.mark.parametrize("weeks", [0, 1, 3])
def test_too_short_a_history_has_no_folds(weeks):
    known = known_before(records_of(weeks), day_of(date(2022, 1, 3)) + 7 * max(weeks, 1))
    assert split(known).folds == ()


def test_half_a_year_has_at_least_one_fold():
    plan, _ = plan_of(36, horizon=4)
    assert plan.folds


def test_years_in_which_next_to_nobody_was_known_are_not_trained_on():
    first, most = day_of(date(2010, 1, 4)), day_of(date(2020, 1, 6))
    homes = [{"household_id": f"h{one}", "valid_from": most if one else first} for one in range(200)]
    requests = [
        {"household_id": f"h{one % 200}", "need": "meals", "requested_at": first + 7 * one}
        for one in range(0, 600, 200)
    ]
    records = make_records(homes, requests, community=make_community([{"id": "meals", "horizon_weeks": 8}]))
    plan = split(known_before(records, day_of(date(2022, 1, 3))))
    assert most <= plan.dates[0] <= most + STEP
