"""Numbers of micro-grids may begin anew in each grid: grid and number together are the micro-grid."""

from datetime import date

import numpy as np
from make_records import make_records
from tiny_town import households

from features.blocks.areas import by_area
from features.point_in_time.records import day_of, known_before, microgrid_numbers
from service.planning.workers import workers_of

NUMBERED = [{**row, "microgrid_id": str(row["microgrid_id"]).split("-")[1]} for row in households()]


def test_numbers_that_begin_anew_in_each_grid_are_other_microgrids(tiny_town):
    tiny_town.write("households", NUMBERED)
    tiny_town.ingest()
    records = tiny_town.records()
    assert microgrid_numbers(records.microgrid_ids).tolist() == ["1", "2"] * 3
    known = known_before(records, day_of(date(2024, 6, 10)))
    assert by_area(known, "microgrid", np.ones((12, 1)))[:, 0].tolist() == [2.0] * 6
    assert workers_of(known).areas["microgrid_id"].tolist() == ["1", "2"] * 3


def test_a_count_of_a_microgrid_does_not_run_across_grids():
    homes = [
        {"household_id": f"h{index}", "grid_id": f"g{index % 2}", "microgrid_id": "1"} for index in range(6)
    ]
    known = known_before(make_records(homes), 20000)
    assert by_area(known, "microgrid", np.ones((6, 1)))[:, 0].tolist() == [3.0, 3.0]
