"""Bird strikes in the contract's form."""

import pandas as pd

from benchmarks.real_panels import birds
from features.ingest.ingest import ingest
from features.store.reader import read_records

COLUMNS = ["opid", "state", "date", "phase_of_flt", "effect", "time_of_day", "birds_struck"]
STRIKES = pd.DataFrame(
    [
        ("AAL", "IL", "9/30/1990 0:00:00", "Descent", None, "Night", "1"),
        ("AAL", "IL", "9/30/1990 0:00:00", "Descent", None, "Day", "2-10"),
        ("AAL", "TN", "8/13/1990 0:00:00", "Approach", "Other", "Day", "1"),
        ("USA", "MD", "11/29/1993 0:00:00", None, None, None, "1"),
        ("USA", None, "11/30/1993 0:00:00", "Climb", None, "Day", "1"),
    ],
    columns=COLUMNS,
)


def test_what_an_airline_struck_in_a_state_on_a_day_becomes_one_request():
    tables = birds.panel_tables(STRIKES)
    rows = tables["requests"]
    assert list(zip(rows["household_id"], rows["need"], rows["requested_at"], strict=True)) == [
        ("AAL-TN", "approach", "1990-08-13 12:00"),
        ("AAL-TN", "effect", "1990-08-13 12:00"),
        ("AAL-IL", "descent", "1990-09-30 12:00"),
        ("AAL-IL", "night", "1990-09-30 12:00"),
        ("AAL-IL", "several", "1990-09-30 12:00"),
    ]
    homes = tables["households"].set_index("household_id")
    assert homes["valid_from"].to_dict() == {
        "AAL-IL": "1990-09-30",
        "AAL-TN": "1990-08-13",
        "USA-MD": "1993-11-29",
    }
    assert list(homes["airline"]) == ["AAL", "AAL", "USA"]


def test_what_is_written_can_be_ingested_without_a_row_set_aside(tmp_path):
    birds.write_contract(tmp_path / "data", {"birds": STRIKES})
    assert not ingest(tmp_path / "data", tmp_path / "workspace").problems
    records = read_records(tmp_path / "workspace")
    assert list(records.household_ids) == ["AAL-IL", "AAL-TN", "USA-MD"] and len(records.requests) == 5
