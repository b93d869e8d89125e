"""The worked example of how to add a feature: a block with one row of the catalogue and the function behind it."""

import sys

import numpy as np
import pytest
from make_records import make_records

from features.blocks import build
from features.blocks.catalogue import Feature, listed, with_role
from features.language import say
from features.point_in_time.cohort import cohort
from features.point_in_time.records import Known, Rows, known_before
from features.point_in_time.schema import Schema, fit_schema
from features.point_in_time.town import TownSummary

DAY = 19000

# What stands in features/blocks/evenings.py, and `evenings` in BLOCKS of features/blocks/build.py.

KIND = ("晚间申请", "evening requests")  # what reasons of this block are called
EVENING = 18 / 24  # share of a day after which a request is an evening's
FEATURES = listed(
    "requests",
    "own_requests",
    (
        "evening_requests",
        "晚上提出的申请次数",
        "Requests made in the evening",
        "all time",
        "requests",
        "evenings",
    ),
)


def features(schema: Schema) -> list[Feature]:
    """List the block's features, in the order of the matrix's columns."""
    return list(FEATURES)


def block(known: Known, rows: Rows, town: TownSummary, schema: Schema) -> dict[str, np.ndarray]:
    """Compute the block's columns for these pairs: float32 [rows] each."""
    return {"evening_requests": evening_requests(known)[rows.household].astype(np.float32)}


def evening_requests(known: Known) -> np.ndarray:
    """Count the requests that a household made in the evening: int64 [households]."""
    evening = known.requests.requested % 1 >= EVENING
    return np.bincount(known.requests.household[evening], minlength=known.household_count)


def _evenings(known: Known, schema: Schema, household: int, need: int) -> str:
    count = evening_requests(known)[household]
    return say(f"晚上申请过{count}次", f"asked {count} times in the evening") if count else ""


FACTS = {"evenings": _evenings}

# The test of it.


@pytest.fixture(autouse=True)
def _with_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "BLOCKS", (*build.BLOCKS, sys.modules[__name__]))


def town(later: int = 0) -> Known:
    requests = [
        {"household_id": "a", "need": "meals", "requested_at": DAY - 3 + hour / 24} for hour in (9, 19, 21)
    ]
    requests += [{"household_id": "b", "need": "meals", "requested_at": DAY + 0.9} for _ in range(later)]
    records = make_records([{"household_id": "a"}, {"household_id": "b"}], requests)
    return known_before(records, DAY)


def test_the_feature_counts_what_was_known_and_is_told_in_words() -> None:
    known = town(later=2)
    schema = fit_schema(known)
    made = build.build(known, cohort(known), schema)
    column = made.matrix[:, made.names.index("evening_requests")]
    # two needs of each household; an evening after the date does not count
    assert column.tolist() == [2, 2, 0, 0]
    assert build.facts(schema)["evenings"](known, schema, 0, 0) == "晚上申请过2次"
    assert "evening_requests" in with_role(build.catalogue(schema), "own_requests")
