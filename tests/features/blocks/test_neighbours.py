"""Neighbourhood rates against a slow recomputation that leaves the household out by leaving it out."""

import numpy as np
import pytest
from make_records import day, make_records
from small_town import AS_OF, NEEDS, at, iso, town_records, town_rows

from features.blocks import neighbours
from features.blocks.build import summarise
from features.point_in_time.cohort import eligible
from features.point_in_time.records import Rows, known_before

BASE = town_rows(seed=5, households=36, requests=500)
KNOWN, ROWS, SCHEMA = at(town_records(BASE))
TOWN = summarise(KNOWN, SCHEMA)
MADE = neighbours.block(KNOWN, ROWS, TOWN, SCHEMA)
IDS = [need["id"] for need in NEEDS]


def slow_count_and_exposure(need: int, days: float, among: list[str]) -> tuple[int, float]:
    """Requests and days of exposure of these households that are eligible, one row after another."""
    first = min(day(row["requested_at"]) for row in BASE["requests"])
    able = eligible(KNOWN)
    count, exposure = 0, 0.0
    for name in among:
        if not able[list(KNOWN.household_ids).index(name), need]:
            continue
        asked = [day(row["requested_at"]) for row in BASE["requests"] if row["household_id"] == name]
        since = min(
            [day(row["valid_from"]) for row in BASE["households"] if row["household_id"] == name] + asked
        )
        exposure += min(days, AS_OF - max(since, first))
        count += sum(
            row["household_id"] == name
            and row["need"] == IDS[need]
            and day(row["requested_at"]) >= AS_OF - days
            for row in BASE["requests"]
        )
    return count, exposure


@pytest.mark.parametrize("days", [*neighbours.WINDOWS, np.inf])
def test_shrunk_rates_leave_the_household_out(days):
    """Too few households for factors of attributes: every household is like the town."""
    where = {row["household_id"]: (row["grid_id"], row["microgrid_id"]) for row in BASE["households"]}
    table = TOWN.parts["neighbours"]
    table = table.windows[days] if days in neighbours.WINDOWS else table.all_time
    for position in range(0, len(ROWS), 7):
        name = KNOWN.household_ids[ROWS.household[position]]
        need = int(ROWS.need[position])
        town_count, town_exposure = slow_count_and_exposure(need, days, list(where))
        rate = town_count / town_exposure
        ratio = 1.0
        for level, area in ((0, table.grids), (1, table.microgrids)):
            among = [one for one in where if where[one][level] == where[name][level] and one != name]
            count, exposure = slow_count_and_exposure(need, days, among)
            spread, strength = area.dispersion[need], area.strength[need]
            # the grid's own ratio leaves out another household for each neighbour in the micro-grid
            usual = 1.0 if level == 0 else mean_grid_ratio(need, days, among, where, table, rate)
            ratio *= (count / spread + strength) / (exposure * rate * usual / spread + strength)
            if days in neighbours.WINDOWS:
                made = MADE[f"{('grid', 'microgrid')[level]}_ratio_{days}_days"][position]
                assert made == pytest.approx(ratio, rel=1e-4)
        if days == np.inf:
            assert MADE["microgrid_requests_all_time"][position] == pytest.approx(
                ratio * rate * 364, rel=1e-4
            )


def mean_grid_ratio(need, days, among, where, table, rate):
    """Exposure-weighted mean over these households of their grid's ratio without each of them."""
    able = [one for one in among if slow_count_and_exposure(need, days, [one])[1] > 0]
    total = weighted = 0.0
    for name in able:
        rest = [one for one in where if where[one][0] == where[name][0] and one != name]
        count, exposure = slow_count_and_exposure(need, days, rest)
        spread, strength = table.grids.dispersion[need], table.grids.strength[need]
        own = slow_count_and_exposure(need, days, [name])[1]
        weighted += own * (count / spread + strength) / (exposure * rate / spread + strength)
        total += own
    return weighted / total if total else 1.0


def test_neighbours_asking():
    where = {row["household_id"]: (row["grid_id"], row["microgrid_id"]) for row in BASE["households"]}
    able = eligible(KNOWN)
    index = {name: position for position, name in enumerate(KNOWN.household_ids)}
    for position in range(len(ROWS)):
        name, need = KNOWN.household_ids[ROWS.household[position]], int(ROWS.need[position])
        asking = {
            row["household_id"]
            for row in BASE["requests"]
            if row["need"] == IDS[need]
            and day(row["requested_at"]) >= AS_OF - 28
            and able[index[row["household_id"]], need]
        } - {name}
        assert MADE["microgrid_asking_28_days"][position] == sum(
            where[one][1] == where[name][1] for one in asking
        )
        assert MADE["grid_asking_28_days"][position] == sum(where[one][0] == where[name][0] for one in asking)


def shock_town():
    """Forty households in four micro-grids ask evenly; in m0 everyone asks in the last fortnight."""
    households = [
        {
            "household_id": f"h{index:02d}",
            "microgrid_id": f"m{index % 4}",
            "valid_from": iso(AS_OF - 1000),
            "children": 1,
        }
        for index in range(40)
    ]
    requests = [
        {
            "household_id": f"h{index % 40:02d}",
            "need": IDS[index % 3],
            "requested_at": iso(AS_OF - 800 + 2.5 * index),
        }
        for index in range(300)
    ]
    requests += [
        {"household_id": f"h{index:02d}", "need": "meals", "requested_at": iso(AS_OF - 14 + index / 4)}
        for index in range(0, 40, 4)
    ]
    rows = {"households": households, "requests": requests}
    return at(town_records(rows))


def test_a_shock_shows_in_its_micro_grid_and_need_only():
    known, rows, schema = shock_town()
    made = neighbours.block(known, rows, summarise(known, schema), schema)["microgrid_recent_ratio"]
    struck = (known.microgrid[rows.household] == 0) & (rows.need == 1)
    assert made[struck].min() > 1.5
    assert made[~struck].max() < made[struck].min()


def test_fact_counts_other_households_and_hides_few():
    known, _, schema = shock_town()
    fact = neighbours.FACTS["neighbours_recent"]
    assert fact(known, schema, 0, 1).startswith("本微网格邻居9户，近一个月")
    assert fact(known, schema, 0, 1).endswith("户申请过")
    assert fact(known, schema, 1, 0) == ""


def test_a_household_not_yet_known_has_no_neighbours():
    records = make_records([{"household_id": "h1"}, {"household_id": "h2", "valid_from": "2030-01-01"}])
    known = known_before(records, AS_OF)

    rows = Rows(np.array([1], dtype=np.int32), np.array([0], dtype=np.int16))
    made = neighbours.block(known, rows, summarise(known, SCHEMA), SCHEMA)
    assert all(np.isnan(values).all() for values in made.values())
