"""Every rule about a day at its edge: the day before, the day itself and the day after."""

from collections.abc import Callable
from datetime import date

import numpy as np
import pytest
from make_records import make_community, make_records

from features.point_in_time.feedback import refusing, suppressed
from features.point_in_time.records import Known, day_of, known_before
from features.rows.tables import OptOutRows

D = day_of(date(2024, 6, 3))
A = {"household_id": "a"}
NEEDS = ({"id": "meals", "horizon_weeks": 4}, {"id": "care", "horizon_weeks": 8})


def known(days: int, *homes: dict, as_of: int = D, silent: int | None = None, **tables: list) -> Known:
    """What is known so many days after ``as_of`` of household a, whose rows of the register are given."""
    settings = {} if silent is None else {"silent_after_weeks": silent}
    records = make_records(homes or [A], **tables, community=make_community(NEEDS, **settings))
    return known_before(records, as_of + days)


def request(**more: object) -> dict:
    return {**A, "need": "meals", "requested_at": D - 30.0, **more}


def visit(**more: object) -> dict:
    return {**A, "need": "meals", "contacted_at": float(D), "outcome": "not_needed", **more}


def corrected(days: int) -> bool:
    rows = [request(visible_to=float(D)), request(requested_at=D - 40.0, visible_from=float(D))]
    return known(days, requests=rows).requests.requested.tolist() == [D - 40.0]


def resident_moved(days: int) -> bool:
    homes = [A, {"household_id": "b"}]
    rows = [
        {**A, "resident_id": "r", "valid_from": D - 99.0},
        {"household_id": "b", "resident_id": "r", "valid_from": float(D)},
    ]
    found = known(days, *homes, residents=rows)
    return found.residents.household[found.resident_rows].tolist() == [1]


def resident_left(days: int) -> bool:
    rows = [{**A, "resident_id": "r", "valid_from": D - 99.0, "valid_until": float(D)}]
    return not len(known(days, residents=rows).resident_rows)


def returned(days: int) -> bool:
    """The register has a row from D + days on; a visit on D found that all had left."""
    homes = [A, {**A, "valid_from": float(D + days)}]
    found = known(30, *homes, outreach=[visit(outcome="moved_away")])
    return bool(found.present[0])


def bound(days: int) -> bool:
    """A refusal so many days from the day on which the household that had the number before had ended."""
    homes = [{**A, "valid_from": D - 99.0, "valid_until": float(D)}, {**A, "valid_from": D + 60.0}]
    refusal = [{**A, "from": float(D + days)}]
    found = known(90, *homes, opt_outs=refusal)
    assert isinstance(found.opt_outs, OptOutRows)
    return bool(found.opted_out[0]) and len(found.objections.opt_outs) == 1


def complained(days: int, kind: str, need: str, weeks: int) -> bool:
    rows = [{**A, "need": need, "kind": kind, "recorded_at": D - 7.0 * weeks}]
    return not suppressed(known(days, feedback=rows)).any()


def gone_within_the_week(days: int) -> bool:
    return bool(refusing(known(days, {**A, "valid_until": D + 7.0})).any())


# from which day on each rule holds: 0 the day itself, 1 the day after
RULES: dict[str, tuple[Callable[[int], bool], int]] = {
    "a row of the register is known": (lambda n: bool(known(n, {**A, "valid_from": float(D)}).present[0]), 1),
    "a household that ended is gone": (lambda n: not known(n, {**A, "valid_until": float(D)}).present[0], 0),
    "a visit that found nobody left ends it": (
        lambda n: not known(n, outreach=[visit(outcome="moved_away")]).present[0],
        1,
    ),
    "a row of the register after such a visit begins anew": (returned, 1),
    "a household is gone within the week of the list": (gone_within_the_week, 0),
    "a correction counts": (corrected, 1),
    "a request is known": (
        lambda n: len(known(n, requests=[request(recorded_at=float(D))]).requests) == 1,
        1,
    ),
    "a request is resolved": (
        lambda n: bool(np.isfinite(known(n, requests=[request(resolved_at=float(D))]).requests.resolved[0])),
        1,
    ),
    "a resident lives in the next household": (resident_moved, 1),
    "a resident has left": (resident_left, 0),
    "a refusal that was announced before has begun": (
        lambda n: bool(known(n, opt_outs=[{**A, "from": float(D), "visible_from": D - 9.0}]).opted_out[0]),
        1,
    ),
    "a refusal has ended": (
        lambda n: not known(n, opt_outs=[{**A, "from": D - 9.0, "until": float(D)}]).opted_out[0],
        0,
    ),
    "a refusal is that of the household that has the number now": (bound, 0),
    "a household is silent": (
        lambda n: bool(
            known(
                n, {**A, "valid_from": D - 999.0}, requests=[request(requested_at=D - 70.0)], silent=10
            ).silent[0]
        ),
        1,
    ),
    "the wrong person is listed again": (lambda n: complained(n, "wrong_person", "meals", 26), 0),
    "who was helped is listed again": (lambda n: complained(n, "already_helped", "meals", 4), 0),
    "who was helped with care is listed again": (lambda n: complained(n, "already_helped", "care", 8), 0),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_day_before_the_day_and_the_day_after(rule: str) -> None:
    holds, first = RULES[rule]
    assert [holds(days) for days in (-1, 0, 1)] == [days >= first for days in (-1, 0, 1)]
