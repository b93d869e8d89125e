"""A household that is deleted leaves nothing but a tombstone, and does not come back with the next export."""

import json

from killed import killed_with_records_replaced

from features.ingest.erasure import erase_household, read_tombstones, rows_of_household
from features.ingest.ingest import ingest
from features.store.reader import read_records


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


def test_set_aside_rows_are_found_however_the_id_was_written(tiny_town):
    spoilt = ["7 ", "7.0", '"7"', "8"]
    (tiny_town.directory / "requests.csv").write_text(
        "request_id,household_id,requested_at,need\n"
        + "".join(f"r{at},{one},no time,meals\n" for at, one in enumerate(spoilt))
        + "r9, 7 ,2024-01-01,meals,too much\n"
    )
    ingest(tiny_town.directory, tiny_town.workspace, everything=False)
    (path,) = (tiny_town.workspace / "quarantine").glob("*.csv")
    assert erase_household(tiny_town.workspace, "7")["quarantine"] == 4
    rows = path.read_text("utf-8-sig").splitlines()[1:]
    assert len(rows) == 1 and "8" in rows[0]


ERASE = """
from pathlib import Path
from features.ingest.erasure import erase_household
erase_household(Path(sys.argv[1]), sys.argv[2])
"""


def test_records_are_whole_after_a_kill_while_a_household_is_deleted(tiny_town):
    ingest(tiny_town.directory, tiny_town.workspace)
    before = read_records(tiny_town.workspace)
    household = str(before.household_ids[before.requests.household[0]])
    run = killed_with_records_replaced(ERASE, str(tiny_town.workspace), household)
    assert run.returncode == 9
    after = read_records(tiny_town.workspace)
    assert sorted(after.household_ids) == sorted({*before.household_ids} - {household})
    erase_household(tiny_town.workspace, household)
    assert len(read_records(tiny_town.workspace).requests) == len(after.requests)


def test_deleting_twice_or_somebody_unknown_does_no_harm(tiny_town):
    ingest(tiny_town.directory, tiny_town.workspace)
    count = len(read_records(tiny_town.workspace).household_ids)
    assert sum(erase_household(tiny_town.workspace, "nobody").values()) == 0
    assert sum(erase_household(tiny_town.workspace, "nobody").values()) == 0
    assert len(read_records(tiny_town.workspace).household_ids) == count
