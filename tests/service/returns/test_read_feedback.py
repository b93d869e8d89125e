"""Feedback of a row that was filled in twice, or again."""

from datetime import datetime
from itertools import permutations

from service.returns.filled_rows import Filled
from service.returns.read_feedback import feedback_of

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
