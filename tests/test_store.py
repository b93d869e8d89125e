"""Records read back: arrays that can be checked by hand, and what was known when."""

import numpy as np
import pytest
from make_records import day

from features.language import UserError
from features.records import known_before
from features.store import read_records, read_settings


def test_arrays_of_the_tiny_town(tiny_town):
    tiny_town.ingest()
    records = tiny_town.records()
    assert list(records.household_ids) == [f"H{number:02d}" for number in range(1, 13)]
    assert list(records.grid_ids) == ["G1", "G2", "G3"]
    assert len(records.households) == 13
    requests = records.requests
    order = ["R1", "R6", "R4", "R7", "R5", "R2", "R3", "R8"]
    assert list(requests.request_id) == order
    assert list(requests.need) == [0, 1, 1, 1, 1, 0, 0, 0]
    assert requests.visible_from[-1] == day("2024-06-06 09:00")
    assert requests.requested[-1] == day("2024-06-04 19:00")
