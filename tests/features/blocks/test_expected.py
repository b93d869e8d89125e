"""Expected requests: each step finds what a simulated town was given, and only that."""

import re

import numpy as np
import pytest
from make_records import make_community, make_records
from small_town import AS_OF, at

from features.blocks import expected
from features.blocks.build import build, summarise
from features.blocks.similar import attribute_logarithms, similar_neighbours
from features.point_in_time.records import known_before
from features.point_in_time.schema_fit import fit_schema

NEEDS = ({"id": "childcare", "name": {"zh": "暑期托管"}}, {"id": "repair", "name": {"zh": "维修"}})
DAYS = 1400
RATES = (1.5, 0.8)  # requests a year


def simulated(households=1200, seed=0, attribute=1.0, area=1.0, both=0.0, own=0.0):
    """A town in which dual earners ask for childcare ``attribute`` times as often, and micro-grid m0 for both
    needs ``area`` times; ``both`` and ``own`` are the variances of what households ask more or less of both
    needs, or of one."""
    random = np.random.default_rng(seed)

    def gamma(variance, size):
        return random.gamma(1 / variance, variance, size) if variance else np.ones(size)

    dual, place = random.random(households) < 0.3, random.integers(0, 8, households)
    propensity = gamma(both, (households, 1)) * gamma(own, (households, 2))
    rates = np.array(RATES) * propensity
    rates[:, 0] *= np.where(dual, attribute, 1)
    rates *= np.where(place == 0, area, 1)[:, None]
    rows = {
        "households": [
            {
                "household_id": f"h{index:04d}",
                "microgrid_id": f"m{place[index]}",
                "valid_from": AS_OF - DAYS,
                "dual_earner": "yes" if dual[index] else "no",
                "code": f"{random.integers(3)}",
            }
            for index in range(households)
        ],
        "requests": [],
    }
    for index, need in np.ndindex(households, 2):
        for moment in AS_OF - DAYS * random.random(random.poisson(rates[index, need] * DAYS / 364)):
            one = {
                "household_id": f"h{index:04d}",
                "need": NEEDS[need]["id"],
                "requested_at": moment,
                "recorded_at": moment,
            }
            rows["requests"].append(one)
    known, pairs, schema = at(make_records(**rows, community=make_community(NEEDS)))
    made = build(known, pairs, schema)
    column = {name: made.matrix[:, made.names.index(name)].reshape(households, 2) for name in made.names}
    return known, schema, rates, dual, place, column


def test_similar_households():
    known, schema, _, dual, _, column = simulated(attribute=3.0)
    ratio = column["similar_ratio"]
    assert ratio[dual, 0].mean() / ratio[~dual, 0].mean() == pytest.approx(3.0, rel=0.15)
    assert ratio[dual, 1].mean() / ratio[~dual, 1].mean() == pytest.approx(1.0, rel=0.15)
    both_work, others = int(np.flatnonzero(dual)[0]), int(np.flatnonzero(~dual)[0])
    assert attribute_logarithms(known, schema, both_work, 0)["household.dual_earner"] > 0.3
    assert attribute_logarithms(known, schema, others, 0)["household.dual_earner"] < 0


def test_similar_neighbours_are_counted_where_three_of_them_asked():
    known, schema, _, dual, place, _ = simulated(attribute=3.0)
    home = int(np.flatnonzero(dual)[0])
    found = re.fullmatch(
        r"本微网格情况差不多的(\d+)户里，近一年有(\d+)户申请过",
        expected.FACTS["similar"](known, schema, home, 0),
    )
    like = dual & (place == place[home]) & (np.arange(len(dual)) != home)
    asked_lately = known.requests.requested >= known.as_of - 364
    who = np.unique(known.requests.household[asked_lately & (known.requests.need == 0)])
    assert found and int(found[1]) <= like.sum() and int(found[2]) == np.isin(who, np.flatnonzero(like)).sum()


def test_area_beyond_attributes():
    *_, place, column = simulated(attribute=3.0, area=2.0)
    ratio = column["area_ratio"]
    assert ratio[place == 0].mean() / ratio[place != 0].mean() == pytest.approx(2.0, rel=0.15)


def test_other_needs_tell_where_households_differ_in_both():
    known, schema, rates, *_, column = simulated(both=1.0)
    assert summarise(known, schema).parts["expected"].exponents == pytest.approx([1, 1], abs=0.2)
    without_own = column["expected_without_own"][:, 0]
    assert np.corrcoef(np.log(without_own), np.log(rates[:, 0]))[0, 1] > 0.6


def test_other_needs_tell_nothing_where_households_differ_in_one():
    known, schema, *_ = simulated(own=1.0)
    assert summarise(known, schema).parts["expected"].exponents.max() < 0.15


def test_own_history_is_shrunk_as_much_as_it_should_be():
    known, schema, rates, *_, column = simulated(own=1.0)
    strengths = summarise(known, schema).parts["expected"].own_strengths
    assert strengths == pytest.approx([1.0, 1.0], rel=0.25)  # 1 over the variance
    told = column["expected_requests"]
    for need in range(2):
        middle = np.argsort(told[:, need])
        for part in np.array_split(middle, 4):  # right on average, whatever is told
            assert told[part, need].mean() == pytest.approx(rates[part, need].mean(), rel=0.25, abs=0.05)


def test_nothing_is_made_of_noise():
    *_, column = simulated()
    for name in ("similar_ratio", "area_ratio", "other_needs_ratio", "own_ratio"):
        assert np.abs(np.log(column[name])).mean() < 0.1, name


def test_requests_of_late_raise_what_is_expected():
    """Two households asked as often; one of them lately."""
    households = [{"household_id": f"h{index}", "valid_from": AS_OF - 1000} for index in range(100)]
    times = [(f"h{index}", AS_OF - 900 + 8 * index) for index in range(2, 100)]
    times += [("h0", AS_OF - 10 * turn) for turn in (1, 2, 3)] + [
        ("h1", AS_OF - 400 - 10 * turn) for turn in (1, 2, 3)
    ]
    requests = [{"household_id": who, "need": "childcare", "requested_at": when} for who, when in times]
    known, pairs, schema = at(make_records(households, requests, community=make_community(NEEDS)))
    made = build(known, pairs, schema)
    for days in expected.LATE_HALF_LIVES:
        late = made.matrix[:, made.names.index(f"expected_requests_late_{days}_days")].reshape(-1, 2)[:, 0]
        assert late[0] > late[1] > late[50]


def test_a_town_of_one_household():
    known = known_before(make_records([{"household_id": "h1"}], community=make_community(NEEDS)), AS_OF)
    schema = fit_schema(known)
    assert summarise(known, schema).similar_factors == ()
    assert attribute_logarithms(known, schema, 0, 0) == {}
    assert similar_neighbours(known, schema, 0, 0, "grid") == (0, 0)
