"""Random visits as training rows."""

from dataclasses import replace

import numpy as np
import pytest
from make_records import make_records

from features.point_in_time.records import Records, known_before
from features.point_in_time.schema_fit import fit_schema
from models.underreporting.visits import HEAVIEST, random_visits, visit_table, with_targeted

MONDAY = 19_723  # 2024-01-01
AS_OF = MONDAY + 28


def visit(day: float, household: str = "a", need: str = "meals", **more) -> dict:
    return {
        "household_id": household,
        "need": need,
        "contacted_at": day,
        "arm": "random",
        "outcome": "needed",
        "propensity": 0.1,
        **more,
    }


def town(*visits: dict, requests: tuple[dict, ...] = ()) -> Records:
    rows = [{**one, "outreach_id": f"o{index}"} for index, one in enumerate(visits)]
    households = [{"household_id": one, "valid_from": "2023-01-01"} for one in "abc"]
    return make_records(households=households, requests=requests, outreach=rows)


def found_in(*visits: dict, requests: tuple[dict, ...] = (), as_of: int = AS_OF):
    return random_visits(known_before(town(*visits, requests=requests), as_of))


def test_only_random_visits_that_met_someone_are_rows() -> None:
    visits, lines = found_in(
        visit(MONDAY + 1),
        visit(MONDAY + 2, "b", outcome="not_needed"),
        visit(MONDAY + 2, "c", outcome="declined"),
        visit(MONDAY + 3, "c", outcome="not_reached"),
        visit(MONDAY + 4, "c", outcome=None),
        visit(MONDAY + 5, "c", arm="targeted"),
        visit(AS_OF + 1, "c"),
    )
    assert visits.household.tolist() == [0, 1]
    assert visits.found.tolist() == [1, 0]
    assert not lines


@pytest.mark.parametrize(("hours", "weeks"), [(0, 0), (1, 0), (7 * 24 - 1, 0), (7 * 24, 1), (-1, -1)])
def test_a_visit_belongs_to_the_week_that_begins_on_the_as_of_weekday(hours: int, weeks: int) -> None:
    day = MONDAY + 7 + hours / 24
    visits, _ = found_in(visit(day))
    assert visits.as_of.tolist() == [MONDAY + 7 + 7 * weeks]
    shifted, _ = found_in(visit(day), as_of=AS_OF + 3)
    assert (shifted.as_of - AS_OF - 3) % 7 == 0
    assert shifted.as_of[0] <= day < shifted.as_of[0] + 7


def test_outcomes_that_contradict_each_other_are_missing_and_repeated_ones_count_once() -> None:
    visits, lines = found_in(
        visit(MONDAY + 1.2),
        visit(MONDAY + 1.4, outcome="not_needed"),
        visit(MONDAY + 2.2, "b"),
        visit(MONDAY + 2.4, "b"),
    )
    assert visits.household.tolist() == [1]
    assert lines == [(lines[0][0], lines[0][1])]
    assert lines[0][0].startswith("2 条抽签走访")


@pytest.mark.parametrize("propensity", [np.nan, 0.0, -0.1, 1.5])
def test_a_visit_without_a_usable_propensity_is_left_out_with_a_line(propensity: float) -> None:
    visits, lines = found_in(visit(MONDAY + 1, propensity=propensity), visit(MONDAY + 1, "b"))
    assert visits.household.tolist() == [1]
    assert "propensity" in lines[0][0]
    assert "1 random visits have no propensity" in lines[0][1]


def test_rows_weigh_by_inverse_propensity_within_their_week() -> None:
    visits, _ = found_in(
        visit(MONDAY + 1, propensity=0.1),
        visit(MONDAY + 1, "b", propensity=0.3),
        visit(MONDAY + 8, "c", propensity=0.001),
    )
    assert visits.weight.tolist() == pytest.approx([1.5, 0.5, 1.0])
    extreme, _ = found_in(
        *(visit(MONDAY + 1 + one / 50, need="childcare", propensity=1.0) for one in range(1)),
        *(visit(MONDAY + day, "b", propensity=1.0) for day in range(7)),
        *(visit(MONDAY + day, "c", propensity=1.0) for day in range(7)),
        visit(MONDAY + 1, propensity=1e-9),
    )
    assert extreme.weight.max() == HEAVIEST


def test_a_pair_that_asked_in_the_week_before_it_was_visited_says_nothing_of_silence() -> None:
    def asked(day: float, recorded: float | None = None) -> dict:
        return {"household_id": "a", "need": "meals", "requested_at": day, "recorded_at": recorded or day}

    def rows(request: dict) -> int:
        return len(found_in(visit(MONDAY + 9), requests=(request,))[0])

    assert rows(asked(MONDAY + 8)) == 0
    assert rows(asked(MONDAY + 6, MONDAY + 8)) == 0, "asked before the week, not known when it began"
    assert rows(asked(MONDAY + 6)) == 1, "known when the week began"
    assert rows(asked(MONDAY + 10)) == 1, "asked after the visit"
    assert rows({**asked(MONDAY + 8), "need": "childcare"}) == 1
    resolved = {"resolved_at": MONDAY + 15, "visible_from": MONDAY + 16}
    assert rows({**asked(MONDAY + 6), **resolved}) == 1, "known when the week began, resolved after it"


def test_features_of_a_visit_know_nothing_of_its_week() -> None:
    visits = (visit(MONDAY + 1), visit(MONDAY + 9), visit(MONDAY + 9, "b"))
    records = town(*visits)
    known = known_before(records, AS_OF)
    schema = fit_schema(known)
    table = visit_table(records, random_visits(known)[0], schema)
    assert table.visits.as_of.tolist() == [MONDAY, MONDAY + 7, MONDAY + 7]
    count = table.matrix[:, table.names.index("visits")]
    assert count.tolist() == [0, 1, 0]
    changed = replace(
        records.outreach, outcome=np.where(records.outreach.contacted > MONDAY + 7, 1, 0).astype(np.int8)
    )
    again = visit_table(replace(records, outreach=changed), random_visits(known)[0], schema)
    np.testing.assert_array_equal(again.matrix, table.matrix)


def test_visits_before_a_household_is_known_are_left_out() -> None:
    rows = [{**visit(MONDAY + 1, one), "outreach_id": one} for one in "ab"]
    households = [
        {"household_id": "a", "valid_from": "2023-01-01"},
        {"household_id": "b", "valid_from": MONDAY + 0.5},
    ]
    records = make_records(households=households, outreach=rows)
    known = known_before(records, AS_OF)
    table = visit_table(records, random_visits(known)[0], fit_schema(known))
    assert table.visits.household.tolist() == [0]
    assert table.microgrid.tolist() == [0]


def test_visits_from_lists_stand_beside_those_by_lot_and_never_pass_for_them() -> None:
    known = known_before(
        town(
            visit(MONDAY + 1, propensity=0.1),
            visit(MONDAY + 1, "b", propensity=0.3, outcome="not_needed"),
            visit(MONDAY + 2, "c", arm="targeted", propensity=np.nan),
            visit(MONDAY + 3, "c", need="childcare", arm="targeted", propensity=0.5, outcome="not_needed"),
            visit(MONDAY + 4, "b", need="childcare", arm="targeted", outcome="not_reached"),
            visit(AS_OF + 1, "a", need="childcare", arm="targeted"),
        ),
        AS_OF,
    )
    drawn, _ = random_visits(known)
    assert not drawn.targeted.any() and drawn.household.tolist() == [0, 1]
    both = with_targeted(known, drawn)
    assert both.household.tolist() == [0, 1, 2, 2]
    assert both.targeted.tolist() == [False, False, True, True]
    assert both.found.tolist() == [1, 0, 0, 1]  # childcare comes before meals
    assert both.weight.tolist() == pytest.approx([1.5, 0.5, 1.0, 1.0])
