"""How often reasons were wrong, of those that somebody at the door could have said it of."""

import numpy as np
import pandas as pd

from models.monitoring.reason_quality import Returned, reason_quality

LISTED = pd.DataFrame(
    [("a", "history,residents"), ("b", "history"), ("c", "history"), ("d", "lot"), ("e", "lot"), ("f", None)],
    columns=["outreach_id", "reason_kinds"],
)


def quality(back: str, *blamed: tuple[str, str]) -> dict[str, tuple[int, int]]:
    """Listed and wrong by kind, where these visits came back and these reasons were complained about."""
    complaints = pd.DataFrame(blamed, columns=["outreach_id", "kind"])
    parts = [Returned(np.array([*half], dtype=object), complaints) for half in (back[:2], back[2:])]
    table = reason_quality(LISTED, parts)
    return {row.kind: (row.listed, row.wrong) for row in table.itertuples()}


def test_visits_by_lot_have_no_reason_that_could_be_right_or_wrong():
    assert quality("abdef") == {"history": (2, 0), "residents": (1, 0)}
    assert quality("de") == {}


def test_reasons_of_visits_that_did_not_come_back_do_not_count_and_one_told_twice_is_wrong_once():
    assert quality("abc", ("a", "residents")) == {"residents": (1, 1), "history": (3, 0)}
    assert quality("ab", ("a", "history"), ("b", "residents")) == {"history": (2, 1), "residents": (1, 0)}
