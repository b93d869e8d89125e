"""Lists under a parity setting: no group's part falls too far behind, and errors say what would be possible."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_records import make_community, make_records
from random_weeks import CELL, DAY, NEEDS, check_week, scores_of, towns

from features.blocks.groups import membership
from features.contract.community import Parity
from features.language import UserError, speaking
from features.point_in_time.records import Known, known_before
from models.fairness.parity import recall_sums, recalls, short_of_parity
from service.planning.eligibility import eligible_pairs, left_out
from service.planning.planner import plan
from service.planning.seat_limits import enrolment


def with_parity(known: Known, *groups: str, tolerance: float) -> Known:
    """The same town under a parity setting."""
    outreach = known.community.outreach.model_copy(
        update={"parity": Parity(groups=groups, tolerance=tolerance)}
    )
    community = known.community.model_copy(update={"outreach": outreach})
    return replace(known, community=community)


def short(known: Known, scores: pd.DataFrame, visits: pd.DataFrame) -> list[str]:
    """The groups that the list leaves behind."""
    parity = known.community.outreach.parity
    assert parity is not None
    pairs = eligible_pairs(scores, known, left_out(known, enrolment(known).closed))
    home = pd.Index(known.household_ids).get_indexer(pd.Index(visits["household_id"]))
    need = visits["need"].map(known.community.need_index())
    keys = pd.MultiIndex.from_frame(pairs[["household", "need"]])
    listed = keys.isin(pd.MultiIndex.from_arrays([home, need]))
    chances = pairs["household"].to_numpy(), pairs["p_need"].to_numpy()
    found = recalls(recall_sums(*chances, listed, membership(known)))
    return short_of_parity(found, membership(known), parity)


@settings(max_examples=20)
@given(towns(), CELL, st.sampled_from([0.05, 0.3, 0.8]))
def test_no_grid_falls_behind_or_the_error_names_a_tolerance_that_can_be_met(
    known: Known, seed: int, tolerance: float
) -> None:
    scores, town = scores_of(known, seed), with_parity(known, "grid", tolerance=tolerance)
    try:
        visits = plan(scores, town).visits
    except UserError as error:
        possible = float(re.findall(r"放宽到 (\d\.\d\d)", str(error))[0])
        assert tolerance < possible <= 1
        town = with_parity(known, "grid", tolerance=possible)
        visits = plan(scores, town).visits
    assert short(town, scores, visits) == []
    check_week(town, visits)
    free = plan(scores, known).visits
    assert visits["household_id"].nunique() == free["household_id"].nunique()


def two_groups() -> tuple[Known, pd.DataFrame]:
    """Ten likelier households and ten new ones in one place; four visits."""
    homes = [
        {"household_id": f"h{index:02}", "valid_from": DAY - (20.0 if index >= 10 else 900.0)}
        for index in range(20)
    ]
    community = make_community(
        NEEDS[:4],
        groups=[{"id": "new", "name": {"zh": "新居民", "en": "New residents"}, "known_within_weeks": 10}],
        outreach={"visits_per_worker": 4, "explore_share": 0.0},
    )
    known = known_before(make_records(homes, community=community), DAY)
    chance = np.where(np.arange(20) < 10, 0.5, 0.3) - 0.001 * np.arange(20)
    scores = pd.DataFrame({"household_id": known.household_ids, "need": "meals", "p_need": chance})
    return known, scores.assign(model_version="1")


def test_equal_parts_cost_some_precision_and_the_lines_say_how_much() -> None:
    known, scores = two_groups()
    assert plan(scores, known).visits["household_id"].tolist() == ["h00", "h01", "h02", "h03"]
    town = with_parity(known, "new", tolerance=0.1)
    with speaking("en"):
        week = plan(scores, town)
        text = "\n".join(week.lines)
    assert week.visits["household_id"].tolist() == ["h00", "h01", "h10", "h11"]
    assert re.search(r"needs expected in 100 visits 49\.\d → 39\.\d", text)
    assert "New residents" in text


def test_a_parity_that_the_list_meets_anyway_changes_nothing() -> None:
    known, scores = two_groups()
    free, kept = plan(scores, known), plan(scores, with_parity(known, "new", tolerance=1.0))
    pd.testing.assert_frame_equal(free.visits, kept.visits)


def test_a_group_that_does_not_exist_is_named() -> None:
    known, scores = two_groups()
    with pytest.raises(UserError, match="nobody"):
        plan(scores, with_parity(known, "nobody", tolerance=0.1))
