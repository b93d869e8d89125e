"""Aircraft of New York in the contract's form."""

import pandas as pd

from benchmarks.real_panels import flights
from features.ingest.ingest import ingest
from features.store.reader import read_records

DAY = {"year": 2013, "month": 3}
SOURCE = {
    "flights": pd.DataFrame(
        [
            {
                **DAY,
                "day": 4,
                "tailnum": "N1",
                "carrier": "UA",
                "dest": "ORD",
                "dep_delay": 60,
                "arr_delay": 119,
            },
            {
                **DAY,
                "day": 4,
                "tailnum": "N1",
                "carrier": "UA",
                "dest": "ORD",
                "dep_delay": 61,
                "arr_delay": 120,
            },
            {
                **DAY,
                "day": 5,
                "tailnum": "N1",
                "carrier": "UA",
                "dest": "SFO",
                "dep_delay": 5,
                "arr_delay": None,
            },
            {
                **DAY,
                "day": 6,
                "tailnum": "N2",
                "carrier": "B6",
                "dest": "BOS",
                "dep_delay": None,
                "arr_delay": None,
            },
            {
                **DAY,
                "day": 6,
                "tailnum": None,
                "carrier": "B6",
                "dest": "ORD",
                "dep_delay": None,
                "arr_delay": None,
            },
        ]
    ).assign(sched_dep_time=[900, 1800, 900, 2130, 2200]),
    "planes": pd.DataFrame({"tailnum": ["N1"], "year": [1999.0], "seats": [150], "manufacturer": ["BOEING"]}),
}
SOURCE["flights"]["dep_time"] = SOURCE["flights"]["dep_delay"]


def test_what_befell_an_aircraft_on_a_day_becomes_one_request():
    tables = flights.panel_tables(SOURCE)
    rows = tables["requests"]
    assert list(zip(rows["household_id"], rows["need"], rows["requested_at"], strict=True)) == [
        ("N1", "late_arrival", "2013-03-04 12:00"),
        ("N1", "late_departure", "2013-03-04 12:00"),
        ("N1", "to_chicago", "2013-03-04 12:00"),
        ("N1", "diverted", "2013-03-05 12:00"),
        ("N1", "to_west", "2013-03-05 12:00"),
        ("N2", "cancelled", "2013-03-06 12:00"),
        ("N2", "night", "2013-03-06 12:00"),
    ]
    homes = tables["households"].set_index("household_id")
    assert list(homes["valid_from"]) == ["2013-03-04", "2013-03-06"]
    assert homes.loc["N1", ["grid_id", "seats", "built"]].tolist() == ["UA", 150, 1999]
    assert homes.loc["N2", ["seats", "built", "manufacturer"]].isna().all()


def test_what_is_written_can_be_ingested_without_a_row_set_aside(tmp_path):
    flights.write_contract(tmp_path / "data", SOURCE)
    assert not ingest(tmp_path / "data", tmp_path / "workspace").problems
    records = read_records(tmp_path / "workspace")
    assert list(records.household_ids) == ["N1", "N2"] and len(records.requests) == 7
