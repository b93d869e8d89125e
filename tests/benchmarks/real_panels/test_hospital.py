import pandas as pd
import pytest

from benchmarks.real_panels import hospital
from benchmarks.real_panels.directory import run_panel
from features.ingest.ingest import ingest
from features.language import UserError
from features.store.reader import read_records

EVENTS = pd.DataFrame(
    [
        ("0001", "Radiotherapy", "2005-01-03 00:00:00", 33.0, "M13"),
        ("0001", "Radiotherapy", "2005-01-03 00:00:00", 33.0, "M13"),
        ("0001", "Diet Studies", "2005-01-04 00:00:00", 33.0, "M13"),
        ("0002", "Pathology", "2005-02-01 00:00:00", None, None),
        ("0003", "Pathology", "2007-07-02 00:00:00", 60.0, "106"),
    ],
    columns=["case_id", "group", "timestamp", "CASE_age", "CASE_diagnosis_code"],
)


def test_days_of_the_ten_busiest_departments_become_requests():
    tables = hospital.panel_tables(EVENTS)
    requests = tables["requests"]
    assert list(zip(requests["household_id"], requests["need"], requests["requested_at"], strict=True)) == [
        ("P00000", "radiotherapy", "2005-01-03 10:00"),
        ("P00001", "pathology", "2005-02-01 10:00"),
    ]
    assert list(tables["households"]["valid_from"]) == ["2005-01-03", "2005-02-01"]
    assert tables["households"]["patient_birth_year"].iloc[0] == 1972


def test_what_is_written_can_be_ingested_without_a_row_set_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(hospital, "read_source", lambda path: EVENTS)
    hospital.write_contract(tmp_path / "hospital.rda", tmp_path / "data")
    assert not ingest(tmp_path / "data", tmp_path / "workspace").problems
    assert len(read_records(tmp_path / "workspace").requests) == 2


def test_a_file_that_is_no_such_log_is_told_in_one_line(tmp_path, capsys):
    pytest.importorskip("pyreadr", reason="the log is not read: pip install pyreadr")
    (tmp_path / "hospital.rda").write_text("something else")
    with pytest.raises(UserError, match=r"hospital\.rda"):
        hospital.read_source(tmp_path / "hospital.rda")
    with pytest.raises(UserError, match=r"missing\.rda"):
        hospital.read_source(tmp_path / "missing.rda")


def test_a_wrong_call_says_what_to_name(capsys):
    assert run_panel("hospital", hospital.write_contract, ["only"], ("hospital.rda",)) == 1
    assert "benchmarks.real_panels.hospital hospital.rda OUT" in capsys.readouterr().err
