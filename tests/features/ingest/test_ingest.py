"""Ingest: what is taken, corrected and set aside; repeated, overlapping and interrupted exports."""

import csv
import json
import shutil
import signal
import subprocess
import sys

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_records import day
from ready_process import run_to_end
from tiny_town import TABLE_ROWS, TinyTown, households, make_tiny_town, outreach, requests, residents, workers

from features.contract.table_names import called, with_own_names
from features.contract.tables import TABLES
from features.ingest.ingest import check, ingest
from features.language import UserError, set_language
from features.store.database import STORE


def stored(town: TinyTown) -> dict[str, list[tuple]]:
    """Every table of the store, whole and in a fixed order; none before the first ingest."""
    if not (town.workspace / STORE).exists():
        return {}
    with duckdb.connect(str(town.workspace / STORE)) as connection:
        tables = [row[0] for row in connection.execute("SHOW TABLES").fetchall()]
        return {
            table: connection.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall() for table in tables
        }


def quarantined(town: TinyTown, path=None) -> list[dict[str, str]]:
    path = path or town.ingest().quarantine
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def counts(report) -> dict[str, tuple[int, int, int]]:
    return {table: (one.new, one.corrected, one.unchanged) for table, one in report.tables.items()}


def assert_equal_arrays(one, other):
    """Two tables of Records, field by field."""
    for name, value in vars(one).items():
        if name == "attributes":
            texts = [
                {key: [*map(text.at, range(len(text)))] for key, text in found.items()}
                for found in (value, other.attributes)
            ]
            assert texts[0] == texts[1]
        else:
            np.testing.assert_array_equal(value, getattr(other, name), err_msg=name)


def assert_equal_records(one, other):
    for table in ("households", "residents", "requests", "outreach", "opt_outs"):
        assert_equal_arrays(getattr(one, table), getattr(other, table))
    assert list(one.household_ids) == list(other.household_ids)
    assert one.workers.equals(other.workers)


def test_a_second_ingest_changes_nothing(tiny_town):
    first = tiny_town.ingest()
    assert counts(first)["requests"] == (8, 0, 0)
    before = stored(tiny_town)
    second = tiny_town.ingest()
    assert {table: one[:2] for table, one in counts(second).items()} == dict.fromkeys(first.tables, (0, 0))
    assert counts(second)["households"] == (0, 0, 13)
    assert stored(tiny_town) == before
    assert second.settings_changes == []


@pytest.mark.parametrize(
    ("kind", "encoding"), [("csv", "utf-8-sig"), ("csv", "gb18030"), ("parquet", ""), ("xlsx", "")]
)
def test_every_kind_of_file_gives_the_same_records(tiny_town, tmp_path, kind, encoding):
    tiny_town.ingest()
    other = make_tiny_town(tmp_path / "other", tmp_path / "other_workspace")
    for table, rows in (("households", households()), ("requests", requests()), ("residents", residents())):
        other.write(table, rows, kind, encoding)
    other.write("outreach", outreach(), kind, encoding)
    other.ingest()
    assert_equal_records(tiny_town.records(), other.records())


NEW_KEY = {
    "requests": {"request_id": "new"},
    "residents": {"resident_id": "new"},
    "outreach": {"outreach_id": "new"},
    "workers": {"worker_id": "new"},
    "opt_outs": {"household_id": "H10"},
}
BAD_ROWS = [
    ("households", {"grid_id": ""}, "缺少 grid_id"),
    ("households", {"valid_from": "昨天"}, "valid_from 读不懂：昨天"),
    ("households", {"valid_from": "0202-01-01"}, "valid_from 不可能是这一天：0202-01-01"),
    ("households", {"valid_from": "2222-01-01"}, "valid_from 不可能是这一天：2222-01-01"),
    ("requests", {"request_id": "  "}, "缺少 request_id"),
    ("requests", {"household_id": "H99"}, "没有这一户：H99"),
    ("requests", {"need": "gold"}, "community.yaml 里没有这个需求：gold"),
    ("requests", {"need": "", "text": ""}, "need 和 text 都是空的"),
    ("requests", {"requested_at": "2024-02-30"}, "requested_at 读不懂：2024-02-30"),
    ("residents", {"household_id": "H99"}, "没有这一户：H99"),
    ("outreach", {"household_id": "H99"}, "没有这一户：H99"),
    ("outreach", {"need": "gold"}, "community.yaml 里没有这个需求：gold"),
    ("outreach", {"arm": "chosen"}, "arm 只能是 targeted / random：chosen"),
    ("opt_outs", {"household_id": "H99"}, "没有这一户：H99"),
    ("workers", {"role": "boss"}, "role 只能是 grid_worker / steward / coordinator：boss"),
]
BAD_CELLS = [
    ("requests", {"recorded_at": "soon"}, "recorded_at 读不懂：soon"),
    (
        "requests",
        {"requested_at": "2025-05-20", "recorded_at": "2024-05-20"},
        "recorded_at 比 requested_at 早一天以上：2024-05-20",
    ),
    ("requests", {"resolved_at": "2023-06-04"}, "resolved_at 早于 requested_at：2023-06-04"),
    ("requests", {"resolved_at": "9999-12-31"}, "resolved_at 不可能是这一天：9999-12-31"),
    ("requests", {"satisfaction": "6"}, "satisfaction 超出范围：6"),
    ("requests", {"satisfaction": "good day"}, "satisfaction 读不懂：good day"),
    ("requests", {"need": "gold", "text": "托管"}, "community.yaml 里没有这个需求：gold"),
    ("residents", {"birth_year": "1066"}, "birth_year 超出范围：1066"),
    ("residents", {"birth_date": "1988-13-01"}, "birth_date 读不懂：1988-13-01"),
    ("outreach", {"outcome": "maybe"}, "outcome 只能是 needed"),
    ("outreach", {"propensity": "1.5"}, "propensity 超出范围：1.5"),
    ("opt_outs", {"until": "2024-03-01"}, "until 早于 from：2024-03-01"),
    ("opt_outs", {"from": "去年"}, "from 读不懂：去年"),
    ("opt_outs", {"until": "再说"}, "until 读不懂：再说"),
    ("workers", {"weekly_visits": "-1"}, "weekly_visits 超出范围：-1"),
]


@pytest.mark.parametrize("column", ["resolved_at", "recorded_at"])
def test_a_day_without_a_time_is_not_before_what_happened_on_it(tiny_town, column):
    asked = requests()[1] | {"requested_at": "2024-05-20 23:30", "recorded_at": "", column: "2024-05-20"}
    tiny_town.write("requests", [asked])
    report = tiny_town.ingest()
    assert "2024-05-20" not in "\n".join(report.lines())
    rows = tiny_town.records().requests
    assert rows.resolved[0] == day("2024-05-20") if column == "resolved_at" else np.isnan(rows.resolved[0])
    assert rows.recorded[0] == rows.requested[0]


@pytest.mark.parametrize(("table", "change", "reason"), BAD_ROWS)
def test_a_bad_row_is_set_aside_with_reason_file_line_and_content(tiny_town, table, change, reason):
    rows = TABLE_ROWS[table]()
    rows.insert(1, rows[0] | NEW_KEY.get(table, {}) | change)
    tiny_town.write(table, rows)
    report = tiny_town.ingest()
    assert report.tables[table].quarantined == 1
    assert report.tables[table].new == len(rows) - 1
    (bad,) = quarantined(tiny_town, report.quarantine)
    reason = with_own_names(reason, called(table, {}))
    assert bad["reason"].startswith(reason)
    assert (bad["file"], bad["line"], bad["table"]) == (f"{table}.csv", "3", table)
    kept = {name: str(value) for name, value in change.items() if str(value)}
    assert kept.items() <= json.loads(bad["row"]).items()
    assert any(reason.split("：")[0] in line for line in report.lines())


@pytest.mark.parametrize(("table", "change", "problem"), BAD_CELLS)
def test_a_cell_that_may_be_empty_fails_alone_and_is_said(tiny_town, table, change, problem):
    rows = TABLE_ROWS[table]()
    rows.insert(1, rows[0] | NEW_KEY.get(table, {}) | change)
    tiny_town.write(table, rows)
    report = tiny_town.ingest()
    assert report.quarantine is None
    assert report.tables[table].new == len(rows)
    problem = with_own_names(problem, called(table, {}))
    assert any(line.startswith(f"{table}.csv: {problem}") for line in report.lines())
    assert report.exit_code() == 3


def test_words_that_people_use_are_read_without_a_word(tiny_town):
    words = {"R1": ("非常满意", "2023年6月20日下午3点"), "R2": ("5分", "办理中"), "R3": ("不满意", "")}
    rows = [
        row | dict(zip(("satisfaction", "resolved_at"), words.get(row["request_id"], ("", "")), strict=True))
        for row in requests()
    ]
    tiny_town.write("requests", rows)
    tiny_town.write("outreach", [outreach()[0] | {"outcome": "有需求"}])
    assert tiny_town.ingest().exit_code() == 0
    records = tiny_town.records()
    found = dict(zip(records.requests.request_id, records.requests.satisfaction, strict=True))
    assert [found[one] for one in ("R1", "R2", "R3")] == [5, 5, 2]
    resolved = dict(zip(records.requests.request_id, records.requests.resolved, strict=True))
    assert resolved["R1"] == day("2023-06-20 15:00") and np.isnan(resolved["R2"])
    assert list(records.outreach.outcome) == [0]


@pytest.mark.parametrize(
    ("column", "written", "read"),
    [
        ("birth_date", "1950年3月", "1950-03-15"),
        ("birth_date", "1950", "1950-07-01"),
        ("birth_date", "15-Mar-1950", "1950-03-15"),
        ("birth_date", "50.3.5", None),
        ("birth_date", "2150-03-05", None),
        ("birth_year", "1950年生", "1950-07-01"),
        ("birth_year", "1950-03-05", "1950-07-01"),
        ("birth_year", "2099", None),
        ("birth_year", "50", None),
    ],
)
def test_births_as_registers_have_them(tiny_town, column, written, read):
    row = {"resident_id": "P1", "household_id": "H02", "valid_from": "2023-01-01", column: written}
    tiny_town.write("residents", [row])
    report = tiny_town.ingest()
    (born,) = tiny_town.records().residents.born
    assert np.isnan(born) if read is None else born == day(read)
    assert (report.exit_code() == 3) == (read is None)
    if read is None:
        assert f"{written}（第 2 行）" in "\n".join(report.lines())


@pytest.mark.parametrize(
    ("word", "settled"),
    [("已办结 2024-06-01", "2024-06-01"), ("办结于2024.6.1", "2024-06-01"), ("转办", None)],
)
def test_words_beside_the_day_of_settling(tiny_town, word, settled):
    tiny_town.write("requests", [requests()[1] | {"resolved_at": word}])
    assert tiny_town.ingest().exit_code() == 0
    (found,) = tiny_town.records().requests.resolved
    assert np.isnan(found) if settled is None else found == day(settled)


def test_a_request_that_is_said_to_be_settled_is_no_open_one(tiny_town):
    tiny_town.write("requests", [requests()[7] | {"resolved_at": "已办结"}])
    assert tiny_town.ingest().exit_code() == 3
    assert tiny_town.records().requests.resolved[0] == day("2024-06-06 09:00")


@pytest.mark.parametrize(
    "cells",
    [
        {"until": "9999-12-31"},
        {"until": "长期"},
        {"until": "永久"},
        {"until": "0001-01-01"},
        {"until": "再说"},
        {"from": "去年"},
        {"from": ""},
        {"from": "2042-04-01", "until": "2025-04-01"},
        {"from": "9999-12-31"},
        {"from": "不详", "until": "不详"},
        {"from": "去年", "until": "2024-05-01"},
    ],
)
def test_anything_readable_of_a_refusal_refuses(tiny_town, cells):
    tiny_town.write("opt_outs", [{"household_id": "H11", "from": "2024-04-01", "until": ""} | cells])
    report = tiny_town.ingest()
    assert report.quarantine is None
    rows = tiny_town.records().opt_outs
    assert rows.begins[0] <= day("2024-04-01") and np.isinf(rows.until[0])


@pytest.mark.parametrize("row", ["H11", "H11,2024-04-01,因病,长期", 'H11,"2024-04-01', "h11,,"])
def test_a_refusal_that_broke_apart_refuses(tiny_town, row):
    (tiny_town.directory / "opt_outs.csv").write_text(f"household_id,from,until\n{row}\n", "utf-8")
    report = tiny_town.ingest()
    assert (report.tables["opt_outs"].new, report.exit_code()) == (1, 3)
    records = tiny_town.records()
    assert records.household_ids[records.opt_outs.household[0]] == "H11"


def test_a_refusal_of_nobody_known_is_told_before_all_else(tiny_town):
    tiny_town.write("opt_outs", [{"household_id": "H99", "from": "2024-04-01", "until": ""}])
    tiny_town.write("requests", [*requests(), requests()[0] | {"request_id": "R9", "need": "gold"}])
    (first, *_) = tiny_town.ingest().all_findings()
    assert first.where.startswith("opt_outs")


def test_a_refusal_by_feedback_holds_without_its_time(tiny_town):
    row = {"feedback_id": "", "household_id": "H05", "recorded_at": "上周", "kind": "谢绝走访", "note": ""}
    tiny_town.write("feedback", [row])
    assert tiny_town.ingest().quarantine is None
    assert len(tiny_town.records().feedback) == 1


def test_a_row_that_broke_apart_is_set_aside(tiny_town):
    with (tiny_town.directory / "requests.csv").open("a") as file:
        file.write("R9,H02,2024-05-20\n")
    report = tiny_town.ingest()
    (bad,) = quarantined(tiny_town, report.quarantine)
    assert (bad["reason"], bad["line"]) == ("该有 9 列，却有 3 列", "10")
    assert bad["row"] == "R9,H02,2024-05-20"
    assert report.tables["requests"].new == 8


def test_the_quarantine_file_is_the_same_when_ingested_again(tiny_town):
    tiny_town.write("requests", [*requests(), requests()[0] | {"request_id": "R9", "need": "gold"}])
    first, second = tiny_town.ingest().quarantine, tiny_town.ingest().quarantine
    assert first == second
    assert list(first.parent.iterdir()) == [first]


def test_rows_repeated_in_a_file(tiny_town):
    rows = requests()
    tiny_town.write("requests", [*rows, rows[0], rows[1] | {"need": "meals"}])
    report = tiny_town.ingest()
    assert (report.tables["requests"].new, report.tables["requests"].repeated) == (8, 1)
    (bad,) = quarantined(tiny_town, report.quarantine)
    assert bad["line"] == "3"
    assert bad["reason"] == "同一条记录在后面又出现，以后者为准：第11行"
    records = tiny_town.records().requests
    assert records.need[list(records.request_id).index("R2")] == 1


def test_a_bad_repetition_does_not_replace_a_good_row(tiny_town):
    tiny_town.write("requests", [*requests(), requests()[0] | {"need": "gold"}])
    report = tiny_town.ingest()
    assert report.tables["requests"].new == 8
    assert quarantined(tiny_town, report.quarantine)[0]["line"] == "10"


def test_unusable_propensities_and_words_for_nothing_are_taken_as_missing(tiny_town):
    rows = [
        row | {"propensity": value} for row, value in zip(outreach(), ("0", "1.5", "x", "0.2"), strict=True)
    ]
    tiny_town.write("outreach", rows)
    tiny_town.write("requests", [requests()[0] | {"satisfaction": "未评价", "resolved_at": "NULL"}])
    report = tiny_town.ingest()
    assert report.quarantine is None
    found = {finding.what: finding.rows for finding in report.findings}
    assert found == {"propensity 超出范围": 2, "propensity 读不懂": 1}
    assert np.isnan(tiny_town.records().outreach.propensity[:3]).all()
    assert np.isnan(tiny_town.records().requests.satisfaction).all()
    assert np.isnan(tiny_town.records().requests.resolved).all()


def test_what_nothing_reads_is_reported(tiny_town):
    tiny_town.write("requests", [row | {"operator": "x"} for row in requests()])
    tiny_town.write_settings(extra={"x": 1})
    (tiny_town.directory / "notes.txt").write_text("x")
    report = tiny_town.ingest()
    assert report.unread_columns == {"requests.csv": ["operator"]}
    assert report.unread_files == ["notes.txt"]
    assert report.unread_keys == ["extra"]
    text = "\n".join(report.lines())
    assert all(one in text for one in ("operator", "notes.txt", "extra", "用时"))
    set_language("en")
    assert "8 rows read, 8 new" in "\n".join(report.lines())


def test_texts_that_match_no_need_are_kept_and_counted(tiny_town):
    row = requests()[4]
    tiny_town.write("requests", [*requests(), row | {"request_id": "R9", "text": "楼道灯坏了"}])
    report = tiny_town.ingest()
    assert report.unmatched_texts == 1
    assert report.tables["requests"].new == 9
    assert sorted(tiny_town.records().requests.need)[0] == -1


def test_times_with_an_offset_and_office_forms_are_local_times(tiny_town):
    forms = {
        "2024-05-20T02:30:00Z": "2024-05-20 10:30",
        "2024-05-20T10:30:00+08:00": "2024-05-20 10:30",
        "2024-05-19 22:30-0400": "2024-05-20 10:30",
        "2024/5/20 10:30": "2024-05-20 10:30",
        "2024年5月20日 10时30分": "2024-05-20 10:30",
        "2024/5/20 下午 3:05:00": "2024-05-20 15:05",
        "2024.5.20": "2024-05-20",
        "20240520": "2024-05-20",
        "45432.4375": "2024-05-20 10:30",
    }
    row = requests()[1] | {"recorded_at": ""}
    rows = [row | {"request_id": f"T{n}", "requested_at": form} for n, form in enumerate(forms)]
    tiny_town.write("requests", rows)
    report = tiny_town.ingest()
    assert report.quarantine is None
    records = tiny_town.records().requests
    found = dict(zip(records.request_id, records.requested, strict=True))
    assert [found[f"T{n}"] for n in range(len(forms))] == [day(form) for form in forms.values()]


def test_another_timezone(tiny_town):
    tiny_town.write_settings(community={"name": "x", "timezone": "America/New_York"})
    row = requests()[1] | {"recorded_at": ""}
    tiny_town.write("requests", [row | {"requested_at": "2024-07-01T02:00:00Z"}])
    tiny_town.ingest()
    assert tiny_town.records().requests.requested[0] == day("2024-06-30 22:00")


def test_only_the_required_tables_are_needed(tiny_town):
    for table in ("residents", "outreach", "opt_outs", "workers"):
        (tiny_town.directory / f"{table}.csv").unlink()
    tiny_town.ingest()
    records = tiny_town.records()
    assert (records.has_residents, records.has_outreach) == (False, False)
    assert len(records.workers) == 0
    (tiny_town.directory / "requests.csv").unlink()
    with pytest.raises(UserError, match="缺少 requests"):
        tiny_town.ingest()


def test_only_the_required_columns_are_needed(tiny_town):
    for table, rows in TABLE_ROWS.items():
        required = [name for name, column in TABLES[table].columns.items() if column.required]
        tiny_town.write(table, [{name: row[name] for name in required} for row in rows()])
    needed = ("request_id", "household_id", "requested_at", "need")
    tiny_town.write("requests", [{name: row[name] for name in needed} for row in requests() if row["need"]])
    assert tiny_town.ingest().quarantine is None
    records = tiny_town.records().requests
    assert list(records.visible_from) == list(records.requested)
    tiny_town.write("requests", requests())
    assert counts(tiny_town.ingest())["requests"] == (1, 7, 0)


def test_a_table_without_rows_is_taken(tiny_town):
    tiny_town.write("requests", [])
    assert counts(tiny_town.ingest())["requests"] == (0, 0, 0)
    assert len(tiny_town.records().requests) == 0


def test_settings_are_taken_over_and_changes_said(tiny_town):
    tiny_town.ingest()
    tiny_town.write_settings(outreach={"visits_per_worker": 9}, features={"exclude": ["low_income"]})
    changes = tiny_town.ingest().settings_changes
    assert changes == ["outreach.visits_per_worker: 6 → 9", "features.exclude: （无） → low_income"]
    (tiny_town.directory / "community.yaml").unlink()
    assert tiny_town.ingest().settings_changes == []
    assert tiny_town.records().community.outreach.visits_per_worker == 9
    (tiny_town.workspace / "community.yaml").unlink()
    with pytest.raises(UserError, match=r"缺少 community\.yaml"):
        tiny_town.ingest()


def test_a_second_ingest_at_the_same_time_gives_one_clear_line(tiny_town):
    tiny_town.ingest()
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(tiny_town.workspace / STORE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"open\n"
        for action in (tiny_town.ingest, tiny_town.records):
            with pytest.raises(UserError, match="另一个命令正在使用") as caught:
                action()
            assert "\n" not in str(caught.value)
        other.stdin.close()
    tiny_town.ingest()


def test_a_damaged_store_gives_one_line(tiny_town):
    tiny_town.workspace.mkdir()
    (tiny_town.workspace / STORE).write_bytes(b"no database" * 1000)
    with pytest.raises(UserError, match="打不开") as caught:
        tiny_town.ingest()
    assert "\n" not in str(caught.value)


def test_attributes_may_be_called_anything(tiny_town):
    odd = (
        "number",
        "line",
        "content",
        "text",
        "need",
        "row",
        "old",
        "household",
        "from",
        'a "b"',
        "户主 年龄",
        "Known_From",
    )
    rows = [row | {name: f"{name}{index}" for name in odd} for index, row in enumerate(households())]
    tiny_town.write("households", rows)
    report = tiny_town.ingest()
    assert report.unread_columns == {"households.csv": ["Known_From"]}
    attributes = tiny_town.records().households.attributes
    assert set(attributes) == {"children", "low_income", "housing", *odd} - {"Known_From"}
    assert set(attributes['a "b"'].distinct) == {f'a "b"{index}' for index in range(13)}
    assert counts(tiny_town.ingest())["households"] == (0, 0, 13)
    tiny_town.write("households", [{name.upper(): value for name, value in row.items()} for row in rows])
    assert counts(tiny_town.ingest())["households"] == (0, 0, 13)


def test_a_register_may_have_hundreds_of_attributes(tiny_town):
    wide = {f"column {number}": "1" for number in range(250)}
    tiny_town.write("households", [row | wide for row in households()])
    assert counts(tiny_town.ingest())["households"] == (13, 0, 0)


KILLED = """
import os, signal, sys
from pathlib import Path
from features.ingest.ingest import ingest

seen, last = 0, int(sys.argv[3])

def count(frame, event, called):
    global seen
    if event == "c_call" and called.__name__ in ("execute", "replace"):
        seen += 1
        if seen == last:
            os.kill(os.getpid(), signal.SIGKILL)

sys.setprofile(count)
ingest(Path(sys.argv[1]), Path(sys.argv[2]))
sys.setprofile(None)
print(seen)
"""


def test_killed_at_any_moment_and_run_again(tiny_town, tmp_path):
    """Killed before one of its queries, or before a file takes its place: as before or as after, never half."""
    tiny_town.ingest()
    before = stored(tiny_town)
    tiny_town.write(
        "requests",
        [*requests(), *(request | {"request_id": f"K{request['request_id']}"} for request in requests())],
    )
    tiny_town.write("households", [household | {"housing": "租房"} for household in households()])
    held = shutil.copytree(tiny_town.workspace, tmp_path / "held")
    other = TinyTown(tiny_town.directory, held)

    def run(last):
        return run_to_end(KILLED, other.directory, other.workspace, last)

    moments = int(run(0)[1])
    after, files = stored(other), sorted(path.name for path in held.rglob("*"))
    assert after["requests"] != before["requests"] and after["households"] != before["households"]
    for share in (0.4, 0.9, 1.0):
        shutil.rmtree(held)
        shutil.copytree(tiny_town.workspace, held)
        left = held / f"{STORE}.tmp"  # what a run that is killed has moved out of memory
        left.mkdir()
        assert run(round(share * moments))[0] == -signal.SIGKILL
        assert stored(other) in (before, after)
        other.ingest()
        assert stored(other) == after
        assert sorted(path.name for path in held.rglob("*")) == files


def recorded(rows: list[dict], time: str) -> list[dict]:
    """Rows that say when they were recorded: without it, a row that comes late is known from when it came."""
    return [row | {"recorded_at": row.get("recorded_at") or row[time]} for row in rows]


@settings(max_examples=5)
@given(st.lists(st.lists(st.integers(0, 7), max_size=8), min_size=1, max_size=3), st.randoms())
def test_exports_that_overlap_in_any_way_give_the_records_of_one(tmp_path_factory, parts, random):
    place = tmp_path_factory.mktemp("overlap")
    whole = make_tiny_town(place / "export", place / "whole")
    for table in ("residents", "opt_outs", "workers"):
        (whole.directory / f"{table}.csv").unlink()
    asked, visited = recorded(requests(), "requested_at"), recorded(outreach(), "contacted_at")
    whole.write("requests", asked)
    whole.write("outreach", visited)
    whole.ingest()
    split = TinyTown(whole.directory, place / "split")
    for part in [*parts, range(8)]:
        chosen = [asked[index] for index in part]
        random.shuffle(chosen)
        split.write("requests", chosen)
        split.write("outreach", [row for row in visited if random.random() < 0.5])
        split.ingest()
    split.write("outreach", visited)
    split.ingest()
    assert_equal_records(whole.records(), split.records())


def test_a_part_of_the_tables_can_be_added(tiny_town, tmp_path):
    tiny_town.ingest()
    part = TinyTown(tmp_path / "part", tiny_town.workspace)
    part.directory.mkdir()
    part.write("outreach", [outreach()[3] | {"outcome": "needed"}])
    report = ingest(part.directory, part.workspace, everything=False)
    assert counts(report) == {"outreach": (0, 1, 0)}


def test_a_table_of_which_nothing_can_be_used_is_said(tiny_town):
    tiny_town.write("requests", [row | {"household_id": "nobody"} for row in requests()])
    report = tiny_town.ingest()
    assert "诉求: 没有一行读得进，请核对列名、格式和编号" in report.lines()
    assert report.exit_code() == 3  # the other tables were taken


def test_nothing_taken_ends_with_one(tiny_town):
    for table in ("residents", "outreach", "opt_outs", "workers"):
        (tiny_town.directory / f"{table}.csv").unlink()
    tiny_town.write("households", [row | {"household_id": "3.30481E+17"} for row in households()])
    assert tiny_town.ingest().exit_code() == 1


def test_check_says_what_ingest_says_and_changes_nothing(tiny_town):
    tiny_town.write("requests", [*requests(), requests()[0] | {"request_id": "R9", "need": "gold"}])
    before = check(tiny_town.directory, tiny_town.workspace)
    assert not tiny_town.workspace.exists()
    report = tiny_town.ingest()
    assert counts(before) == counts(report)
    assert before.all_findings() == report.all_findings()
    held = stored(tiny_town)
    tiny_town.write("requests", [])
    check(tiny_town.directory, tiny_town.workspace)
    assert stored(tiny_town) == held


def test_damaged_ids_are_never_used(tiny_town):
    cut = [f"33048119470115{n}000" for n in range(1, 4)]
    rows = [households()[0] | {"household_id": one} for one in (*cut, "3.30481E+17", "330481194701151029")]
    tiny_town.write("households", [*households(), *rows])
    report = tiny_town.ingest()
    assert report.tables["households"].quarantined == 4
    assert "330481194701151029" in tiny_town.records().household_ids


def test_ids_that_differ_by_leading_zeros_are_named(tiny_town):
    rows = [households()[0] | {"household_id": one} for one in ("123", "00123")]
    tiny_town.write("households", [*households(), *rows])
    assert any("00123 / 123" in line for line in tiny_town.ingest().lines())
    assert {"123", "00123"} <= set(tiny_town.records().household_ids)


@pytest.mark.parametrize("written", ["h2", "'H02", "H 002", "Ｈ０２"])
def test_an_unknown_household_that_is_nearly_a_known_one_is_shown(tiny_town, written):
    tiny_town.write("requests", [requests()[0] | {"household_id": written}, *requests()[1:]])
    report = tiny_town.ingest()
    assert f"requests.csv: 户号和住户表写得不一样，没有用：{written} ≈ H02" in "\n".join(report.lines())
    assert report.tables["requests"].quarantined == 1


def test_households_whose_zeros_were_lost_do_not_double_a_town(tiny_town):
    def with_ids(ids):
        for table in ("households", "requests"):
            rows = TABLE_ROWS[table]()
            tiny_town.write(table, [row | {"household_id": ids(row["household_id"][1:])} for row in rows])
        for table in ("residents", "outreach", "opt_outs"):
            tiny_town.write(table, [])

    with_ids(lambda number: f"000{number}")
    tiny_town.ingest()
    with_ids(lambda number: str(int(number)))
    with pytest.raises(UserError, match=r"12 户是新编号，但与已有住户只差前导零或大小写（1 / 00001）"):
        ingest(tiny_town.directory, tiny_town.workspace, accept=False)
    assert len(tiny_town.records().household_ids) == 12


def test_grids_that_differ_by_blanks_brackets_or_width_are_one(tiny_town):
    names = ["第1网格(东)", "第１网格（东）", "第1网格 （东）", "第1网格(东)"]
    rows = [row | {"grid_id": name} for row, name in zip(households()[:4], names, strict=True)]
    tiny_town.write("households", rows + households()[4:12])
    tiny_town.ingest()
    assert sorted(set(tiny_town.records().grid_ids)) == ["G2", "G3", "第1网格(东)"]
    tiny_town.write("households", [rows[1]])
    assert counts(tiny_town.ingest())["households"] == (0, 0, 1)


def test_grids_whose_number_is_written_in_other_signs_are_one_and_said_to_be(tiny_town):
    names = ["第一网格", "第一网格", "1网格", "01号网格"]
    rows = [row | {"grid_id": name} for row, name in zip(households()[:4], names, strict=True)]
    tiny_town.write("households", rows + households()[4:12])
    said = "\n".join(tiny_town.ingest().lines())
    assert sorted(set(tiny_town.records().grid_ids)) == ["G2", "G3", "第一网格"]
    assert "写得不一样，当成同一个" in said and "1网格 = 第一网格" in said


def test_the_same_as_above_is_taken_from_above(tiny_town):
    rows = requests()[1:4]
    rows[1] |= {"requested_at": "同上", "recorded_at": "〃"}
    tiny_town.write("requests", rows)
    tiny_town.ingest()
    records = tiny_town.records().requests
    found = dict(zip(records.request_id, records.requested, strict=True))
    assert found["R3"] == found["R2"] == day("2024-05-20 10:30")


def test_a_required_table_in_another_format_is_named(tiny_town):
    (tiny_town.directory / "households.csv").rename(tiny_town.directory / "households.xls")
    with pytest.raises(UserError, match=r"households\.xls：这种文件读不了，请另存为 \.xlsx 或 \.csv"):
        tiny_town.ingest()


def test_a_need_that_nobody_can_have_is_named_with_its_column_and_values(tiny_town):
    rows = [row | {"children": ("2-3个", "")[place % 2]} for place, row in enumerate(households())]
    tiny_town.write("households", rows)
    (line,) = [one for one in tiny_town.ingest().lines() if "暑期托管" in one]
    assert "12 户里没有一户符合 children > 0" in line and "4 条诉求" in line
    assert "2-3个" in line and "children：" in line


def test_households_of_whom_nobody_can_tell_are_counted(tiny_town):
    rows = [
        row | {"children": "很多" if row["household_id"] == "H02" else row["children"]}
        for row in households()
    ]
    tiny_town.write("households", rows)
    (line,) = [one for one in tiny_town.ingest().lines() if "暑期托管" in one]
    assert "1 户看不出" in line and "很多" in line


def test_units_and_unknown_words_leave_a_number_a_number(tiny_town):
    rows = [row | {"children": f"{row['children']}个"} for row in households()]
    rows[0]["children"] = "不详"
    tiny_town.write("households", rows)
    assert tiny_town.ingest().exit_code() == 0


def test_a_column_that_other_cells_keep_from_being_a_number_or_birth_is_named(tiny_town):
    odd = [
        row
        | {
            "children": "很多" if place < 4 else row["children"],
            "head_birth_year": 40 + place,
            "联系电话": f"1380000{place:04d}" if place > 2 else "0571-88120000/13800000000",
        }
        for place, row in enumerate(households())
    ]
    tiny_town.write("households", odd)
    lines = tiny_town.ingest().lines()
    assert any("children 大多是数或是否" in line and "很多，共 4 处" in line for line in lines)
    assert any("head_birth_year 读不成出生日期" in line and "，共 13 处" in line for line in lines)
    assert not any("电话" in line for line in lines)


def test_workers_who_are_named_no_longer_or_have_left_get_no_visits(tiny_town):
    tiny_town.ingest()
    tiny_town.write("workers", workers()[:2])
    report = tiny_town.ingest()
    assert "工作人员: 名单里不再有这些工作人员，不再给他们排走访：W3，共 1 处" in "\n".join(report.lines())
    assert list(tiny_town.records().workers["worker_id"]) == ["W1", "W2"]
    states = ("在岗", "已离职", "在岗")
    tiny_town.write("workers", [{**row, "状态": state} for row, state in zip(workers(), states, strict=True)])
    assert tiny_town.ingest().tables["workers"].quarantined == 1
    assert list(tiny_town.records().workers["worker_id"]) == ["W1", "W3"]
    (tiny_town.directory / "workers.csv").unlink()
    tiny_town.ingest()
    assert list(tiny_town.records().workers["worker_id"]) == ["W1", "W3"]


def test_a_part_of_a_list_of_workers_stops_a_monday(tiny_town):
    tiny_town.ingest()
    tiny_town.write("workers", workers()[:1])
    with pytest.raises(UserError, match="3 个网格、微网格里有 2 个（G2、G3 等）"):
        ingest(tiny_town.directory, tiny_town.workspace, accept=False)
    assert len(tiny_town.records().workers) == 3


def test_a_worker_whose_row_breaks_apart_or_whose_note_speaks_of_leaving_stays(tiny_town):
    tiny_town.ingest()
    path = tiny_town.write("workers", [{**row, "备注": "停用旧手机号，接替离职的老王"} for row in workers()])
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([*lines[:3], lines[3] + ",x,y"]) + "\n", "utf-8")
    assert tiny_town.ingest().tables["workers"].quarantined == 1
    assert list(tiny_town.records().workers["worker_id"]) == ["W1", "W2", "W3"]
