"""Invariants of the week's plan, checked on the plan itself over random towns and settings."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from make_records import make_community, make_records
from random_weeks import AS_OF, CELL, DAY, NEEDS, check_week, scores_of, towns

from features.blocks.build import town_span
from features.point_in_time.records import Known, known_before
from features.point_in_time.subset import some
from service.planning.eligibility import left_out
from service.planning.planner import COLUMNS, outreach_id, plan


@settings(max_examples=30)
@given(towns(), CELL)
def test_no_plan_breaks_a_rule(known: Known, seed: int) -> None:
    visits = plan(scores_of(known, seed), known).visits
    assert list(visits.columns[: len(COLUMNS)]) == list(COLUMNS)
    check_week(known, visits)


@settings(max_examples=5)
@given(towns(), CELL)
def test_same_input_gives_the_same_plan(known: Known, seed: int) -> None:
    scores = scores_of(known, seed)
    shuffled = scores.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(plan(scores, known).visits, plan(shuffled, known).visits)


def one_area(homes: int, **outreach: float) -> Known:
    """A town of one micro-grid without workers."""
    settings = {"visits_per_worker": 4, "explore_share": 0.0, **outreach}
    return known_before(
        make_records(
            [{"household_id": f"h{index:02}"} for index in range(homes)],
            community=make_community(NEEDS[:4], outreach=settings),
        ),
        DAY,
    )


def test_severity_times_probability_decides_who_comes_first() -> None:
    known = one_area(3, visits_per_worker=2)
    rows = [("h00", "childcare", 0.30), ("h01", "meals", 0.25), ("h02", "repair", 0.50)]
    scores = pd.DataFrame(rows, columns=["household_id", "need", "p_need"]).assign(model_version="1")
    visits = plan(scores, known).visits
    assert visits["household_id"].tolist() == ["h01", "h00"]  # 0.75 and 0.60; 0.50 is left out
    assert visits["visit_order"].tolist() == [1, 2]
    assert visits["outreach_id"].tolist() == [
        outreach_id(AS_OF, "h01", "meals"),
        outreach_id(AS_OF, "h00", "childcare"),
    ]


def test_an_open_request_is_not_asked_about_again_but_other_needs_are() -> None:
    records = make_records(
        [{"household_id": "h00"}],
        [{"household_id": "h00", "need": "meals", "requested_at": DAY - 20.0}],
        community=make_community(NEEDS[:4], outreach={"explore_share": 0.0}),
    )
    known = known_before(records, DAY)
    assert set(plan(scores_of(known, 1), known).visits["need"]) <= {"childcare", "repair", "legal"}


def test_how_long_a_request_is_being_handled_does_not_depend_on_the_partition() -> None:
    asked = {"need": "meals", "requested_at": DAY - 200.0}
    records = make_records(
        [{"household_id": "h00"}, {"household_id": "h01"}],
        [{"household_id": "h00", **asked, "resolved_at": DAY - 190.0}, {"household_id": "h01", **asked}],
        community=make_community(NEEDS[:4]),
    )
    whole = known_before(records, DAY)
    closed = np.zeros((2, 4), dtype=bool)
    apart = known_before(some(records, np.array([1])), DAY, town_span(whole))
    assert left_out(whole, closed).handled[1].tolist() == left_out(apart, closed[:1]).handled[0].tolist()
    assert left_out(apart, closed[:1]).handled.any()


def test_a_refusal_handed_in_late_still_counts() -> None:
    records = make_records(
        [{"household_id": "h00"}, {"household_id": "h01"}],
        opt_outs=[{"household_id": "h00", "from": DAY + 1.0}],
        community=make_community(NEEDS[:4]),
    )
    known = known_before(records, DAY)
    assert set(plan(scores_of(known, 1), known).visits["household_id"]) == {"h01"}


def test_propensities_are_the_chances_with_which_pairs_are_drawn() -> None:
    homes, visits = 25, 3
    known = one_area(homes, visits_per_worker=visits, explore_share=0.4)
    scores = scores_of(known, 3)
    seeds = 80
    drawn = pd.concat([plan(scores, known, seed).visits.query("arm == 'random'") for seed in range(seeds)])
    # each need of each household: 0.4 of the visits over the households, three of four needs asked
    expected = 0.4 * visits / homes * 3 / 4
    assert drawn["propensity"].to_numpy() == pytest.approx(expected)
    counts = (
        drawn.groupby(["household_id", "need"])
        .size()
        .reindex(
            pd.MultiIndex.from_product([known.household_ids, [need["id"] for need in NEEDS[:4]]]),
            fill_value=0,
        )
    )
    assert counts.mean() == pytest.approx(seeds * expected, rel=0.1)
    assert counts.std() == pytest.approx(np.sqrt(seeds * expected), rel=0.35)  # no household is favoured


def test_needs_of_a_visit_beyond_the_first_are_those_likelier_than_usual() -> None:
    known = one_area(2, visits_per_worker=1)
    rows = [
        ("h00", "meals", 0.9),
        ("h00", "repair", 0.2),
        ("h00", "legal", 0.1),
        ("h01", "repair", 0.1),
        ("h01", "legal", 0.3),
    ]
    scores = pd.DataFrame(rows, columns=["household_id", "need", "p_need"]).assign(model_version="1")
    visits = plan(scores, known).visits
    assert visits["need"].tolist() == ["meals", "repair"]


def test_lines_name_workers_without_a_place_and_the_missing_coordinator() -> None:
    records = make_records(
        [{"household_id": "h00"}],
        workers=[
            {"worker_id": "w1", "role": "steward"},
            {"worker_id": "w2", "role": "grid_worker", "grid_id": "g1"},
        ],
        community=make_community(NEEDS),
    )
    known = known_before(records, DAY)
    lines = "\n".join(plan(scores_of(known, 1), known).lines)
    assert "w1" in lines and "没有能走访的统筹" in lines and "w2" not in lines
