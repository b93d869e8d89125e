"""Before any training: households are scored by the requests expected of them."""

import numpy as np
from make_records import make_community, make_records
from small_town import AS_OF

from features.blocks.build import Features, build
from features.point_in_time.cohort import cohort
from features.point_in_time.records import Known, Records, known_before
from features.point_in_time.schema_fit import fit_schema
from models.scoring.explain import explained
from models.scoring.model import NeedModel
from models.scoring.untrained import untrained

HOMES = [f"h{number:02}" for number in range(40)]
NEEDS = ({"id": "childcare", "horizon_weeks": 8}, {"id": "meals", "horizon_weeks": 4})


def town(asking: dict[str, int]) -> Records:
    """Forty households, of which some asked for childcare several times in the last four months; nobody for meals."""
    requests = [
        {"household_id": home, "need": "childcare", "requested_at": AS_OF - 110.0 + 100 * number / times}
        for home, times in asking.items()
        for number in range(times)
    ]
    homes = [
        {"household_id": home, "microgrid_id": f"m{at % 4}", "valid_from": AS_OF - 400}
        for at, home in enumerate(HOMES)
    ]
    return make_records(homes, requests, community=make_community(NEEDS))


def scored(records: Records) -> tuple[Known, NeedModel, Features, np.ndarray]:
    known = known_before(records, AS_OF)
    model = untrained(known, fit_schema(known), AS_OF)
    features = build(known, cohort(known), model.schema)
    return known, model, features, model.predict(features)


def test_who_asked_often_comes_first_and_the_sum_is_near_what_comes_at_the_usual_rate() -> None:
    asking = {home: 8 if at < 6 else 1 for at, home in enumerate(HOMES[:20])}
    known, _, features, p = scored(town(asking))
    childcare = features.rows.need == 0
    order = known.household_ids[features.rows.household[childcare]][np.argsort(-p[childcare])]
    assert set(order[:6]) == set(HOMES[:6])
    assert set(order[-20:]) == set(HOMES[20:])
    usual = sum(asking.values()) * 8 * 7 / 110  # requests of a window; several may come from one household
    assert 0.4 * usual < p[childcare].sum() < 1.1 * usual


def test_a_need_that_nobody_asked_for_gets_the_same_small_probability_everywhere() -> None:
    _, _, features, p = scored(town({"h01": 60}))
    meals = p[features.rows.need == 1]
    assert (meals == meals[0]).all() and 0 < meals[0] < 0.1


def test_the_reason_of_who_asked_is_the_own_request() -> None:
    known, model, features, _ = scored(town({"h01": 30, "h02": 30}))
    at = np.flatnonzero((features.rows.household == 1) & (features.rows.need == 0))
    first = explained(model, known, features, at)[0][0].text
    assert "申请过" in first


def test_fewer_than_fifty_requests_do_not_tell_households_apart() -> None:
    assert not scored(town({"h01": 49}))[1].tells_apart
    assert scored(town({"h01": 50}))[1].tells_apart
