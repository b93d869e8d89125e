import pandas as pd
import pytest

from benchmarks.real_panels import nafld
from features.ingest.ingest import ingest
from features.language import UserError
from features.store.reader import read_records

SOURCE = {
    "nafld1": pd.DataFrame(
        {
            "id": [1, 2, 3],
            "age": [57, 67, 53],
            "male": [0, 0, 1],
            "weight": [60.0, 70.4, None],
            "height": [163.0, 168.0, 186.0],
            "bmi": [22.7, 24.9, None],
            "case.id": [1.0, 1.0, 3.0],
            "futime": [6261, 624, 1783],
        }
    ),
    "nafld2": pd.DataFrame(
        {
            "id": [1, 1, 1, 2, 3, 3],
            "days": [5, 5, -2000, 8, 10, 10],
            "test": ["hdl", "hdl", "hdl", "hdl", "sbp", "smoke"],
            "value": [35.0, 35.0, 60.0, 50.0, 150.0, 1.0],
        }
    ),
    "nafld3": pd.DataFrame({"id": [1, 3, 3], "days": [-7301, -900, 2], "event": ["MI", "htn", "nafld"]}),
}


def test_events_of_persons_followed_for_three_years_become_requests_on_one_calendar():
    rows = nafld.requests_table(SOURCE)
    found = set(zip(rows["household_id"], rows["need"], rows["requested_at"], strict=True))
    assert found == {
        ("P00001", "lipid_test", "2016-01-09 09:00"),
        ("P00001", "low_hdl", "2016-01-09 09:00"),
        ("P00003", "bp_check", "2016-01-14 09:00"),
        ("P00003", "high_bp", "2016-01-14 09:00"),
        ("P00003", "metabolic_dx", "2013-07-18 09:00"),
    }
    assert list(nafld.households_table(SOURCE)["household_id"]) == ["P00001", "P00003"]


def test_what_is_written_can_be_ingested_without_a_row_set_aside(tmp_path):
    nafld.write_contract(tmp_path / "data", SOURCE)
    assert not ingest(tmp_path / "data", tmp_path / "workspace").problems
    records = read_records(tmp_path / "workspace")
    assert list(records.household_ids) == ["P00001", "P00003"] and len(records.requests) == 5


def test_a_place_that_cannot_be_written_is_told_in_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="file"):
        nafld.write_contract(tmp_path / "file", SOURCE)
