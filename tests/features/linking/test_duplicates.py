"""Whom the register has twice is proposed to people, and nobody else."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.linking.duplicates import duplicate_persons

BORN, LATER = date(1950, 3, 1), date(1985, 3, 1)


def proposed(first: dict, other: dict, missing: float | None) -> bool:
    usual = {"household_id": "H1", "person": "张建国", "phone": missing, "born": missing}
    rows = [{"resident_id": number, **usual, **row} for number, row in (("p1", first), ("p2", other))]
    pairs = duplicate_persons(pd.DataFrame(rows))
    assert pairs[["keep", "drop"]].to_numpy().tolist() in ([], [["p1", "p2"]])
    return len(pairs) > 0


@pytest.mark.parametrize("missing", [None, np.nan])
@pytest.mark.parametrize(
    ("first", "other", "same"),
    [
        ({}, {}, True),
        ({"born": BORN}, {}, True),
        ({"born": BORN}, {"born": BORN}, True),
        ({"born": BORN}, {"born": LATER}, False),  # a father and his son
        ({"born": BORN}, {"household_id": "H2", "born": BORN}, True),  # registered in both
        ({"born": BORN}, {"household_id": "H2"}, False),
        ({"phone": "138"}, {"household_id": "H2", "phone": "138"}, True),
        ({"phone": "138", "born": BORN}, {"household_id": "H2", "phone": "138", "born": LATER}, False),
        ({"phone": "138"}, {"household_id": "H2", "phone": "139"}, False),
        ({}, {"household_id": "H2"}, False),
        ({}, {"person": "张建军"}, False),
        ({"person": None}, {"person": None}, False),
    ],
)
def test_a_person_stands_twice_by_name_and_household_birth_or_telephone(
    first: dict, other: dict, same: bool, missing: float | None
) -> None:
    assert proposed(first, other, missing) == proposed(other, first, missing) == same
