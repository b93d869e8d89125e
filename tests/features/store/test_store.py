"""Records read back: arrays that can be checked by hand, and what was known when."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from make_records import day
from tiny_town import households, make_tiny_town, opt_outs, outreach, requests, residents

from features.language import UserError
from features.point_in_time.records import known_before, microgrid_numbers
from features.store.reader import read_records, read_settings
from models.estimators.seasonal_level import course_of, weekly_requests

MONDAY = int(day("2024-06-10"))  # the first one after the tiny town's last row, R8 recorded on 2024-06-06


def known(town, as_of):
    """Everything that was known before ``as_of``, as plain values."""
    found = known_before(town.records(), int(as_of))
    values = {}
    for table in ("households", "residents", "requests", "outreach", "opt_outs"):
        for name, value in vars(getattr(found, table)).items():
            if name not in ("visible_to", "attributes"):
                values[f"{table}.{name}"] = [str(one) for one in value]
            if name == "attributes":
                texts = {one: [column.at(row) for row in range(len(column))] for one, column in value.items()}
                values |= {f"{table}.{one}": column for one, column in texts.items() if any(column)}
    return values


def test_arrays_of_the_tiny_town(tiny_town):
    tiny_town.ingest()
    records = tiny_town.records()
    assert list(records.household_ids) == [f"H{number:02d}" for number in range(1, 13)]
    assert list(records.grid_ids) == ["G1", "G2", "G3"]
    assert list(microgrid_numbers(records.microgrid_ids)) == ["G1-1", "G1-2", "G2-1", "G2-2", "G3-1", "G3-2"]
    rows = records.households
    assert list(rows.household) == [*range(12), 0]
    assert list(rows.grid) == [0] * 4 + [1] * 4 + [2] * 4 + [0]
    assert list(rows.microgrid[:5]) == [0, 0, 1, 1, 2]
    assert rows.visible_from[-1] == rows.valid_from[-1] == day("2024-03-01")
    assert {name: column.at(0) for name, column in rows.attributes.items()} == {
        "children": "0",
        "low_income": "true",
        "housing": "商品房",
    }
    assert (records.has_residents, records.has_outreach) == (True, True)
    assert records.last_day == day("2024-06-06")


def test_requests_and_outreach_of_the_tiny_town(tiny_town):
    tiny_town.ingest()
    requests = tiny_town.records().requests
    assert list(requests.request_id) == ["R1", "R6", "R4", "R7", "R5", "R2", "R3", "R8"]
    assert list(requests.household) == [1, 8, 4, 11, 5, 1, 2, 7]
    assert list(requests.need) == [0, 1, 1, 1, 1, 0, 0, 0]
    assert requests.requested[-1] == day("2024-06-04 19:00")
    assert requests.visible_from[-1] == day("2024-06-06 09:00")
    assert requests.resolved[2] == day("2024-01-16 10:00")
    np.testing.assert_array_equal(requests.satisfaction, [5, np.nan, 4, 2, *[np.nan] * 4])
    outreach = tiny_town.records().outreach
    assert list(outreach.outreach_id) == ["O1", "O2", "O3", "O4"]
    assert list(outreach.random) == [False, False, True, True]
    assert list(outreach.outcome) == [0, 1, 3, -1]
    np.testing.assert_array_equal(outreach.propensity, [np.nan, np.nan, 0.05, 0.05])
    types = {name: value.dtype for name, value in vars(requests).items()}
    assert (types["household"], types["need"], types["satisfaction"]) == (np.int32, np.int16, np.float32)
    assert outreach.random.dtype == bool
    assert outreach.outcome.dtype == np.int8


def test_births_refusals_and_workers_of_the_tiny_town(tiny_town):
    tiny_town.ingest()
    records = tiny_town.records()
    births = ["1988-07-01", "1990-07-01", "2016-09-01", "1941-07-01", "1938-02-03"]
    assert list(records.residents.born) == [day(one) for one in births]
    assert list(records.residents.household) == [1, 1, 1, 4, 8]
    assert (records.opt_outs.begins[0], records.opt_outs.until[0]) == (day("2024-04-01"), np.inf)
    assert list(records.workers["worker_id"]) == ["W1", "W2", "W3"]
    assert list(records.workers["weekly_visits"]) == [6.0, 6.0, 6.0]
    assert records.workers["microgrid_id"].isna().all()


def test_a_correction_counts_from_the_monday_after_the_data_held_before(tiny_town):
    tiny_town.ingest()
    before = {as_of: known(tiny_town, as_of) for as_of in (day("2024-02-12"), MONDAY)}
    rows = requests()
    tiny_town.write("requests", [rows[0] | {"need": "meals"}, *rows[1:]])
    tiny_town.write("households", [row | {"children": 5} for row in households()])
    report = tiny_town.ingest()
    assert (report.tables["requests"].corrected, report.tables["households"].corrected) == (1, 13)
    for as_of, values in before.items():
        assert known(tiny_town, as_of) == values
    after = known(tiny_town, MONDAY + 1)
    assert set(after["households.children"]) == {"5"}
    assert after["requests.need"][after["requests.request_id"].index("R1")] == "1"
    assert sorted(after["requests.request_id"]) == sorted(before[MONDAY]["requests.request_id"])


def test_a_correction_counts_from_the_last_row_of_its_export(tiny_town):
    tiny_town.ingest()
    rows = requests()
    later = rows[1] | {
        "request_id": "R9",
        "requested_at": "2024-06-19 17:00",
        "recorded_at": "2024-06-19 18:00",
    }
    tiny_town.write("requests", [rows[0] | {"need": "meals"}, later])
    report = tiny_town.ingest()
    assert (report.tables["requests"].new, report.tables["requests"].corrected) == (1, 1)
    records = tiny_town.records().requests
    versions = {
        (records.visible_from[row], records.visible_to[row], records.need[row])
        for row in np.flatnonzero(records.request_id == "R1")
    }
    end = day("2024-06-19 18:00")
    assert versions == {(day("2023-06-05 09:00"), end, 0), (end, np.inf, 1)}


changes = st.fixed_dictionaries(
    {},
    optional={
        "need": st.sampled_from(["childcare", "meals"]),
        "satisfaction": st.sampled_from([1, 5]),
        "resolved_at": st.sampled_from(["2024-06-07 09:00", "2024-07-30 09:00", ""]),
        "household_id": st.sampled_from(["H01", "H02"]),
    },
)


@settings(max_examples=5, phases=(Phase.explicit, Phase.generate))
@given(st.lists(st.tuples(st.integers(0, 3), st.dictionaries(st.integers(0, 7), changes)), max_size=3))
def test_whatever_later_exports_correct_earlier_mondays_stay_as_they_were(tmp_path_factory, exports):
    place = tmp_path_factory.mktemp("later")
    town = make_tiny_town(place / "export", place / "workspace")
    for table in ("residents", "outreach", "opt_outs", "workers"):
        (town.directory / f"{table}.csv").unlink()
    rows, seen, last = requests(), {}, day("2024-06-06 09:00")
    town.ingest()
    for number, (weeks, corrected) in enumerate(exports):
        monday = next(one for one in range(MONDAY, MONDAY + 400, 7) if one > last)
        seen[monday] = known(town, monday)
        rows = [row | corrected.get(index, {}) for index, row in enumerate(rows)]
        if weeks:
            last = monday + 7 * weeks - 3.5
            asked = str(np.datetime64("1970-01-01") + np.timedelta64(int(last * 24), "h")) + ":00"
            rows.append(
                requests()[2] | {"request_id": f"N{number}", "requested_at": asked, "recorded_at": asked}
            )
        last = max([last, *(day(row["resolved_at"]) for row in rows if row["resolved_at"])])
        town.write("requests", rows)
        assert town.ingest().quarantine is None
        for monday, values in seen.items():
            assert known(town, monday) == values


def test_corrections_of_corrections(tiny_town):
    tiny_town.ingest()
    for children in (7, 8, 9):
        tiny_town.write("households", [row | {"children": children} for row in households()])
        tiny_town.ingest()
    assert "0" in known(tiny_town, MONDAY)["households.children"]
    assert set(known(tiny_town, MONDAY + 1)["households.children"]) == {"9"}


def test_a_request_that_a_later_export_tells_resolved_was_not_recorded_later(tiny_town):
    tiny_town.ingest()
    before = tiny_town.records()
    at_once = {"resolved_at": "2024-06-07 12:00"}
    tiny_town.write("requests", [row | at_once if row["request_id"] == "R2" else row for row in requests()])
    assert tiny_town.ingest().tables["requests"].corrected == 1
    records = tiny_town.records()
    delay = records.requests.recorded - records.requests.requested
    delays = dict(zip(records.requests.request_id, delay, strict=True))
    assert delays.pop("R8") == pytest.approx(1 + 14 / 24)
    assert set(delays.values()) == {0.0}
    weeks = [weekly_requests(course_of(known_before(one, MONDAY + 14)), 2) for one in (before, records)]
    np.testing.assert_array_equal(weeks[1].exposure, weeks[0].exposure)


def test_a_late_outcome_is_a_correction_and_is_never_erased(tiny_town):
    tiny_town.ingest()
    rows = outreach()
    tiny_town.write("outreach", [*rows[:3], rows[3] | {"outcome": "needed"}])
    assert tiny_town.ingest().tables["outreach"].corrected == 1
    assert known(tiny_town, MONDAY)["outreach.outcome"] == ["0", "1", "3", "-1"]
    assert sorted(known(tiny_town, MONDAY + 1)["outreach.outcome"]) == ["0", "0", "1", "3"]
    tiny_town.write("outreach", rows)  # an older export once more
    assert tiny_town.ingest().tables["outreach"].corrected == 0
    assert sorted(known(tiny_town, MONDAY + 1)["outreach.outcome"]) == ["0", "0", "1", "3"]


def test_a_new_attribute_is_a_correction_and_a_missing_one_changes_nothing(tiny_town):
    tiny_town.ingest()
    before = known(tiny_town, MONDAY)
    tiny_town.write("households", [row | {"pets": 1} for row in households()])
    assert tiny_town.ingest().tables["households"].corrected == 13
    assert known(tiny_town, MONDAY) == before
    assert set(known(tiny_town, MONDAY + 1)["households.pets"]) == {"1"}
    rows = [{name: value for name, value in row.items() if name != "housing"} for row in households()]
    tiny_town.write("households", rows)
    assert tiny_town.ingest().tables["households"].corrected == 0
    tiny_town.write("households", [row | {"children": 9} for row in rows])
    tiny_town.ingest()
    assert "商品房" in known(tiny_town, MONDAY + 1)["households.housing"]
    assert set(known(tiny_town, MONDAY + 1)["households.pets"]) == {"1"}


def test_a_mistyped_year_does_not_hold_back_corrections(tiny_town):
    first = requests()[1]
    many = [first | {"request_id": f"M{number}"} for number in range(1500)]
    typo = first | {"request_id": "typo", "requested_at": "2042-05-20", "recorded_at": "2042-05-20"}
    tiny_town.write("requests", [*requests(), *many, typo])
    assert tiny_town.ingest().isolated == 2
    tiny_town.write("households", [row | {"children": 5} for row in households()])
    tiny_town.ingest()
    assert set(known(tiny_town, MONDAY + 1)["households.children"]) == {"5"}


def test_the_same_moment_of_recording_sorts_by_key(tiny_town):
    row = requests()[1]
    tiny_town.write("requests", [row | {"request_id": one} for one in ("R30", "R4", "R05", "r1", "甲")])
    tiny_town.ingest()
    assert list(tiny_town.records().requests.request_id) == ["R05", "R30", "R4", "r1", "甲"]


def test_keywords_most_hits_then_the_longest_then_the_order(tiny_town):
    def ask(number, text):
        return requests()[4] | {"request_id": f"T{number}", "text": text}

    texts = ["托管", "托管和助餐", "暑假班托管 助餐", "助餐送饭，托管", "托管，送饭上门", "别的", "abc X"]
    tiny_town.write("requests", [ask(*one) for one in enumerate(texts)])
    tiny_town.ingest()
    records = tiny_town.records().requests
    assert list(records.need) == [0, 0, 0, 1, 0, -1, -1]
    needs = [
        {"id": "childcare", "keywords": ["托管"]},
        {"id": "meals", "keywords": ["送饭上门", "助餐"]},
        {"id": "other", "keywords": ["x"]},
    ]
    tiny_town.write_settings(needs=needs)
    tiny_town.ingest()
    assert list(tiny_town.records().requests.need) == [0, 0, 0, 0, 1, -1, 2]


def test_requests_of_a_need_taken_out_of_the_settings_come_back_with_it(tiny_town):
    tiny_town.ingest()
    everything = (tiny_town.directory / "community.yaml").read_text()
    tiny_town.write_settings(needs=[{"id": "meals", "keywords": ["助餐"]}])
    (tiny_town.workspace / "community.yaml").write_text((tiny_town.directory / "community.yaml").read_text())
    assert list(tiny_town.records().requests.need) == [-1, 0, 0, 0, 0, -1, -1, -1]
    assert list(tiny_town.records().outreach.need) == [-1, 0, 0, -1]
    (tiny_town.workspace / "community.yaml").write_text(everything)
    assert list(tiny_town.records().requests.need) == [0, 1, 1, 1, 1, 0, 0, 0]


def test_refusals_end(tiny_town):
    tiny_town.write("opt_outs", [opt_outs()[0] | {"until": "2024-06-01"}])
    tiny_town.ingest()
    records = tiny_town.records()
    assert known_before(records, int(day("2024-05-06"))).opted_out[10]
    assert not known_before(records, int(day("2024-06-03"))).opted_out[10]


def test_typed_attributes_read_as_the_texts_of_a_csv(tiny_town):
    frame = pd.DataFrame(households())
    frame["valid_from"] = pd.to_datetime(frame["valid_from"]).dt.tz_localize("Asia/Shanghai")
    frame["children"] = frame["children"].astype(float)
    frame["low_income"] = frame["low_income"].astype("boolean")
    frame["moved_in"] = pd.Timestamp("2020-02-02")
    frame["area"] = 88.5
    frame["housing"] = frame["housing"].astype("category")
    (tiny_town.directory / "households.csv").unlink()
    frame.to_parquet(tiny_town.directory / "households.parquet")
    tiny_town.ingest()
    rows = tiny_town.records().households
    first = [column.at(0) for column in rows.attributes.values()]
    assert first == ["0", "true", "商品房", "2020-02-02", "88.5"]
    assert rows.valid_from[0] == day("2023-01-01")
    csv_rows = [row | {"moved_in": "2020-02-02 00:00:00", "area": "88.5"} for row in households()]
    tiny_town.write("households", [row | {"children": f"{row['children']}.0"} for row in csv_rows])
    assert tiny_town.ingest().tables["households"].corrected == 0


def test_numbers_as_ids_agree_across_kinds_of_file(tiny_town):
    rows = [row | {"household_id": str(int(row["household_id"][1:]))} for row in households()]
    tiny_town.write("households", rows)
    asked = [row | {"household_id": f"{int(row['household_id'][1:])}.0"} for row in requests()]
    tiny_town.write("requests", asked)
    people = pd.DataFrame(residents()).assign(household_id=[2.0, 2.0, 2.0, 5.0, 9.0])
    (tiny_town.directory / "residents.csv").unlink()
    people.astype({"birth_year": str}).to_parquet(tiny_town.directory / "residents.parquet")
    for table in ("outreach", "opt_outs"):
        (tiny_town.directory / f"{table}.csv").unlink()
    assert tiny_town.ingest().quarantine is None
    assert len(tiny_town.records().requests) == 8


def test_an_empty_workspace_says_what_to_run(tiny_town):
    for read in (read_records, read_settings):
        with pytest.raises(UserError, match="请先运行 xianying ingest"):
            read(tiny_town.workspace)
    tiny_town.write_settings()
    tiny_town.workspace.mkdir()
    (tiny_town.workspace / "community.yaml").write_text((tiny_town.directory / "community.yaml").read_text())
    assert read_settings(tiny_town.workspace).community.name == "西山社区"
    with pytest.raises(UserError, match="请先运行 xianying ingest"):
        read_records(tiny_town.workspace)
