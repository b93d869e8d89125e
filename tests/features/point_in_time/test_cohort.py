from datetime import date

from hypothesis import given
from later_rows import AS_OF, towns_with_later_rows
from make_records import make_community, make_records

from features.point_in_time.cohort import cohort
from features.point_in_time.labels import labels, usable
from features.point_in_time.records import day_of, known_before


def pairs(records, as_of=date(2024, 6, 3)):
    """The cohort as (household id, need id)."""
    known = known_before(records, day_of(as_of))
    rows = cohort(known)
    needs = records.community.needs
    return [(records.household_ids[h], needs[n].id) for h, n in zip(rows.household, rows.need, strict=True)]


def test_every_present_and_eligible_pair_by_household_then_need():
    community = make_community([{"id": "z", "who": "children > 0"}, {"id": "a"}])
    households = [{"household_id": "h2", "children": "0"}, {"household_id": "h1", "children": "1"}]
    assert pairs(make_records(households, community=community)) == [("h1", "z"), ("h1", "a"), ("h2", "a")]


def test_a_household_counts_from_the_day_after_it_became_known():
    records = make_records([{"household_id": "h", "valid_from": "2024-06-03T00:00"}])
    assert pairs(records) == []
    assert len(pairs(records, date(2024, 6, 4))) == 2


def test_eligibility_follows_the_attributes_known_then():
    community = make_community([{"id": "care", "who": "children > 0"}])
    households = [
        {"household_id": "h", "children": "1", "valid_from": "2024-01-01"},
        {"household_id": "h", "children": "0", "valid_from": "2024-07-01"},
    ]
    records = make_records(households, community=community)
    assert pairs(records, date(2024, 7, 1)) == [("h", "care")]
    assert pairs(records, date(2024, 7, 2)) == []


def test_a_correction_counts_from_when_it_was_made():
    community = make_community([{"id": "care", "who": "children > 0"}])
    households = [
        {"household_id": "h", "children": "1", "valid_from": "2024-01-01", "visible_to": "2024-05-06"},
        {"household_id": "h", "children": "0", "valid_from": "2024-01-01", "visible_from": "2024-05-06"},
    ]
    records = make_records(households, community=community)
    assert pairs(records, date(2024, 5, 6)) == [("h", "care")]
    assert pairs(records, date(2024, 5, 7)) == []


def test_a_household_that_opted_out_stays_in_the_cohort_and_is_marked():
    records = make_records([{"household_id": "h"}], opt_outs=[{"household_id": "h", "from": "2024-01-01"}])
    assert len(pairs(records)) == 2
    assert known_before(records, day_of(date(2024, 6, 3))).opted_out.tolist() == [True]


@given(towns_with_later_rows())
def test_rows_from_the_as_of_day_on_change_no_cohort_and_no_label_known_then(towns):
    before, after = (known_before(town, AS_OF) for town in towns)
    rows = cohort(before)
    assert cohort(after).household.tolist() == rows.household.tolist()
    assert cohort(after).need.tolist() == rows.need.tolist()
    for weeks in (4, 12, 40):
        as_of = AS_OF - 7 * weeks
        assert labels(before, rows, as_of).tolist() == labels(after, rows, as_of).tolist()
        assert usable(before, as_of).tolist() == usable(after, as_of).tolist()
