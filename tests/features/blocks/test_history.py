"""Own history and other activity against a slow recomputation, and the facts told of them."""

import math

import numpy as np
import pytest
from make_records import day, make_community, make_records
from small_town import AS_OF, NEEDS, at, town_records, town_rows

from features.blocks import activity, history, seasons
from features.blocks.build import summarise, town_span
from features.blocks.source_rows import source_rows
from features.language import set_language
from features.point_in_time.records import known_before
from features.point_in_time.subset import some
from features.point_in_time.town_summary import prior_strength

BASE = town_rows(seed=3)
KNOWN, ROWS, SCHEMA = at(town_records(BASE))
TOWN = summarise(KNOWN, SCHEMA)
OWN = history.block(KNOWN, ROWS, TOWN, SCHEMA)
ACTIVITY = activity.block(KNOWN, ROWS, TOWN, SCHEMA)
IDS = [need["id"] for need in NEEDS]


def each_pair():
    """Position, household id, need id and the household's requests as (need, age in days), oldest first."""
    for position, (household, need) in enumerate(zip(ROWS.household, ROWS.need, strict=True)):
        name = KNOWN.household_ids[household]
        asked = [
            (row["need"], AS_OF - day(row["requested_at"]))
            for row in BASE["requests"]
            if row["household_id"] == name
        ]
        yield position, IDS[need], sorted(asked, key=lambda one: -one[1])


def slow(count):
    """``count(need, ages of this need, ages of the others)`` for each pair."""
    return [
        count(need, [age for one, age in asked if one == need], [age for one, age in asked if one != need])
        for _, need, asked in each_pair()
    ]


@pytest.mark.parametrize("days", history.WINDOWS)
def test_counts(days):
    expected = slow(lambda need, own, others: sum(age <= days for age in own))
    np.testing.assert_array_equal(OWN[f"requests_{days}_days"], expected)


@pytest.mark.parametrize("half_life", history.HALF_LIVES)
def test_decayed_counts(half_life):
    expected = slow(lambda need, own, others: sum(0.5 ** (age / half_life) for age in own))
    np.testing.assert_allclose(OWN[f"decayed_requests_half_life_{half_life}_days"], expected, rtol=1e-5)


def test_times_since():
    last = slow(lambda need, own, others: own[-1] if own else math.nan)
    between = slow(lambda need, own, others: own[-2] - own[-1] if len(own) > 1 else math.nan)
    other = slow(lambda need, own, others: others[-1] if others else math.nan)
    np.testing.assert_allclose(OWN["days_since_request"], last, rtol=1e-5)
    np.testing.assert_allclose(OWN["days_between_requests"], between, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(OWN["never_requested"], np.isnan(last))
    np.testing.assert_allclose(ACTIVITY["days_since_other_request"], other, rtol=1e-5)


def test_same_window():
    def inside(need, age, years):
        this = NEEDS[IDS.index(need)]
        begin = 7 * this.get("lead_weeks", 0)
        return begin <= 364 * years - age < begin + 7 * this["horizon_weeks"]

    expected = slow(lambda need, own, others: sum(inside(need, age, 1) for age in own))
    np.testing.assert_array_equal(OWN["requests_same_window_1_years_ago"], expected)
    expected = slow(
        lambda need, own, others: sum(inside(need, age, years) for age in own for years in range(1, 9))
    )
    np.testing.assert_array_equal(OWN["requests_same_window_all_years"], expected)


@pytest.mark.parametrize("years", [1, 2])
@pytest.mark.parametrize(("need", "begin", "end"), [(0, 0, 56), (1, 14, 42)])
@pytest.mark.parametrize(("edge", "after", "inside"), [(0, 0, 1), (0, -1, 0), (1, -1, 1), (1, 0, 0)])
def test_the_same_window_holds_its_first_hour_and_not_the_one_after_its_last(
    years, need, begin, end, edge, after, inside
):
    moment = AS_OF - 364 * years + (begin, end)[edge] + after / 24
    request = {"household_id": "h1", "need": IDS[need], "requested_at": moment}
    records = make_records(
        [{"household_id": "h1", "children": 1}], [request], community=make_community(NEEDS)
    )
    known, rows, schema = at(records)
    columns = history.block(known, rows, summarise(known, schema), schema)
    here = rows.need == need
    assert columns["requests_same_window_all_years"][here] == [inside]
    assert columns["requests_same_window_1_years_ago"][here] == [inside * (years == 1)]
    assert bool(history.FACTS["asked_same_season"](known, schema, 0, need)) == bool(inside)
    assert bool(source_rows("asked_same_season", known, 0, need)) == bool(inside)
    assert seasons.asking_last_year(known)[need] == inside * (years == 1)


@pytest.mark.parametrize("days", history.WINDOWS)
@pytest.mark.parametrize(("earlier", "inside"), [(0, 1), (1, 0)])
def test_a_window_of_so_many_days_begins_with_the_hour_so_many_days_ago(days, earlier, inside):
    request = {"household_id": "h1", "need": "meals", "requested_at": AS_OF - days - earlier / 24}
    records = make_records([{"household_id": "h1"}], [request], community=make_community(NEEDS[1:]))
    known, rows, schema = at(records)
    columns = history.block(known, rows, summarise(known, schema), schema)
    assert columns[f"requests_{days}_days"][rows.need == 0] == [inside]
    if days == history.OPEN_WITHIN:
        assert (
            columns["open_requests"][rows.need == 0] == [inside] == [len(history.open_requests(known, 0, 0))]
        )


def test_other_needs():
    for days in activity.WINDOWS:
        expected = slow(lambda need, own, others, days=days: sum(age <= days for age in others))
        np.testing.assert_array_equal(ACTIVITY[f"other_needs_requests_{days}_days"], expected)
    kinds = [len({need for need, age in asked if age <= 364}) for _, _, asked in each_pair()]
    np.testing.assert_array_equal(ACTIVITY["needs_requested_364_days"], kinds)


def test_open_requests_and_satisfaction():
    open_requests, satisfaction = [], []
    for position, need, _ in each_pair():
        name = KNOWN.household_ids[ROWS.household[position]]
        mine = [row for row in BASE["requests"] if row["household_id"] == name and row["need"] == need]
        mine.sort(key=lambda row: row["requested_at"])
        solved = [bool(row["resolved_at"]) and day(row["resolved_at"]) < AS_OF for row in mine]
        ages = [AS_OF - day(row["requested_at"]) for row in mine]
        open_requests.append(sum(not done and age <= 182 for done, age in zip(solved, ages, strict=True)))
        rated = [
            row["satisfaction"]
            for row, done in zip(mine, solved, strict=True)
            if done and "satisfaction" in row
        ]
        satisfaction.append(rated[-1] if rated else math.nan)
    np.testing.assert_array_equal(OWN["open_requests"], open_requests)
    np.testing.assert_array_equal(OWN["last_satisfaction"], satisfaction)


def test_prior_strength_is_recovered():
    random = np.random.default_rng(0)
    expected = random.uniform(0.5, 4, 20000)
    for strength in (0.5, 2.0, 10.0):
        count = random.poisson(expected * random.gamma(strength, 1 / strength, len(expected)))
        assert prior_strength(count, expected) == pytest.approx(strength, rel=0.15)
    assert prior_strength(random.poisson(expected), expected) > 50


def test_a_need_that_follows_another_is_related():
    """Meals are always asked for ten days after childcare; refuge on its own, long before."""
    requests = []
    for index in range(60):
        at_day = AS_OF - 900 + 10 * index
        for need, moment in (("refuge", at_day - 500), ("childcare", at_day), ("meals", at_day + 10)):
            requests.append(
                {"household_id": f"h{index}", "need": need, "requested_at": moment, "visible_from": moment}
            )
    households = [
        {"household_id": f"h{index}", "children": 1, "valid_from": AS_OF - 1500} for index in range(600)
    ]
    known, _, schema = at(make_records(households, requests, community=make_community(NEEDS)))
    lift = activity.summarise(known, schema).lift
    assert lift[0, 1] > 0.5
    assert lift[0, 2] <= 0 and lift[1, 0] <= 0


def told(block, fact, requests, need=0, as_of="2024-06-03", **sections):
    """The fact of household h1 in Chinese, from these (need, time) requests or whole rows."""
    rows = [
        row if isinstance(row, dict) else {"household_id": "h1", "need": row[0], "requested_at": row[1]}
        for row in requests
    ]
    households = [{"household_id": "h1", "valid_from": "2020-01-01"}]
    community = make_community(sections.pop("needs", NEEDS))
    records = make_records(households, rows, community=community)
    return block.FACTS[fact](known_before(records, int(day(as_of))), SCHEMA, 0, need)


def test_facts_of_own_history():
    assert told(history, "asked_before", []) == ""
    assert told(history, "asked_before", [("childcare", "2023-06-05")]) == "去年6月5日申请过暑期托管"
    three = [("childcare", "2023-07-05"), ("childcare", "2024-02-01"), ("childcare", "2024-05-12")]
    assert told(history, "asked_before", three) == "近一年申请过3次暑期托管，最近一次是5月12日"
    assert told(history, "asked_same_season", three) == "去年7月申请过暑期托管"
    assert told(history, "asked_same_season", [("childcare", "2023-05-30")]) == ""
    both = [("childcare", "2022-06-20"), *three]
    assert told(history, "asked_same_season", both) == "往年同期申请过2次暑期托管，最近是去年7月"


def test_facts_of_service():
    done = {
        "household_id": "h1",
        "need": "meals",
        "requested_at": "2024-05-01",
        "resolved_at": "2024-05-09",
        "satisfaction": 2,
    }
    still = {"household_id": "h1", "need": "childcare", "requested_at": "2024-05-20"}
    assert told(history, "open_request", [still]) == ""  # a community that does not record resolutions
    assert told(history, "open_request", [done, still]) == "5月20日的诉求还没有办结"
    assert told(history, "satisfaction", [done, still], need=1) == "上次办结后评2分（满分5分）"
    earlier = {**done, "requested_at": "2024-03-01", "resolved_at": "2024-03-09", "satisfaction": 5}
    assert told(history, "satisfaction", [done, earlier], need=1) == "上次办结后评2分（满分5分）"
    assert told(history, "satisfaction", [earlier, done], need=1) == "上次办结后评2分（满分5分）"


def test_whether_a_request_is_still_open_does_not_depend_on_the_partition():
    done, still = (
        {"household_id": who, "need": "childcare", "requested_at": "2024-05-20", "resolved_at": when}
        for who, when in (("h1", "2024-05-25"), ("h2", None))
    )
    homes = [{"household_id": "h1"}, {"household_id": "h2"}]
    records, day_of_june = make_records(homes, [done, still]), int(day("2024-06-03"))
    whole = known_before(records, day_of_june)
    apart = known_before(some(records, np.array([1])), day_of_june, town_span(whole))
    facts = [
        history.FACTS["open_request"](whole, SCHEMA, 1, 0),
        history.FACTS["open_request"](apart, SCHEMA, 0, 0),
    ]
    assert facts == ["5月20日的诉求还没有办结"] * 2


def test_facts_of_other_needs_never_tell_a_sensitive_one():
    asked = [("meals", "2024-05-01"), ("refuge", "2024-05-02"), ("refuge", "2024-05-03")]
    for_elders = [*NEEDS[:1], {"id": "outing", "name": {"zh": "老人郊游"}}, *NEEDS[1:]]
    assert told(activity, "other_needs", asked, need=1, needs=for_elders) == "近一年申请过1次老年助餐"
    assert told(activity, "other_needs", asked) == ""  # meals say nothing about childcare
    assert told(activity, "asked_anything", asked) == ""
    assert told(activity, "other_needs", asked[1:]) == ""


def test_facts_in_english():
    set_language("en")
    try:
        assert (
            told(history, "asked_before", [("childcare", "2023-06-05")])
            == "asked for 暑期托管 on 5 June 2023"
        )
        twice = [("meals", "2024-05-01"), ("meals", "2024-05-02")]
        assert told(activity, "asked_anything", twice) == "asked for other things 2 times in a year"
    finally:
        set_language("zh")
