"""Whatever was done to a workbook between Monday and Friday, what was filled in comes back, once."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from make_records import records_of
from week_lists import columns_of, make_known, make_visits, write_lists

from features.point_in_time.records import day_of
from service.lists.answers import feedback_choices, outcome_names, read_feedback
from service.returns.read_outcomes import Outcomes, read_outcomes

NOW = datetime(2025, 9, 5, 10)
KNOWN = make_known()
VISITS = make_visits(KNOWN)
maybe = lambda choices: st.none() | st.sampled_from(choices)  # noqa: E731
answers = st.fixed_dictionaries(
    {
        "结果": maybe(list(outcome_names().values())),
        "走访日期": maybe([datetime(2025, 9, 3), "9月3日", "2025-09-03"]),
        "反馈": maybe(
            [choice for choice in feedback_choices() if "3" not in choice]
        ),  # rows have two reasons
        "满意度": maybe([1, "2", 5.0]),
        "下次走访": maybe([datetime(2025, 9, 17), "9.17"]),
        "备注": maybe(["家里没人", "9月再说，=不急", " "]),
    }
)
# a filled row to each listed pair, None where the worker deleted the row
states = st.lists(st.none() | answers, min_size=len(VISITS), max_size=len(VISITS))


def used(path: Path, state: list[dict[str, Any] | None], order: Any, gaps: list[int], shift: int) -> None:
    """Fill in the lists' rows, delete some, put the others in another order with gaps, move everything."""
    given_rows = dict(zip(VISITS["outreach_id"], state, strict=True))
    book = openpyxl.load_workbook(path)
    for sheet in book.worksheets:
        header, columns = columns_of(sheet)
        lines = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=header + 1) if row[0].value]
        kept = []
        for line in lines:
            filled = given_rows[line[columns["outreach_id"] - 1]]
            for title, value in (filled or {}).items():
                line[columns[title] - 1] = value
            if filled is not None:
                kept.append(line)
        order.shuffle(kept)
        sheet.delete_rows(header + 1, len(lines))
        for line, gap in zip(kept, gaps, strict=False):
            for _ in range(gap):
                sheet.append([None])
            sheet.append(line)
        if shift:
            sheet.insert_cols(1, shift)
            sheet.insert_rows(1, shift)
    book.save(path)


def read(path: Path, known: Any = KNOWN) -> Outcomes:
    return read_outcomes([path], VISITS, records_of(known), NOW)


@settings(
    max_examples=12,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(
    states,
    st.randoms(use_true_random=False),
    st.lists(st.integers(0, 2), min_size=20, max_size=20),
    st.integers(0, 3),
)
def test_what_was_filled_in_comes_back_once(
    tmp_path_factory: pytest.TempPathFactory, state: list, order: Any, gaps: list[int], shift: int
) -> None:
    path = write_lists(KNOWN, VISITS, tmp_path_factory.mktemp("lists") / "grid-g1.xlsx")
    used(path, state, order, gaps, shift)
    found = read(path)
    filled = {one: row for one, row in zip(VISITS["outreach_id"], state, strict=True) if row is not None}
    names = {text: outcome for outcome, text in outcome_names().items()}
    expected = {one: names[row["结果"]] for one, row in filled.items() if row["结果"]}
    assert {row["outreach_id"]: row["outcome"] for row in found.rows} == expected
    for row in found.rows:
        visited = date(2025, 9, 3) if filled[row["outreach_id"]]["走访日期"] else NOW.date()
        assert row["contacted_at"] == visited
    assert found.refused == []
    told = {row["feedback_id"]: row for row in found.feedback}
    for one, row in filled.items():
        note = (row["备注"] or "").strip()
        if not (row["反馈"] or row["满意度"] or row["下次走访"] or note):
            assert one not in told
            continue
        kind = read_feedback(row["反馈"] or "")
        assert told[one]["kind"] == (kind[0] if kind else None)
        assert told[one]["satisfaction"] == (int(row["满意度"]) if row["满意度"] else None)
        assert told[one]["next_visit"] == (date(2025, 9, 17) if row["下次走访"] else None)
        assert (told[one]["note"] or "") == note
    assert set(told) <= set(filled)
    _twice(path, found)


def _twice(path: Path, found: Outcomes) -> None:
    """The same file again, once its rows are stored, adds nothing."""
    feedback = [{**row, "recorded_at": day_of(NOW.date()) + 0.4} for row in found.feedback]
    for row in feedback:
        if row["satisfaction"] is None:
            del row["satisfaction"]
    after = make_known(
        contacts=tuple(found.rows), feedback=tuple(feedback), as_of=NOW.date() + timedelta(days=1)
    )
    again = read(path, after)
    assert (again.rows, again.feedback, again.refused) == ([], [], [])
    assert again.known == len(found.rows)
