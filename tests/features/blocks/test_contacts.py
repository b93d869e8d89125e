"""Past visits and their outcomes, as known at the date."""

import numpy as np
from make_records import day, make_records

from features.blocks import contacts
from features.blocks.build import summarise
from features.point_in_time.cohort import cohort
from features.point_in_time.records import known_before
from features.point_in_time.schema_fit import fit_schema

VISITS = [
    {"need": "meals", "contacted_at": "2024-01-10", "outcome": "not_needed"},
    {"need": "meals", "contacted_at": "2024-04-15", "outcome": "needed"},
    {"need": "meals", "contacted_at": "2024-05-20", "outcome": "not_reached"},
    {"need": "childcare", "contacted_at": "2023-05-20", "outcome": "declined"},
]


def made_of(visits, as_of="2024-06-03"):
    """Columns and the fact of the pair (h1, meals); h2 was never visited."""
    outreach = [{"outreach_id": f"o{index}", "household_id": "h1", **row} for index, row in enumerate(visits)]
    records = make_records([{"household_id": "h1"}, {"household_id": "h2"}], outreach=outreach)
    known = known_before(records, int(day(as_of)))
    schema, rows = fit_schema(known), cohort(known)
    made = contacts.block(known, rows, summarise(known, schema), schema)
    fact = contacts.FACTS["last_visit"](known, schema, 0, 1)
    return [{name: float(values[row]) for name, values in made.items()} for row in range(len(rows))], fact


def test_visits_about_the_need():
    (_, meals, *never), fact = made_of(VISITS)
    assert meals["visits"] == 3
    assert meals["days_since_visit"] == 14
    assert (meals["visits_needed"], meals["visits_not_needed"], meals["visits_not_reached"]) == (1, 1, 1)
    assert meals["last_visit_needed"] == 1  # the last one met nobody
    assert fact == "今年4月走访时说有需要"  # that nobody was met later is no reason for a visit
    for row in never:
        assert row["visits"] == row["household_visits"] == 0
        assert np.isnan(row["days_since_visit"]) and np.isnan(row["last_visit_needed"])


def test_visits_to_the_household_about_anything():
    (childcare, meals, *_), _ = made_of(VISITS)
    for row in (childcare, meals):
        assert row["household_visits"] == 4
        assert (row["household_visits_needed"], row["household_visits_not_needed"]) == (1, 1)
        assert row["days_since_household_visit"] == 14
    assert childcare["visits"] == 1 and childcare["last_visit_needed"] == 0


def test_facts():
    assert made_of(VISITS[:2])[1] == "今年4月走访时说有需要"
    for outcome in ("not_needed", "declined", "not_reached"):
        visit = {"need": "meals", "contacted_at": "2024-05-20", "outcome": outcome}
        assert made_of([visit])[1] == ""
        assert made_of([*VISITS[:2], visit])[1] == (
            "今年4月走访时说有需要" if outcome == "not_reached" else ""
        )
    assert made_of([{"need": "meals", "contacted_at": "2023-11-20"}])[1] == ""
    assert made_of([])[1] == ""


def test_an_outcome_counts_from_its_own_time_on():
    """A visit without an outcome, corrected later by a version that has it."""
    visit = {"need": "meals", "contacted_at": "2024-05-20"}
    rows = [
        {**visit, "visible_to": "2024-06-10"},
        {**visit, "visible_from": "2024-06-10", "outcome": "needed"},
    ]
    before, after = made_of(rows, "2024-06-10")[0][1], made_of(rows, "2024-06-17")[0][1]
    assert before["visits"] == after["visits"] == 1
    assert (before["visits_needed"], after["visits_needed"]) == (0, 1)
