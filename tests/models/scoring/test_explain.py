"""Reasons: true facts in the order of their contributions, in words, for whoever is shown."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hand_made import hand_made_model, make_town
from hypothesis import given, settings
from hypothesis import strategies as st
from make_records import make_community, make_records
from small_town import AS_OF, NEEDS

from features.blocks.build import Features, build, catalogue, facts
from features.language import set_language
from features.point_in_time.cohort import cohort
from features.point_in_time.records import Known, Rows, known_before
from models.scoring.explain import explained, fact_weights, joined
from models.scoring.model import NeedModel

COUNT = {"requests_all_time": 1.0}
CHILDREN = {"household.children": 1.0}
SPREAD = ("expected", "similar")  # their weight is shared among the attributes behind them
NEIGHBOURS = {"microgrid_asking_28_days": 1.0}


def a_street(**community: Any) -> Known:
    """Household a with two children, which asked last June; three neighbours asked last week; z is far."""
    needs = [{**need, "who": ""} for need in NEEDS]
    requests = [("r0", "a", "2023-06-12"), *((f"r{one}", f"n{one}", "2024-08-26") for one in (1, 2, 3))]
    homes = [{"household_id": f"n{one}", "children": 0} for one in (1, 2, 3)]
    records = make_records(
        households=[
            {"household_id": "a", "children": 2},
            *homes,
            {"household_id": "z", "children": 0, "grid_id": "g9", "microgrid_id": "m9"},
        ],
        requests=[
            {"request_id": one, "household_id": who, "need": "childcare", "requested_at": when}
            for one, who, when in requests
        ],
        community=make_community(needs, **community),
    )
    return known_before(records, AS_OF)


def told(known: Known, coefficients: Mapping[str, float], household: str, most: int = 3) -> list[str]:
    """The reasons for childcare of one household."""
    model = hand_made_model(known, coefficients)
    index = list(known.household_ids).index(household)
    rows = Rows(np.array([index], dtype=np.int32), np.array([0], dtype=np.int16))
    features = build(known, rows, model.schema)
    return [reason.text for reason in explained(model, known, features, np.array([0]), most)[0]]


def test_facts_with_numbers_in_the_order_of_their_contributions() -> None:
    known = a_street()
    everything = {**COUNT, **CHILDREN, **NEIGHBOURS}
    asked, children = "去年6月12日申请过暑期托管", "2个孩子"
    assert told(known, everything, "a") == [children, asked]  # neighbours ask no more than such households do
    assert told(known, {**everything, "requests_all_time": 9.0}, "a", most=1) == [asked]
    assert joined([children, asked]) == "2个孩子，去年6月12日申请过暑期托管"
    set_language("en")
    assert told(known, CHILDREN, "a") == ["2 children"]


def test_only_what_raised_the_score_is_told() -> None:
    known = a_street()
    assert told(known, {**COUNT, "household.children": -1.0}, "a") == ["去年6月12日申请过暑期托管"]


def test_features_of_one_fact_are_summed() -> None:
    known = a_street()
    against = {"requests_all_time": 1.0, "never_requested": -1.0, "requests_same_window_all_years": 0.0}
    assert told(known, {**CHILDREN, **against, "days_since_request": -9.0}, "a") == ["2个孩子"]


def test_the_season_comes_after_what_is_the_household_s_own() -> None:
    known = a_street()
    found = told(known, {**CHILDREN, "town_requests_same_window_1_years_ago": 99.0}, "a")
    assert found[0] == "2个孩子"


@pytest.mark.parametrize("coefficients", [{}, COUNT, {"household.children": -1.0}])
def test_a_household_of_which_nothing_is_known_has_a_reason_all_the_same(
    coefficients: dict[str, float],
) -> None:
    assert told(a_street(), coefficients, "z") == ["全社区近一年有3户申请过本项"]


def test_few_households_of_the_town_are_not_counted_out() -> None:
    for count, text, last_year in (
        (0, "近一年还没有人申请，顺便问一问", ""),
        (2, "近一年很少有人申请，顺便问一问", ""),
        (3, "全社区近一年有3户申请过本项", "去年同期全社区3户申请"),
    ):
        homes = [{"household_id": f"h{number}"} for number in range(5)]
        rows = [
            {"household_id": f"h{number}", "need": "childcare", "requested_at": "2023-09-20"}
            for number in range(count)
        ]
        settings = make_community([{**need, "who": "", "lead_weeks": 0} for need in NEEDS])
        known = known_before(make_records(homes, rows, community=settings), AS_OF)
        assert told(known, {}, "h4") == [text]
        schema = hand_made_model(known, {}).schema
        assert facts(schema)["town_last_year"](known, schema, 4, 0) == last_year


def test_an_excluded_attribute_is_never_told() -> None:
    known = a_street(features={"exclude": ["children"]})
    model = hand_made_model(known, {})
    assert "household.children" not in model.feature_names
    everything = dict.fromkeys(model.feature_names, 1.0)
    assert not any("孩子" in text for text in told(known, everything, "a", most=99))


@pytest.fixture(scope="module")
def town() -> Known:
    return known_before(make_town(), AS_OF)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_reasons_follow_the_contributions_and_are_what_the_facts_say(town: Known, seed: int) -> None:
    random = np.random.default_rng(seed)
    names = [one.name for one in catalogue(hand_made_model(town, {}).schema)]
    model = hand_made_model(town, dict(zip(names, random.normal(size=len(names)), strict=True)))
    features = some_features(town, model, random)
    positions = random.permutation(len(features.rows))[:5]
    weights = fact_weights(model, features, positions)
    tell = facts(model.schema)
    for row, position in enumerate(positions):
        pair = (int(features.rows.household[position]), int(features.rows.need[position]))
        found = [reason.text for reason in explained(model, town, features, positions)[row]]
        assert 1 <= len(found) <= 3
        assert len(set(found)) == len(found)
        weight = {tell[kind](town, model.schema, *pair): 0.0 for kind in weights.facts}
        for kind, one in zip(weights.facts, weights.weight[row], strict=True):
            text = tell[kind](town, model.schema, *pair)
            weight[text] = (
                1.0 if kind in SPREAD else max(weight[text], one)
            )  # what is said where nothing else fits
        similar = max(
            one for kind, one in zip(weights.facts, weights.weight[row], strict=True) if kind in SPREAD
        )
        assert all(weight.get(text, 1.0) > 0 or similar > 0 for text in found)


def some_features(town: Known, model: NeedModel, random: np.random.Generator) -> Features:
    rows = cohort(town)
    return build(town, rows.take(random.permutation(len(rows))[:20]), model.schema)


def test_no_text_shows_a_feature_s_name_or_a_probability(town: Known) -> None:
    model = hand_made_model(town, {})
    model = hand_made_model(town, dict.fromkeys(model.feature_names, 1.0))
    features = build(town, cohort(town), model.schema)
    positions = np.arange(0, len(features.rows), 3)
    every = explained(model, town, features, positions, most=99)
    texts = {reason.text for reasons in every for reason in reasons}
    assert len(texts) > 20
    for text in texts:
        assert not re.search(r"[a-z]_[a-z]|0\.\d|%|nan", text), text
