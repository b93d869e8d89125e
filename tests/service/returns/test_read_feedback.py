"""Feedback of a row that was filled in twice, or again."""

from datetime import datetime
from itertools import permutations

from make_records import make_records

from service.returns.filled_rows import Filled
from service.returns.read_feedback import feedback_of, stored_feedback

LISTED = {
    "outreach_id": "20250901-0123456789ab",
    "household_id": "h01",
    "need": "meals",
    "as_of": "2025-09-01",
    "reason_kinds": "history,contacts",
}


def filled(line: int, feedback: str, satisfaction: str = "") -> Filled:
    return Filled(
        sheet="grid.xlsx [m0]",
        line=line,
        columns={"feedback": 5},
        outreach_id=LISTED["outreach_id"],
        household_id="h01",
        need="meals",
        outcome="",
        date=None,
        feedback=feedback,
        satisfaction=satisfaction,
        next_visit=None,
        other_need="",
        notes="",
    )


def test_a_refusal_counts_wherever_it_stands_and_blames_no_reason() -> None:
    for words in permutations(["不要再来", "理由不对"]):
        rows = [(filled(line, text), LISTED) for line, text in enumerate(words, start=5)]
        ((feedback,), refused) = feedback_of(rows, {}, datetime(2025, 9, 5, 9))
        assert (feedback["kind"], feedback["reason_kind"]) == ("do_not_contact", None)
        assert len(refused) == 1 and "填得不同" in refused[0]


def test_a_mark_that_is_stored_with_more_says_nothing_new() -> None:
    stored = {LISTED["outreach_id"]: {"kind": "satisfied", "satisfaction": 4, "note": "tea"}}
    assert feedback_of([(filled(5, "", "4"), LISTED)], stored, datetime(2025, 9, 5, 9)) == ([], [])


def test_of_a_corrected_row_what_it_says_now_is_stored() -> None:
    row = {"feedback_id": LISTED["outreach_id"], "household_id": "h01", "recorded_at": "2025-09-02"}
    corrected = {**row, "kind": "reason_wrong", "satisfaction": 2, "visible_to": "2025-09-04"}
    for rows in permutations([{**row, "kind": "satisfied", "satisfaction": 4}, corrected]):
        (stored,) = stored_feedback(make_records(feedback=rows)).values()
        assert (stored["kind"], stored["satisfaction"], stored["next_visit"]) == ("satisfied", 4, None)
