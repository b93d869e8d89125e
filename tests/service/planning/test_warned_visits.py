"""Whom a list from above warns of is visited first, with reason and deadline, until a visit has answered."""

import pandas as pd
from make_records import make_community, make_records
from random_weeks import DAY, NEEDS, scores_of

from features.point_in_time.records import Known, date_of, known_before
from service.planning.planner import Plan, plan
from service.planning.warned_visits import with_warnings


def warned(*rows: tuple[str, int, int | None]) -> pd.DataFrame:
    """Warnings: a household, days ago when it was received, and days from now until when to answer."""
    day = pd.Timestamp(date_of(DAY))
    return pd.DataFrame(
        [
            {
                "household_id": home,
                "received_at": day - pd.Timedelta(days=ago),
                "deadline": pd.NaT if left is None else day + pd.Timedelta(days=left),
                "warned_of": "医疗支出大",
            }
            for home, ago, left in rows
        ],
        columns=["household_id", "received_at", "deadline", "warned_of"],
    )


def town(visits: tuple = (), opt_outs: tuple = (), requests: tuple = ()) -> Known:
    """Twenty households in one micro-grid with four visits a week."""
    records = make_records(
        [{"household_id": f"h{at:02}"} for at in range(20)],
        requests,
        outreach=visits,
        opt_outs=opt_outs,
        community=make_community(NEEDS[:4], outreach={"visits_per_worker": 4, "explore_share": 0.25}),
    )
    return known_before(records, DAY)


def planned(known: Known, warnings: pd.DataFrame) -> Plan:
    return plan(scores_of(known, 1), known, warnings=warnings)


def listed(made: Plan) -> list[str]:
    visits = made.visits
    return visits.loc[visits["warned_of"] != "", "household_id"].drop_duplicates().tolist()


def test_warned_households_come_first_and_the_most_urgent_before_others() -> None:
    known = town()
    rows = warned(*((f"h{at:02}", 3, 30 - at) for at in range(10, 16)))
    assert sorted(listed(planned(known, rows))) == ["h12", "h13", "h14", "h15"]
    few = planned(known, rows[:2])
    assert set(listed(few)) == {"h10", "h11"} and few.visits["household_id"].nunique() == 4
    assert any("预警待核 2 户，本周排入 2 户" in line for line in few.lines)


def test_a_visit_lately_or_an_open_request_does_not_keep_a_warning_from_being_answered() -> None:
    visit = {"household_id": "h07", "need": "meals", "contacted_at": DAY - 10.0, "outcome": "needed"}
    asked = {"household_id": "h07", "need": "childcare", "requested_at": DAY - 5.0}
    assert listed(planned(town((visit,), requests=(asked,)), warned(("h07", 3, 20)))) == ["h07"]


def test_an_outcome_since_it_was_received_answers_a_warning_and_nobody_at_home_does_not() -> None:
    def visit(outcome: str) -> dict[str, object]:
        return {"household_id": "h07", "need": "meals", "contacted_at": DAY - 2.0, "outcome": outcome}

    rows = warned(("h07", 3, 20))
    assert listed(planned(town((visit("not_needed"),)), rows)) == []
    assert listed(planned(town((visit("not_reached"),)), rows)) == ["h07"]


def test_who_refuses_is_not_visited_and_that_is_said() -> None:
    known = town(opt_outs=({"household_id": "h07", "from": DAY - 100.0},))
    made = planned(known, warned(("h07", 3, 20), ("h08", 3, 20)))
    assert listed(made) == ["h08"]
    assert any("预警待核 2 户，本周排入 1 户，1 户未排" in line for line in made.lines)


def test_the_reason_says_what_is_warned_of_and_until_when() -> None:
    visits = planned(town(), warned(("h07", 3, 20))).visits.assign(
        reason="孩子8岁", why="①孩子8岁", paper="①孩子8岁"
    )
    told = with_warnings(visits)
    mine = told["household_id"] == "h07"
    deadline = pd.Timestamp(date_of(DAY)) + pd.Timedelta(days=20)
    assert told.loc[mine, "reason"].tolist() == [
        f"预警：医疗支出大，{deadline.month}月{deadline.day}日前反馈；孩子8岁"
    ]
    assert set(told.loc[~mine, "reason"]) == {"孩子8岁"}


def test_a_week_without_warnings_is_planned_as_before() -> None:
    known = town()
    pd.testing.assert_frame_equal(
        plan(scores_of(known, 1), known).visits, plan(scores_of(known, 1), known, warnings=warned()).visits
    )
