"""Real input: 983 patients of a hospital's gynaecology (BPI Challenge 2011) in the data contract.

A patient stands for a household, a day on which one of the ten busiest departments did something for a request of that
kind of care. Patients are known from their first day on; those first seen in the last nine months are left out. Who has
no event in the year before a date has mostly left for good, so the bench scores the others (``--active 364``).

The log as https://github.com/bupaverse/eventdataR packages it (``data/hospital.rda``, licence MIT, Hasselt University),
after van Dongen, doi 10.4121/uuid:d9769f3d-0ab0-4fb8-803b-0d1120ffcf54; read by `pyreadr`.
Run ``python -m benchmarks.real_panels.hospital hospital.rda OUT``.
"""

import sys
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.real_panels.directory import (
    community_of,
    read_downloaded,
    requests_of,
    run_panel,
    write_panel,
)

LAST_FIRST_SEEN = pd.Timestamp("2007-07-01")  # before it: the date that is scored is the day after
HORIZON_WEEKS = 13
NEEDS = {
    "radiotherapy": ("放射治疗", "Radiotherapy", "Radiotherapy"),
    "internal": ("内科", "Internal medicine", "Internal Specialisms clinic"),
    "chemistry": ("化验", "Clinical chemistry", "General Lab Clinical Chemistry"),
    "gynaecology": ("妇科", "Gynaecology", "Obstetrics & Gynaecology clinic"),
    "pathology": ("病理", "Pathology", "Pathology"),
    "radiology": ("放射科", "Radiology", "Radiology"),
    "nursing": ("护理", "Nursing", "Nursing ward"),
    "pharmacy": ("药房", "Pharmacy", "Pharmacy Laboratory"),
    "microbiology": ("微生物", "Microbiology", "Medical Microbiology"),
    "operating": ("手术", "Operation", "Operating rooms"),
}


def read_source(path: Path) -> pd.DataFrame:
    """Read the log, one row an event. Raises UserError where the reader or the file is missing, or is no such log."""
    return read_downloaded(path, "hospital", "data/hospital.rda", "bupaverse/eventdataR")


def panel_tables(events: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Households and requests of a log with case_id, group, timestamp, CASE_age and CASE_diagnosis_code."""
    day = pd.to_datetime(events["timestamp"]).dt.normalize()
    events = events.assign(case_id=events["case_id"].astype(str), day=day)
    patients = events.groupby("case_id").agg(
        first=("day", "min"), age=("CASE_age", "first"), diagnosis=("CASE_diagnosis_code", "first")
    )
    patients = patients[patients["first"] < LAST_FIRST_SEEN].sort_index()
    patients["household_id"] = [f"P{number:05d}" for number in range(len(patients))]
    need_of = {group: need for need, (_, _, group) in NEEDS.items()}
    asked = events.assign(need=events["group"].astype(str).map(need_of)).dropna(subset=["need"])
    asked = asked[["case_id", "day", "need"]].drop_duplicates()
    asked = asked.join(patients["household_id"], on="case_id", how="inner")
    asked = asked.sort_values(["day", "household_id", "need"], ignore_index=True)
    households = pd.DataFrame(
        {
            "household_id": patients["household_id"],
            "grid_id": "G1",
            "microgrid_id": "M1",
            "valid_from": patients["first"].dt.strftime("%Y-%m-%d"),
            "patient_birth_year": (patients["first"].dt.year - patients["age"]).astype("Int64"),
            "diagnosis": patients["diagnosis"],
        }
    ).reset_index(drop=True)
    requests = requests_of(asked, asked["day"] + pd.Timedelta(hours=10))
    return {"households": households, "requests": requests}


def community() -> dict[str, Any]:
    """Return the content of community.yaml."""
    needs = {need: (zh, en) for need, (zh, en, _) in NEEDS.items()}
    return community_of("Hospital", "Europe/Amsterdam", HORIZON_WEEKS, needs)


def write_contract(source: Path, out: Path) -> dict[str, pd.DataFrame]:
    """Write the directory ``out`` from the log ``source``; the tables written. Raises UserError where either fails."""
    tables = panel_tables(read_source(source))
    write_panel(out, tables, community())
    return tables


if __name__ == "__main__":
    sys.exit(run_panel("hospital", write_contract, sys.argv[1:], ("hospital.rda",)))
