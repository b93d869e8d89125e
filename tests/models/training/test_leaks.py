"""Columns that are filled after the fact are named and left out; honest ones, and those that are allowed, stay."""

from dataclasses import replace

import numpy as np
import pytest
from make_records import make_community, make_records
from small_town import AS_OF, NEEDS, iso

from features.language import speaking
from features.point_in_time.records import Known, known_before
from models.training.leaks import find_leaks, leak_lines, without_leaks

HOUSEHOLDS = 300
BEGINS = AS_OF - 700


def town(features: dict | None = None) -> Known:
    """A third of the households ask for meals; ``poor`` ones somewhat more often."""
    draw = np.random.default_rng(5)
    poor = draw.random(HOUSEHOLDS) < 0.4
    asks = draw.random(HOUSEHOLDS) < np.where(poor, 0.4, 0.25)
    when = {
        home: np.sort(draw.uniform(BEGINS + 30, AS_OF - 2, 1 + home % 3)) for home in np.flatnonzero(asks)
    }
    middle = (BEGINS + AS_OF) / 2
    early = np.array([home in when and when[home][0] < middle for home in range(HOUSEHOLDS)])
    once = early ^ (draw.random(HOUSEHOLDS) < 0.02)
    households = [
        {
            "household_id": f"h{home:03d}",
            "grid_id": "g0",
            "microgrid_id": "m0",
            "valid_from": iso(BEGINS),
            "children": home % 3,
            "income": "low" if poor[home] else "high",
            "lease_until": iso(AS_OF + 30 * (home % 24) - 300)[:10],
            "aid_paid_on": iso(when[home][-1])[:10] if home in when else None,
            "officer": f"officer {home % 3}" if home in when else None,
            "times_helped": len(when.get(home, ())),
            "was_client": "yes" if once[home] else "no",
        }
        for home in range(HOUSEHOLDS)
    ]
    requests = [
        {"household_id": f"h{home:03d}", "need": "meals", "requested_at": iso(day), "recorded_at": iso(day)}
        for home, days in when.items()
        for day in days
    ]
    community = make_community(NEEDS, **({"features": features} if features else {}))
    return known_before(make_records(households, requests, community=community), AS_OF)


@pytest.fixture(scope="module")
def known() -> Known:
    return town()


def test_columns_filled_after_the_fact_are_named_and_honest_ones_are_not(known: Known) -> None:
    found = {leak.attribute for leak in find_leaks(known)}
    assert found == {"aid_paid_on", "officer", "times_helped", "was_client"}


def test_a_line_says_what_to_do(known: Known) -> None:
    with speaking("en"):
        lines = leak_lines(find_leaks(known))
    assert len(lines) == 4
    assert all("features: {allow: [" in line for line in lines)
    assert any("after their own valid_from" in line for line in lines)


def test_what_leaks_is_in_no_feature(known: Known) -> None:
    schema = without_leaks(known, find_leaks(known))
    used = {one.name for one in schema.household if one.kind != "ignored"}
    assert used == {"children", "income", "lease_until"}


def test_an_allowed_column_is_used_again() -> None:
    known = town({"allow": ["aid_paid_on", "officer"]})
    assert {leak.attribute for leak in find_leaks(known)} == {"times_helped", "was_client"}


def test_without_requests_nothing_is_suspected(known: Known) -> None:
    none = known.requests.need < -9
    silent = replace(
        known, requests=type(known.requests)(*(value[none] for value in vars(known.requests).values()))
    )
    assert [leak.attribute for leak in find_leaks(silent)] == ["aid_paid_on"]
