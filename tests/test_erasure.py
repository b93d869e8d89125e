"""A household that is deleted leaves nothing but a tombstone, and does not come back with the next export."""

import json

from features.erasure import erase_household, read_tombstones, rows_of_household
from features.ingest import ingest
from features.store import read_records


def test_a_deleted_household_is_gone_and_stays_away(tiny_town):
    ingest(tiny_town.directory, tiny_town.workspace)
    before = read_records(tiny_town.workspace)
    household = str(before.household_ids[before.requests.household[0]])
    held = rows_of_household(tiny_town.workspace, household)
    assert held["households"] and held["requests"]
    removed = erase_household(tiny_town.workspace, household)
    assert {table: removed[table] for table in held} == {table: len(rows) for table, rows in held.items()}
    assert household not in read_records(tiny_town.workspace).household_ids
    for path in tiny_town.workspace.rglob("*"):
        if path.is_file() and path.name != "community.yaml":
            assert household.encode() not in path.read_bytes(), path
    assert household not in json.dumps(read_tombstones(tiny_town.workspace))
    report = ingest(tiny_town.directory, tiny_town.workspace)
    assert report.erased >= len(held["households"]) + len(held["requests"])
    assert any(str(report.erased) in line and "已依申请删除" in line for line in report.lines())
    assert household not in read_records(tiny_town.workspace).household_ids
    assert len(read_records(tiny_town.workspace).household_ids) == len(before.household_ids) - 1


def test_deleting_twice_or_somebody_unknown_does_no_harm(tiny_town):
    ingest(tiny_town.directory, tiny_town.workspace)
    count = len(read_records(tiny_town.workspace).household_ids)
    assert sum(erase_household(tiny_town.workspace, "nobody").values()) == 0
    assert sum(erase_household(tiny_town.workspace, "nobody").values()) == 0
    assert len(read_records(tiny_town.workspace).household_ids) == count
