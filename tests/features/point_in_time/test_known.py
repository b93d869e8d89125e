"""What is known at a date holds nothing from after it, but for objections to being listed."""

import ast
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from make_records import make_records

from features.point_in_time.records import Known, Records, known_before
from features.point_in_time.town import TownSummary
from features.rows.tables import Versions

ROOT = Path(__file__).parents[3]
DAY = 19000


def records() -> Records:
    rows = [{"household_id": "a", "valid_from": DAY - 100}, {"household_id": "a", "valid_from": DAY + 5}]
    requests = [
        {"household_id": "a", "need": "meals", "requested_at": DAY + shift, "resolved_at": DAY + shift + 9}
        for shift in (-50, -3, 2)
    ]
    visits = [
        {"household_id": "a", "need": "meals", "contacted_at": DAY + shift, "outcome": "needed"}
        for shift in (-4, 4)
    ]
    return make_records(rows, requests, outreach=visits)


def test_no_table_holds_a_row_from_the_date_on() -> None:
    known = known_before(records(), DAY)
    tables = [value for field in fields(Known) if isinstance(value := getattr(known, field.name), Versions)]
    assert len(tables) == 5
    for table in tables:
        assert (table.visible_from < DAY).all()
    assert (known.recordings.visible_from < DAY).all()
    assert not (known.requests.resolved >= DAY).any()
    assert len(known.household_history) == len(known.households) == 1


def test_known_gives_no_way_back_to_the_records() -> None:
    known = known_before(records(), DAY)
    assert not any(isinstance(getattr(known, field.name), Records) for field in fields(Known))


def test_objections_leave_households_out_and_reach_no_feature_label_or_model() -> None:
    readers = {
        path.relative_to(ROOT).as_posix()
        for layer in ("features", "models", "service")
        for path in (ROOT / layer).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "objections"
    }
    assert "features/point_in_time/feedback.py" in readers
    readers -= {"models/monitoring/week_counts.py"}  # counts promises for the coordinator
    assert not [reader for reader in readers if reader.startswith(("features/blocks", "models/"))]


def test_a_summary_without_what_is_asked_for_is_refused() -> None:
    town = TownSummary(
        as_of=DAY, first_known=0.0, days_recorded=np.nan, resolutions_recorded=False, unused={}
    )
    with pytest.raises(LookupError, match="counts"):
        _ = town.town_counts
    with pytest.raises(LookupError, match="attributes"):
        _ = town.similar_factors
