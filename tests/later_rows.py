"""For Hypothesis: a small town, and the same with rows added, removed and corrected from a date on."""

from datetime import date

from hypothesis import strategies as st
from make_records import day, make_community, make_records

from features.point_in_time.records import Records, day_of

AS_OF = day_of(date(2024, 6, 3))
COMMUNITY = make_community(
    needs=[
        {"id": "childcare", "who": "children > 0 or elders > 0", "horizon_weeks": 8},
        {"id": "meals", "who": "head_age >= 60", "horizon_weeks": 4, "lead_weeks": 1},
    ]
)
times = st.integers(-900, 60).map(lambda ago: AS_OF + ago) | st.floats(-40, 40).map(lambda ago: AS_OF + ago)
ids = st.sampled_from(["h1", "h2", "h3", "h4"])
household_row = st.fixed_dictionaries(
    {
        "household_id": ids,
        "microgrid_id": st.sampled_from(["m1", "m2"]),
        "valid_from": times,
        "children": st.sampled_from([None, "0", "1", "2"]),
        "rents": st.sampled_from(["是", "否", None, "?"]),
        "hukou": st.sampled_from(["本地", "外来", "别处"]),
        "head_birth_year": st.sampled_from(["1940", "1964", "1990"]),
    }
)
resident_row = st.fixed_dictionaries(
    {
        "resident_id": st.sampled_from(["r1", "r2", "r3"]),
        "household_id": ids,
        "valid_from": times,
        "birth_year": st.sampled_from([1940, 1980, 2018]),
        "chronic": st.sampled_from(["yes", "no", None]),
    }
)
request_row = st.fixed_dictionaries(
    {
        "household_id": ids,
        "need": st.sampled_from(["childcare", "meals", "unknown"]),
        "requested_at": times,
        "delay": st.sampled_from([0.0, 0.4, 20.0]),
    }
)


def _timed(table: str, row: dict) -> dict:
    if table == "requests":
        row = dict(row)
        return row | {"recorded_at": row["requested_at"] + row.pop("delay")}
    return row


def _seen(table: str, row: dict) -> float:
    return day(row.get("visible_from", row["recorded_at" if table == "requests" else "valid_from"]))


def _unique(table: str, rows: list[dict]) -> list[dict]:
    """One row for each key of the contract."""
    key = {"households": "household_id", "residents": "resident_id"}.get(table)
    if key is None:
        return [row | {"request_id": f"q{index}"} for index, row in enumerate(rows)]
    return list({(row[key], row["valid_from"]): row for row in rows}.values())


@st.composite
def towns_with_later_rows(draw) -> tuple[Records, Records]:
    """Two towns that differ only in rows visible from ``AS_OF`` on and in corrections made from then on."""
    before: dict[str, list[dict]] = {}
    after: dict[str, list[dict]] = {}
    for table, row in (("households", household_row), ("residents", resident_row), ("requests", request_row)):
        rows = _unique(table, [_timed(table, one) for one in draw(st.lists(row, max_size=8))])
        before[table] = [one for one in rows if _seen(table, one) < AS_OF or draw(st.booleans())]
        after[table] = [one for one in rows if _seen(table, one) < AS_OF or draw(st.booleans())]
        for index, one in enumerate(after[table]):
            if _seen(table, one) < AS_OF and draw(st.booleans()):
                corrected_on = AS_OF + draw(st.integers(0, 20))
                other = _timed(table, draw(row))
                keys = (
                    {"household_id", "resident_id", "valid_from", "request_id"}
                    if table != "requests"
                    else set()
                )
                correction = {**one, **{key: value for key, value in other.items() if key not in keys}}
                after[table][index] = {**one, "visible_to": corrected_on}
                after[table].append({**correction, "visible_from": corrected_on})
    unknown = dict.fromkeys(("children", "rents", "hukou", "head_birth_year"))
    everyone = [
        {"household_id": one, "valid_from": AS_OF + 500} | unknown for one in ("h1", "h2", "h3", "h4")
    ]
    towns = []
    for tables in (before, after):
        tables["households"] = tables["households"] + everyone
        towns.append(make_records(**tables, community=COMMUNITY, has_residents=True))
    return towns[0], towns[1]
