from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_records import make_community, make_records

from features.point_in_time.labels import label_begin, label_end, labels, usable, usual_recording_delay
from features.point_in_time.records import Rows, day_of, known_before

NEEDS = [
    {"id": "now", "horizon_weeks": 8},
    {"id": "later", "horizon_weeks": 4, "lead_weeks": 2},
    {"id": "half", "horizon_weeks": 0.5},
]
AS_OF = day_of(date(2024, 6, 3))
BOTH = Rows(np.array([0, 0, 0], dtype=np.int32), np.array([0, 1, 2], dtype=np.int16))


def town(requests, **sections):
    requests = [{"household_id": "h", **request} for request in requests]
    return make_records([{"household_id": "h"}], requests, community=make_community(NEEDS, **sections))


def label(need, requested_at, known_at="2025-06-02", as_of=AS_OF, **more):
    """The label of one need of a household that asked for it once."""
    records = town([{"need": need, "requested_at": requested_at, **more}])
    known = known_before(records, day_of(date.fromisoformat(known_at)))
    found = labels(known, BOTH, as_of)
    assert found.dtype == np.int8
    return int(found[[need["id"] for need in NEEDS].index(need)])


@pytest.mark.parametrize(
    ("need", "requested_at", "expected"),
    [
        ("now", "2024-06-02T23:59:59", 0),
        ("now", "2024-06-03T00:00", 1),  # exactly at the as-of date
        ("now", "2024-07-28T23:59:59", 1),
        ("now", "2024-07-29T00:00", 0),  # exactly eight weeks later
        ("later", "2024-06-16T23:59:59", 0),
        ("later", "2024-06-17T00:00", 1),  # exactly at the as-of date + lead
        ("later", "2024-07-14T23:59:59", 1),
        ("later", "2024-07-15T00:00", 0),
        ("half", "2024-06-06T11:59:59", 1),
        ("half", "2024-06-06T12:00", 0),
    ],
)
def test_the_window_contains_its_beginning_but_not_its_end(need, requested_at, expected):
    assert label(need, requested_at) == expected


def test_the_window_counts_local_days_across_the_change_of_the_clocks():
    """Clocks in New York went back on 2024-11-03: eight weeks later is still midnight by the wall clock."""
    as_of = day_of(date(2024, 10, 7))
    assert label("now", "2024-12-01T23:30", as_of=as_of) == 1
    assert label("now", "2024-12-02T00:00", as_of=as_of) == 0


def test_only_the_asked_need_of_the_asking_household_is_labelled():
    records = make_records(
        [{"household_id": "a"}, {"household_id": "b"}],
        [
            {"household_id": "a", "need": "later", "requested_at": "2024-06-20"},
            {"household_id": "b", "need": "unknown", "requested_at": "2024-06-20"},
        ],
        community=make_community(NEEDS),
    )
    rows = Rows(np.array([0, 0, 1, 1], dtype=np.int32), np.array([0, 1, 0, 1], dtype=np.int16))
    assert labels(known_before(records, AS_OF + 365), rows, AS_OF).tolist() == [0, 1, 0, 0]


def test_a_request_recorded_late_counts_by_when_it_was_made():
    assert label("now", "2024-06-05", recorded_at="2024-12-01") == 1
    assert label("now", "2024-06-01", recorded_at="2024-06-05") == 0


def test_what_is_not_recorded_yet_is_not_seen():
    assert label("now", "2024-06-05", known_at="2024-11-30", recorded_at="2024-11-30") == 0
    assert label("now", "2024-06-05", known_at="2024-12-01", recorded_at="2024-11-30") == 1


def test_a_corrected_request_counts_by_its_newest_version_known():
    records = town(
        [
            {"request_id": "q", "need": "now", "requested_at": "2024-06-05", "visible_to": "2024-09-02"},
            {"request_id": "q", "need": "now", "requested_at": "2024-05-05", "visible_from": "2024-09-02"},
        ]
    )
    assert labels(known_before(records, day_of(date(2024, 9, 2))), BOTH, AS_OF).tolist() == [1, 0, 0]
    assert labels(known_before(records, day_of(date(2024, 9, 3))), BOTH, AS_OF).tolist() == [0, 0, 0]


def test_begin_and_end_of_each_needs_window():
    community = make_community(NEEDS)
    assert label_begin(community, AS_OF).tolist() == [AS_OF, AS_OF + 14, AS_OF]
    assert label_end(community, AS_OF).tolist() == [AS_OF + 56, AS_OF + 42, AS_OF + 3.5]


def test_a_label_is_usable_once_its_window_and_the_usual_delay_have_passed():
    requests = [
        {"need": "now", "requested_at": AS_OF - 100 - index, "recorded_at": AS_OF - 97 - index}
        for index in range(20)
    ]
    records = town(requests)
    assert usual_recording_delay(known_before(records, AS_OF)) == 3
    assert usable(known_before(records, AS_OF + 58), AS_OF).tolist() == [False, True, True]
    assert usable(known_before(records, AS_OF + 59), AS_OF).tolist() == [True, True, True]


def test_usual_delay_is_that_of_the_first_recording_and_of_recent_practice():
    on_paper = [
        {"need": "now", "requested_at": AS_OF - 2000 + i, "recorded_at": AS_OF - 1900 + i} for i in range(40)
    ]
    by_telephone = [
        {"need": "now", "requested_at": AS_OF - 200 + i, "recorded_at": AS_OF - 199 + i} for i in range(40)
    ]
    corrected = [
        {"request_id": "q", "need": "now", "requested_at": AS_OF - 150, "visible_to": AS_OF - 2},
        {"request_id": "q", "need": "now", "requested_at": AS_OF - 150, "visible_from": AS_OF - 2},
    ]
    assert usual_recording_delay(known_before(town(on_paper + by_telephone + corrected), AS_OF)) == 1
    assert usual_recording_delay(known_before(town([]), AS_OF)) == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.floats(-80, 80), st.floats(0, 60)), max_size=12
    ),
    st.integers(-60, 60),
    st.integers(0, 120),
)
def test_labels_agree_with_the_rule_read_one_request_at_a_time(requests, shift, later):
    records = make_records(
        [{"household_id": f"h{one}"} for one in range(3)],
        [
            {
                "household_id": f"h{household}",
                "need": NEEDS[need]["id"],
                "requested_at": AS_OF + made,
                "recorded_at": AS_OF + made + delay,
            }
            for household, need, made, delay in requests
        ],
        community=make_community(NEEDS),
    )
    as_of, now = AS_OF + shift, AS_OF + shift + later
    household, need = np.divmod(np.arange(9), 3)
    found = labels(known_before(records, now), Rows(household.astype(np.int32), need.astype(np.int16)), as_of)
    for h, n, one in zip(household, need, found, strict=True):
        begin = as_of + 7 * NEEDS[n].get("lead_weeks", 0)
        end = begin + 7 * NEEDS[n]["horizon_weeks"]
        expected = any(
            (hh, nn) == (h, n) and begin <= AS_OF + made < end and AS_OF + made + delay < now
            for hh, nn, made, delay in requests
        )
        assert one == expected
