"""What visits from the lists do to the labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_records import make_records

from features.labels import labels
from features.records import Rows, known_before
from models.loop import with_outreach
from models.sample import labelled

DAY = 19_723  # as-of day of the labels
NOW = DAY + 400
HORIZON = 28  # days, of meals
PAIR = Rows(np.array([0], dtype=np.int32), np.array([1], dtype=np.int16))  # household a, meals


def corrected(*visits: tuple[float, str, str], asked: float | None = None) -> tuple[int, bool]:
    """Label and use of household a's row for meals, after visits (day, outcome, arm) about meals."""
    outreach = [
        {"household_id": "a", "need": "meals", "contacted_at": DAY + day, "outcome": outcome, "arm": arm}
        for day, outcome, arm in visits
    ]
    requests = [] if asked is None else [{"household_id": "a", "need": "meals", "requested_at": DAY + asked}]
    households = [{"household_id": "a", "valid_from": "2023-01-01"}]
    known = known_before(make_records(households=households, requests=requests, outreach=outreach), NOW)
    label, used = with_outreach(known, PAIR, DAY, labels(known, PAIR, DAY))
    return int(label[0]), bool(used[0])


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (0, (1, True)),
        (HORIZON - 0.1, (1, True)),
        (HORIZON, (0, True)),  # the window is over
        (-0.1, (0, False)),  # being helped when the window began
        (-HORIZON, (0, False)),
        (-HORIZON - 0.1, (0, True)),  # long ago
    ],
)
def test_a_need_met_early_counts_as_one_and_its_silence_afterwards_as_nothing(day: float, expected) -> None:
    assert corrected((day, "needed", "targeted")) == expected


def test_a_request_counts_whatever_was_met_before() -> None:
    assert corrected((-3, "needed", "targeted"), asked=5) == (1, True)


def test_a_visit_that_found_no_need_says_so() -> None:
    assert corrected((5, "not_needed", "targeted")) == (0, True)
    assert corrected((-10, "needed", "targeted"), (-3, "not_needed", "targeted")) == (0, True)
    assert corrected((-10, "not_needed", "targeted"), (-3, "needed", "targeted")) == (0, False)
    assert corrected((5, "not_needed", "targeted"), asked=8) == (1, True)


@given(st.floats(-60, 60), st.sampled_from(["needed", "not_needed", "declined", "not_reached"]))
def test_random_visits_change_no_label(day: float, outcome: str) -> None:
    assert corrected((day, outcome, "random")) == (0, True)


@pytest.mark.parametrize("outcome", ["declined", "not_reached", None])
def test_visits_that_found_out_nothing_change_no_label(outcome) -> None:
    assert corrected((5, outcome, "targeted")) == (0, True)
    assert corrected((-5, outcome, "targeted")) == (0, True)


def test_training_rows_follow() -> None:
    visits = [
        {
            "household_id": "a",
            "need": "meals",
            "contacted_at": DAY + 5,
            "outcome": "needed",
            "arm": "targeted",
        },
        {
            "household_id": "b",
            "need": "meals",
            "contacted_at": DAY - 5,
            "outcome": "needed",
            "arm": "targeted",
        },
    ]
    households = [{"household_id": one, "valid_from": "2023-01-01"} for one in "abc"]
    records = make_records(households=households, outreach=visits)
    rows, label = labelled(known_before(records, DAY), known_before(records, NOW))
    meals = rows.need == 1
    assert rows.household[meals].tolist() == [0, 2]
    assert label[meals].tolist() == [1, 0]
    assert rows.household[~meals].tolist() == [0, 1, 2]
