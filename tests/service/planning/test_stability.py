"""From one list to the next: who stays, who goes and why."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_records import make_community, make_records, records_of
from random_weeks import CELL, DAY, NEEDS, check_week, scores_of, towns

from features.language import speaking
from features.point_in_time.records import Known, date_of, known_before
from features.rows.tables import OutreachRows
from service.planning.planner import COLUMNS, plan
from service.planning.stability import cause_text

WEEK = 7


def a_week_later(known: Known, before: pd.DataFrame, share: float, seed: int) -> Known:
    """The town a week on, with a share of the list visited and recorded."""
    random = np.random.default_rng(seed)
    homes = before["household_id"].unique()
    seen = before[before["household_id"].isin(homes[random.random(len(homes)) < share])]
    records = records_of(known)
    place = pd.Index(records.household_ids).get_indexer(pd.Index(seen["household_id"]))
    need = seen["need"].map(known.community.need_index()).to_numpy()
    when = np.full(len(seen), DAY + 1.5)
    old = records.outreach
    added = {
        "visible_from": when,
        "visible_to": np.full(len(seen), np.inf),
        "outreach_id": seen["outreach_id"].to_numpy(),
        "household": place.astype(np.int32),
        "need": need.astype(np.int16),
        "contacted": when,
        "random": (seen["arm"] == "random").to_numpy(),
        "outcome": np.ones(len(seen), dtype=np.int8),
        "propensity": seen["propensity"].to_numpy(),
    }
    outreach = OutreachRows(
        **{name: np.concatenate([getattr(old, name), one]) for name, one in added.items()}
    )
    return known_before(replace(records, outreach=outreach), DAY + WEEK)


@settings(max_examples=15)
@given(towns(), CELL, st.sampled_from([0.0, 0.5, 1.0]))
def test_nobody_vanishes_without_a_cause(known: Known, seed: int, share: float) -> None:
    before = plan(scores_of(known, seed), known).visits[list(COLUMNS)]
    later = a_week_later(known, before, share, seed)
    week = plan(scores_of(known, seed), later, before=before)
    visits, dropped = week.visits, week.dropped
    check_week(later, visits)
    listed_before, listed = set(before["household_id"]), set(visits["household_id"])
    assert set(dropped["household_id"]) == listed_before - listed
    assert dropped["household_id"].is_unique and all(dropped["cause_text"])
    contacted = later.outreach.household[later.outreach.contacted >= DAY]
    visited = set(known.household_ids[contacted])
    assert set(dropped.loc[dropped["cause"] == "visited", "household_id"]) == visited & set(
        dropped["household_id"]
    )
    waiting = set(before.loc[before["arm"] == "targeted", "household_id"]) - visited
    kept = set(visits.loc[visits["status"] == "kept", "household_id"])
    assert kept == waiting & listed
    assert set(visits["status"]) <= {"kept", "new"}


def town(visits: Sequence[dict[str, Any]] = (), homes: int = 6, **outreach: Any) -> Known:
    """One grid, two workers; a week after ``DAY``."""
    settings = {"explore_share": 0.0, **outreach}
    workers = [
        {"worker_id": f"w{index}", "role": "grid_worker", "grid_id": "g1", "weekly_visits": 1}
        for index in range(2)
    ]
    records = make_records(
        [{"household_id": f"h{index}"} for index in range(homes)],
        outreach=visits,
        workers=workers,
        community=make_community(NEEDS[:4], outreach=settings),
    )
    return known_before(records, DAY + WEEK)


def meals(*chances: float) -> pd.DataFrame:
    """Scores of h0, h1, … for meals."""
    rows = [(f"h{index}", "meals", chance) for index, chance in enumerate(chances)]
    return pd.DataFrame(rows, columns=["household_id", "need", "p_need"]).assign(model_version="1")


def list_of(*rows: tuple[str, str]) -> pd.DataFrame:
    """A list of the week from DAY: household and worker."""
    return pd.DataFrame(
        [
            {
                **dict.fromkeys(COLUMNS),
                "as_of": date_of(DAY),
                "household_id": home,
                "need": "meals",
                "worker_id": worker,
                "arm": "targeted",
                "grid_id": "g1",
                "microgrid_id": "m1",
            }
            for home, worker in rows
        ]
    )


@pytest.mark.parametrize(("newcomer", "stays"), [(0.60, True), (0.64, True), (0.70, False)])
def test_a_household_gives_way_only_to_one_that_is_clearly_more_in_need(newcomer: float, stays: bool) -> None:
    before = list_of(("h0", "w0"), ("h1", "w1"))
    week = plan(meals(0.9, 0.5, newcomer), town(keep_bonus=0.3), before=before)
    assert ("h1" in set(week.visits["household_id"])) == stays
    assert week.dropped["cause"].tolist() == ([] if stays else ["others"])


def test_kept_households_keep_their_worker() -> None:
    scores = meals(0.5, 0.9)
    for first, second in (("w0", "w1"), ("w1", "w0")):
        visits = plan(scores, town(), before=list_of(("h0", first), ("h1", second))).visits
        assert dict(zip(visits["household_id"], visits["worker_id"], strict=True)) == {
            "h0": first,
            "h1": second,
        }


def test_a_visited_household_is_not_kept_and_lines_tell_what_became_of_the_list() -> None:
    visited = [{"household_id": "h0", "need": "meals", "contacted_at": DAY + 2.0, "outcome": "not_reached"}]
    before = list_of(("h0", "w0"), ("h1", "w1"))
    with speaking("en"):
        week = plan(meals(0.9, 0.5, 0.1), town(visited), before=before)
        assert dict(zip(week.visits["household_id"], week.visits["status"], strict=True)) == {
            "h1": "kept",
            "h2": "new",
        }
        assert week.dropped[["household_id", "cause"]].to_numpy().tolist() == [["h0", "visited"]]
        assert any("1 households kept, 0 dropped" in line for line in week.lines)


OPEN = {"household_id": "h0", "need": "meals", "requested_at": DAY + 1.0}
CLOSED = {"id": "canteen", "needs": ["meals"], "seats": 9, "enrol_until": "09-05", "closes": "12-31"}


def visited(
    days: float, need: str = "meals", home: str = "h0", outcome: str = "not_reached"
) -> dict[str, Any]:
    """A visit so many days after the Monday of the list before."""
    return {"household_id": home, "need": need, "contacted_at": DAY + days, "outcome": outcome}


@pytest.mark.parametrize(
    ("cause", "rows", "settings", "listed"),
    [
        ("visited", {"outreach": [visited(0)]}, {}, {}),
        ("refuses", {"opt_outs": [{"household_id": "h0", "from": DAY + 2.0}]}, {}, {}),
        (
            "feedback",
            {"feedback": [{"household_id": "h0", "kind": "do_not_contact", "recorded_at": DAY + 2.0}]},
            {},
            {},
        ),
        (
            "visits_used_up",
            {"outreach": [visited(-300)]},
            {"cooldown_weeks": 6, "visits_per_household_a_year": 1},
            {},
        ),
        ("rests", {"outreach": [visited(-1)]}, {"cooldown_weeks": 6}, {}),
        ("handled", {"requests": [OPEN]}, {}, {}),
        ("closed", {}, {"programmes": [CLOSED]}, {}),
        ("lot", {}, {}, {"arm": "random"}),
        ("unserved", {"workers": [{"worker_id": "w0", "role": "grid_worker", "grid_id": "g2"}]}, {}, {}),
        ("unserved", {}, {}, {"scored": ("h1",)}),
        ("others", {}, {}, {}),
    ],
)
def test_every_cause_of_leaving_a_list_is_told(
    cause: str, rows: dict[str, Any], settings: dict[str, Any], listed: dict[str, Any]
) -> None:
    programmes = settings.pop("programmes", ())
    outreach = {"explore_share": 0.0, "keep_bonus": 0.0, **settings}
    worker = {"worker_id": "w0", "role": "grid_worker", "grid_id": "g1", "weekly_visits": 1}
    community = make_community(NEEDS[:2], outreach=outreach, programmes=programmes)
    homes = [{"household_id": "h0"}, {"household_id": "h1"}, {"household_id": "h2", "grid_id": "g2"}]
    records = make_records(homes, **{"workers": [worker], **rows}, community=community)
    scores = meals(0.1, 0.9)
    scores = scores[scores["household_id"].isin(listed.get("scored", ("h0", "h1")))]
    before = list_of(("h0", "w0")).assign(arm=listed.get("arm", "targeted"))
    week = plan(scores, known_before(records, DAY + WEEK), before=before)
    assert week.dropped[["household_id", "cause"]].to_numpy().tolist() == [["h0", cause]]
    assert week.dropped["cause_text"].tolist() == [cause_text(cause)]
