"""A store that an earlier version wrote is brought up to this one by whoever opens it first."""

import logging

import duckdb
from office_exports import HOMES, Office

from features.ingest.ingest import check
from features.store.database import EXPORTS, STORE


def as_before(office: Office) -> None:
    """Take from the store what this version added; ``recorded_at`` was an attribute then."""
    with duckdb.connect(str(office.workspace / STORE)) as connection:
        for table in ("households", "residents"):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN valid_until")
        connection.execute("ALTER TABLE households ALTER recorded_at TYPE VARCHAR")
        connection.execute("ALTER TABLE residents DROP COLUMN recorded_at")
        for table in (*EXPORTS, "programme_history"):
            connection.execute(f"DROP TABLE {table}")


def test_check_leaves_an_earlier_store_as_it_is(tmp_path, caplog):
    office = Office(tmp_path)
    office.hand_in()
    as_before(office)
    spilled = office.workspace / (STORE + ".tmp")
    spilled.mkdir()
    held = (office.workspace / STORE).read_bytes()
    report = check(office.write([*HOMES[:2], HOMES[2] | {"valid_until": "2024-03-01"}]), office.workspace)
    assert report.tables["households"].corrected == 1
    assert (office.workspace / STORE).read_bytes() == held
    assert spilled.is_dir()
    assert not caplog.records


def test_an_earlier_store_is_read_and_says_one_line(tmp_path, caplog):
    office = Office(tmp_path)
    office.hand_in()
    before = office.present("2024-06-03")
    as_before(office)
    with caplog.at_level(logging.WARNING):
        assert office.present("2024-06-03") == before == ["H1", "H2", "H3"]
    assert [record.getMessage() for record in caplog.records] == [
        f"{office.workspace / STORE}：已升级到本版本的格式"
    ]
    report = office.hand_in([*HOMES[:2], HOMES[2] | {"valid_until": "2024-03-01"}])
    assert report.tables["households"].corrected == 1
    assert office.present("2024-06-03") == ["H1", "H2"]
