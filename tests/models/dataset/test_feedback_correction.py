"""What visits from the lists do to the labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_records import make_records, records_of

from features.point_in_time.labels import labels
from features.point_in_time.records import Known, Rows, known_before
from models.dataset.feedback_correction import USUAL_SHARE, with_outreach, without_targeted, would_have_asked
from models.dataset.sample import labelled

DAY = 19_723  # as-of day of the labels
NOW = DAY + 400
HORIZON = 28  # days, of meals
MANY = 400  # households visited
MEALS = 1


def visit(day: float, outcome: str | None, arm: str = "targeted", household: str = "a") -> dict:
    return {
        "outreach_id": f"{household}{day}",
        "household_id": household,
        "need": "meals",
        "contacted_at": DAY + day,
        "outcome": outcome,
        "arm": arm,
    }


def request(day: float, household: str = "a") -> dict:
    return {"household_id": household, "need": "meals", "requested_at": DAY + day}


def known_with(outreach: list[dict], requests: list[dict], names: list[str]) -> Known:
    households = [{"household_id": name, "valid_from": "2023-01-01"} for name in names]
    return known_before(make_records(households=households, requests=requests, outreach=outreach), NOW)


def corrected(*visits: dict, asked: float | None = None) -> tuple[int, bool]:
    """Label and use of household a's row for meals."""
    known = known_with(list(visits), [] if asked is None else [request(asked)], ["a"])
    pair = Rows(np.array([0], dtype=np.int32), np.array([MEALS], dtype=np.int16))
    label, used = with_outreach(known, pair, DAY, labels(known, pair, DAY))
    return int(label[0]), bool(used[0])


def found_by_many(day: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels and use of many pairs, each visited ``day`` days after the as-of day and found in need."""
    names = [f"h{number:03d}" for number in range(MANY)]
    known = known_with([visit(day, "needed", household=name) for name in names], [], names)
    rows = Rows(np.arange(MANY, dtype=np.int32), np.full(MANY, MEALS, dtype=np.int16))
    return with_outreach(known, rows, DAY, labels(known, rows, DAY))


@pytest.mark.parametrize("day", [0, 10, HORIZON - 0.1])
def test_needs_met_early_count_as_far_as_they_would_have_been_asked_about(day: float) -> None:
    label, used = found_by_many(day)
    assert label[used].all()  # none of them ever counts as no need
    assert used.mean() == pytest.approx(USUAL_SHARE, abs=0.08)


@pytest.mark.parametrize("day", [-0.1, HORIZON])
def test_visits_outside_the_time_of_the_label_change_nothing(day: float) -> None:
    label, used = found_by_many(day)
    assert used.all() and not label.any()


@pytest.mark.parametrize("day", [-3, 3])
def test_a_request_counts_whatever_was_met(day: float) -> None:
    assert corrected(visit(day, "needed"), asked=5) == (1, True)


def test_a_visit_that_found_no_need_says_so() -> None:
    assert corrected(visit(5, "not_needed")) == (0, True)
    assert corrected(visit(5, "not_needed"), asked=8) == (1, True)


@given(st.floats(-60, 60), st.sampled_from(["needed", "not_needed", "declined", "not_reached"]))
def test_random_visits_change_no_label(day: float, outcome: str) -> None:
    assert corrected(visit(day, outcome, "random")) == (0, True)


@pytest.mark.parametrize("outcome", ["declined", "not_reached", None])
def test_visits_that_found_out_nothing_change_no_label(outcome) -> None:
    assert corrected(visit(5, outcome)) == (0, True)
    assert corrected(visit(-5, outcome)) == (0, True)


def town_that_reacts(asks: float, homes: int = 4000, seed: int = 0) -> Known:
    """Every household is visited once; a third has the need, and asks the day after with chance ``asks`` where
    nobody was met."""
    rng = np.random.default_rng(seed)
    names = [f"h{number:04d}" for number in range(homes)]
    needs, met = rng.random(homes) < 1 / 3, rng.random(homes) < 0.7
    outcome = np.where(met, np.where(needs, "needed", "not_needed"), "not_reached")
    visits = [visit(5, one, household=name) for name, one in zip(names, outcome, strict=True)]
    asking = needs & ~met & (rng.random(homes) < asks)
    return known_with(
        visits, [request(6, name) for name, one in zip(names, asking, strict=True) if one], names
    )


@pytest.mark.parametrize("asks", [0.2, 0.8])
def test_visits_that_met_nobody_tell_how_many_would_have_asked(asks: float) -> None:
    within = 1 - 1 / HORIZON  # chance that a window which holds the visit also holds the next day
    assert would_have_asked(town_that_reacts(asks)) == pytest.approx(asks * within, abs=0.07)


def test_without_such_visits_half_of_them_count() -> None:
    names = ["a", "b"]
    assert would_have_asked(known_with([], [], names)) == USUAL_SHARE
    assert would_have_asked(known_with([visit(5, "needed")], [], names)) == USUAL_SHARE
    few = [visit(5, "needed"), visit(6, "not_needed", household="b"), visit(70, "not_reached")]
    assert would_have_asked(known_with(few, [], names)) == USUAL_SHARE


@given(st.integers(0, 20), st.floats(0, 1))
def test_the_share_is_one(seed: int, asks: float) -> None:
    assert 0 < would_have_asked(town_that_reacts(asks, homes=30, seed=seed)) <= 1


def test_training_rows_follow() -> None:
    names = [f"h{number:03d}" for number in range(MANY)]
    known = known_with([visit(5, "needed", household=name) for name in names[:200]], [], names)
    rows, label = labelled(known_before(records_of(known), DAY), known)
    meals = rows.need == MEALS
    assert set(rows.household[meals & (label == 0)]) == set(range(200, MANY))
    assert 70 < label[meals].sum() < 130
    assert not label[~meals].any() and (~meals).sum() == MANY


def test_the_uncorrected_model_reads_no_targeted_visit() -> None:
    visits = [visit(5, "needed"), visit(6, "needed", "random")]
    records = without_targeted(records_of(known_with(visits, [request(9)], ["a"])))
    assert records.outreach.outreach_id.tolist() == ["a6"]
    assert len(records.requests) == 1
