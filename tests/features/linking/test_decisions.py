"""What people decided about records is kept, and what they decided last counts."""

from pathlib import Path

import pandas as pd

from features.linking.decisions import COLUMNS, keep_decisions, read_decisions
from features.linking.link import link

REGISTER = pd.DataFrame(
    [("H7", "西山花园8幢1单元301室", "刘伟", None), ("H8", "西山花园8幢1单元301室", "赵敏", None)],
    columns=["household_id", "address", "person", "phone"],
)
DOOR = "西山花园8幢1单元301"


def test_the_last_of_several_decisions_on_a_record_counts(tmp_path: Path) -> None:
    record = pd.DataFrame({"address": [DOOR], "person": [None], "phone": [None]})
    for number, household in enumerate(("H7", "H8", "", "H7"), 1):
        decided = pd.DataFrame([(DOOR, "", "", household)], columns=list(COLUMNS))
        assert keep_decisions(tmp_path, decided) == 1
        held = read_decisions(tmp_path)
        assert len(held) == number and held["household_id"].fillna("").iloc[-1] == household
        found = link(record, REGISTER, held).iloc[0]
        assert found["verdict"] == "decided"
        assert ("" if pd.isna(found["household_id"]) else found["household_id"]) == household
