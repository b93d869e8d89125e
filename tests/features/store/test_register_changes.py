"""Merged households and people count as one from a date on, and as two before it and once that is undone."""

from datetime import datetime

import numpy as np
import pytest
from tiny_town import Row, TinyTown, households, residents

from features.language import UserError
from features.point_in_time.records import Records, day_of, known_before
from features.store.database import open_store
from features.store.register_changes import add_change, undo_change

SINCE, UNTIL = datetime(2024, 6, 9, 23, 59, 59), datetime(2024, 7, 7, 23, 59, 59)
BEFORE, AFTER, UNDONE = "2024-06-03", "2024-06-10", "2024-07-08"


def count(records: Records, as_of: str, household: str) -> tuple[int, bool]:
    """How many requests a household has as of a date, and whether it is there."""
    known = known_before(records, day_of(datetime.fromisoformat(as_of).date()))
    number = list(records.household_ids).index(household)
    return int((known.requests.household == number).sum()), not known.ended[number]


def merge(town: TinyTown, kind: str, subject: str, target: str, valid_from: datetime | None = None) -> int:
    with open_store(town.workspace) as connection:
        return add_change(connection, kind, subject, target, SINCE, valid_from).number  # type: ignore[arg-type]


def test_a_merged_households_requests_count_for_the_other_from_then_on(tiny_town: TinyTown) -> None:
    tiny_town.ingest()
    before = [count(tiny_town.records(), BEFORE, one) for one in ("H02", "H03")]
    number = merge(tiny_town, "household", "H03", "H02")
    records = tiny_town.records()
    assert [count(records, BEFORE, one) for one in ("H02", "H03")] == before == [(2, True), (1, True)]
    assert [count(records, AFTER, one) for one in ("H02", "H03")] == [(3, True), (0, False)]
    with open_store(tiny_town.workspace) as connection:
        undo_change(connection, number, UNTIL)
    records = tiny_town.records()
    assert [count(records, AFTER, one) for one in ("H02", "H03")] == [(3, True), (0, False)]
    assert [count(records, UNDONE, one) for one in ("H02", "H03")] == [(2, True), (1, True)]


def test_reading_the_export_again_changes_nothing_of_a_merge(tiny_town: TinyTown) -> None:
    tiny_town.ingest()
    merge(tiny_town, "household", "H03", "H02")
    again = tiny_town.ingest()
    assert all((one.new, one.corrected) == (0, 0) for one in again.tables.values())
    assert count(tiny_town.records(), AFTER, "H02") == (3, True)


def test_a_refusal_of_either_binds_both_at_once_and_at_any_date(tiny_town: TinyTown) -> None:
    tiny_town.ingest()
    merge(tiny_town, "household", "H11", "H10")
    records = tiny_town.records()
    refusing = {str(records.household_ids[one]) for one in records.opt_outs.household}
    assert refusing == {"H10", "H11"}
    assert records.opt_outs.visible_from.max() < day_of(SINCE.date())


def test_what_is_older_becomes_the_others_past(tiny_town: TinyTown) -> None:
    rows: list[Row] = [
        {**row, "valid_from": "2022-05-01"} if row["household_id"] == "H03" else row for row in households()
    ]
    tiny_town.write("households", rows)
    tiny_town.ingest()
    merge(tiny_town, "household", "H03", "H02")
    known = known_before(tiny_town.records(), day_of(datetime.fromisoformat(AFTER).date()))
    number = list(known.household_ids).index("H02")
    begins = known.households.valid_from[known.households.household == number]
    assert begins.min() == day_of(datetime(2022, 5, 1).date())


def test_a_chain_of_merges_leads_to_the_last(tiny_town: TinyTown) -> None:
    tiny_town.ingest()
    merge(tiny_town, "household", "H03", "H05")
    merge(tiny_town, "household", "H05", "H02")
    assert count(tiny_town.records(), AFTER, "H02") == (4, True)


def test_a_person_who_stands_twice_is_counted_once(tiny_town: TinyTown) -> None:
    tiny_town.write("residents", [*residents(), {**residents()[0], "resident_id": "P9"}])
    tiny_town.ingest()
    merge(tiny_town, "person", "P9", "P1")
    records = tiny_town.records()
    for as_of, there in ((BEFORE, 4), (AFTER, 3)):
        known = known_before(records, day_of(datetime.fromisoformat(as_of).date()))
        until = known.residents.valid_until[
            known.residents.household == list(records.household_ids).index("H02")
        ]
        assert np.isinf(until).sum() == there


def test_a_person_who_moved_lives_in_the_new_household(tiny_town: TinyTown) -> None:
    tiny_town.ingest()
    merge(tiny_town, "move", "P4", "H06", datetime(2024, 5, 1))
    records = tiny_town.records()
    known = known_before(records, day_of(datetime.fromisoformat(AFTER).date()))
    latest = known.residents.household[
        np.argmax(np.where(known.residents.resident == 3, known.residents.valid_from, -1))
    ]
    assert str(records.household_ids[latest]) == "H06"


@pytest.mark.parametrize(
    ("subject", "target", "words"),
    [
        ("H99", "H02", "没有 H99"),
        ("H02", "H02", "同一个"),
        ("H02", "H03", "已经是同一个"),
        ("H03", "H05", "已并入别处"),
    ],
)
def test_a_merge_that_makes_no_sense_is_refused(
    tiny_town: TinyTown, subject: str, target: str, words: str
) -> None:
    tiny_town.ingest()
    merge(tiny_town, "household", "H03", "H02")
    with pytest.raises(UserError, match=words):
        merge(tiny_town, "household", subject, target)
