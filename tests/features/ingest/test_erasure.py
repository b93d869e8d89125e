"""A household that is deleted leaves nothing but a tombstone, and does not come back with the next export."""

import hashlib
import json
from datetime import datetime

import pytest
from killed import killed_with_records_replaced
from tiny_town import households, requests, residents

from features.ingest.erasure import erase_household, rows_of_household
from features.ingest.ingest import ingest
from features.language import UserError
from features.store.database import open_store
from features.store.reader import read_records
from features.store.register_changes import add_change, undo_change
from features.store.tombstones import TOMBSTONES, read_tombstones
from features.workspace_secret import SECRET


def test_a_deleted_household_is_gone_and_stays_away(tiny_town):
    ingest(tiny_town.directory, tiny_town.workspace)
    tiny_town.write("requests", [{**row, "channel": "app"} for row in requests()])
    ingest(tiny_town.directory, tiny_town.workspace)  # corrected rows: of each the earlier version stays
    before = read_records(tiny_town.workspace)
    household = str(before.household_ids[before.requests.household[0]])
    held = rows_of_household(tiny_town.workspace, household)
    assert held["households"] and len(held["requests"]) > len({row["request_id"] for row in held["requests"]})
    removed = erase_household(tiny_town.workspace, household)
    assert {table: removed[table] for table in held} == {table: len(rows) for table, rows in held.items()}
    assert household not in read_records(tiny_town.workspace).household_ids
    for path in tiny_town.workspace.rglob("*"):
        if path.is_file() and path.name != "community.yaml":
            assert household.encode() not in path.read_bytes(), path
    left = json.loads((tiny_town.workspace / TOMBSTONES).read_text("utf-8"))
    tried = {
        hashlib.sha256((salt + household).encode()).hexdigest() for salt in ("", left["salt"], left["check"])
    }
    assert len(left["households"]) == 1 and not tried & set(
        left["households"]
    )  # not to be had by trying numbers
    report = ingest(tiny_town.directory, tiny_town.workspace)
    assert report.erased >= len(held["households"]) + len(held["requests"])
    assert any(str(report.erased) in line and "已应要求删除" in line for line in report.lines())
    assert household not in read_records(tiny_town.workspace).household_ids
    assert len(read_records(tiny_town.workspace).household_ids) == len(before.household_ids) - 1


def test_deleted_households_do_not_come_back_where_the_secret_is_another(tiny_town):
    workspace = tiny_town.workspace
    ingest(tiny_town.directory, workspace)
    household = str(read_records(workspace).household_ids[0])
    erase_household(workspace, household)
    secret = (workspace / SECRET).read_text()
    (workspace / SECRET).unlink()
    for _ in range(2):
        with pytest.raises(UserError, match=SECRET):
            ingest(tiny_town.directory, workspace)
    assert household not in read_records(workspace).household_ids
    (workspace / SECRET).write_text(secret)
    ingest(tiny_town.directory, workspace)
    assert household not in read_records(workspace).household_ids


def test_tombstones_of_an_earlier_version_still_hold(tiny_town):
    workspace = tiny_town.workspace
    ingest(tiny_town.directory, workspace)
    first, second = map(str, read_records(workspace).household_ids[:2])
    erase_household(workspace, first)
    digest = hashlib.sha256(("salt" + first).encode()).hexdigest()
    before = {"salt": "salt", "households": {digest: "2024-01-01T00:00:00+00:00"}}
    (workspace / TOMBSTONES).write_text(json.dumps(before), "utf-8")
    ingest(tiny_town.directory, workspace)
    assert first not in read_records(workspace).household_ids
    erase_household(workspace, second)
    assert len(read_tombstones(workspace / TOMBSTONES)) == 2
    assert ingest(tiny_town.directory, workspace).erased > 1
    assert not {first, second} & {*map(str, read_records(workspace).household_ids)}


@pytest.mark.parametrize("undone", [False, True])
def test_who_was_merged_into_a_deleted_household_goes_with_it_unless_that_was_undone(tiny_town, undone):
    workspace, merged = tiny_town.workspace, datetime(2024, 6, 10)
    ingest(tiny_town.directory, workspace)
    with open_store(workspace) as connection:
        number = add_change(connection, "household", "H03", "H02", merged).number
        if undone:
            undo_change(connection, number, merged)
    erase_household(workspace, "H02")
    for _ in range(2):
        assert not rows_of_household(workspace, "H02")["requests"]
        assert bool(rows_of_household(workspace, "H03")["requests"]) == undone
        ingest(tiny_town.directory, workspace)
    assert {"H02", "H03"} & {*read_records(workspace).household_ids} == ({"H03"} if undone else set())


def test_who_lived_in_a_deleted_household_does_not_come_back_in_another(tiny_town):
    """P1 to P3 live in H02; P4 moved there by a change, P5 by an export, and P9 is the same person as P1."""
    later = [{"resident_id": "P5", "household_id": "H02", "birth_year": 1938, "valid_from": "2024-01-01"}]
    again = [{"resident_id": "P9", "household_id": "H12", "birth_year": 1988, "valid_from": "2023-01-01"}]
    tiny_town.write("residents", [*residents(), *later, *again])
    ingest(tiny_town.directory, tiny_town.workspace)
    moved = datetime(2024, 6, 9, 23)
    with open_store(tiny_town.workspace) as connection:
        add_change(connection, "move", "P4", "H02", moved, moved)
        add_change(connection, "person", "P9", "P1", moved)
        add_change(connection, "move", "P3", "H07", moved, moved)
    assert erase_household(tiny_town.workspace, "H02")["residents"] == 7
    left = {
        row["resident_id"]
        for household in ("H02", "H05", "H09", "H12", "H07")
        for row in rows_of_household(tiny_town.workspace, household)["residents"]
    }
    assert left == set()


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
    code = killed_with_records_replaced(ERASE, str(tiny_town.workspace), household)
    assert code == 9
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


def test_a_deleted_household_under_another_number_stops_a_monday_and_in_another_writing_stays_away(tiny_town):
    homes = [
        {**row, "户主": f"赵{row['household_id']}", "电话": f"1380000{row['household_id'][1:]}00"}
        for row in households()
    ]
    tiny_town.write("households", homes)
    ingest(tiny_town.directory, tiny_town.workspace)
    erase_household(tiny_town.workspace, "H03")
    left = (tiny_town.workspace / TOMBSTONES).read_text("utf-8")
    assert "赵" not in left and "1380000" not in left and len(json.loads(left)["households"]) == 1
    tiny_town.write(
        "households", [{**row, "household_id": row["household_id"].replace("H03", "Ｈ3")} for row in homes]
    )
    report = ingest(tiny_town.directory, tiny_town.workspace, accept=False)
    assert report.tables["households"].erased == 1
    assert len(read_records(tiny_town.workspace).household_ids) == 11
    moved = [{**row, "household_id": row["household_id"].replace("H03", "H93")} for row in homes]
    tiny_town.write("households", moved)
    with pytest.raises(UserError, match="1 户像是已应要求删除的住户换了户号（H93）"):
        ingest(tiny_town.directory, tiny_town.workspace, accept=False)
    others = [
        {**row, "户主": "钱", "household_id": row["household_id"].replace("H93", "H94")} for row in moved
    ]
    tiny_town.write("households", others)
    assert not ingest(tiny_town.directory, tiny_town.workspace, accept=False).alarms, (
        "somebody else has moved in"
    )
