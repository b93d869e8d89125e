"""Files become rows of texts with the line of each: encodings, kinds of file, rows that broke apart."""

import csv
import io
import os
import re
from unittest.mock import patch

import openpyxl
import pandas as pd
import pytest
from hostile_workbooks import far_cell
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.styles import Font
from tiny_town import households

from features.findings import Weight
from features.ingest import csv_reader as csv_rows
from features.ingest import files
from features.ingest.csv_reader import LINE, read_csv
from features.ingest.directory import find_tables
from features.ingest.files import place_of, read_table
from features.ingest.ingest import check, ingest
from features.language import UserError

PIECES = (  # sizes in which a file is taken apart
    {"PIECE": 1 << 24, "CAREFUL": 1 << 16},
    {"PIECE": 24, "CAREFUL": 6},
    {"PIECE": 3, "CAREFUL": 1},
)


def csv_file(tmp_path, content):
    path = tmp_path / "some.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows_of(read):
    return [tuple(row.values()) for row in read.rows.to_pylist()]


@pytest.mark.parametrize("pieces", PIECES)
def test_lines_are_physical_lines_past_quoted_newlines_and_blank_lines(tmp_path, pieces):
    with patch.multiple(csv_rows, **pieces):
        read = read_csv(csv_file(tmp_path, 'a,b\r\n1,"x\ny"\r\n\r\n2,"say ""hi"""\r\n,\r\n3,z'))
    assert rows_of(read) == [("1", "x\ny", 2), ("2", 'say "hi"', 5), ("", "", 6), ("3", "z", 7)]
    assert read.bad == []


@pytest.mark.parametrize("pieces", PIECES)
def test_rows_with_another_number_of_fields_are_set_aside_with_their_line(tmp_path, pieces):
    with patch.multiple(csv_rows, **pieces):
        read = read_csv(csv_file(tmp_path, 'a,b\n1,2\n3\n"4\n4",5\n6,7,8\n9,10'))
    assert rows_of(read) == [("1", "2", 2), ("4\n4", "5", 4), ("9", "10", 7)]
    assert [(bad.line, bad.content) for bad in read.bad] == [(3, "3"), (6, "6,7,8")]
    assert "该有 2 列" in read.bad[0].reason


@pytest.mark.parametrize("pieces", PIECES)
def test_a_stray_quote_costs_its_own_line_only(tmp_path, pieces):
    with patch.multiple(csv_rows, **pieces):
        read = read_csv(csv_file(tmp_path, 'a,b\n1,"open\n2,two\n3,5" pipe\n"4\n4",four\n5,"x"y\n6,six\n'))
    assert rows_of(read) == [("2", "two", 3), ("3", '5" pipe', 4), ("4\n4", "four", 5), ("6", "six", 8)]
    assert [bad.line for bad in read.bad] == [2, 7]


@pytest.mark.parametrize("pieces", PIECES)
def test_a_byte_that_is_no_text_costs_its_row_only(tmp_path, pieces):
    content = "a,b\n1,托管\n2,x\n3,送饭\n".encode().replace(b"x", b"\xff")
    with patch.multiple(csv_rows, **pieces):
        read = read_csv(csv_file(tmp_path, content))
    assert rows_of(read) == [("1", "托管", 2), ("3", "送饭", 4)]
    assert [bad.line for bad in read.bad] == [3]


@pytest.mark.parametrize(("encoding", "word"), [("gb18030", "东区"), ("big5", "東區"), ("cp932", "さくら町")])
def test_a_few_characters_tell_the_encoding(tmp_path, encoding, word):
    read = read_csv(csv_file(tmp_path, f"a,b\n1,{word}\n".encode(encoding)))
    assert rows_of(read) == [("1", word, 2)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_read_and_said(tmp_path, encoding):
    read = read_csv(csv_file(tmp_path, "grid_id,name\n东区,甲\n西区,乙\n".encode(encoding)))
    assert rows_of(read) == [("东区", "甲", 2), ("西区", "乙", 3)]
    assert "文字编码按 utf-16" in read.findings[0].line()


@pytest.mark.parametrize(
    ("encoding", "text"), [("big5", "東區文化路"), ("cp932", "東地区さくら町"), ("euc_jp", "東地区さくら町")]
)
def test_an_unusual_encoding_is_said_with_some_of_its_text(tmp_path, encoding, text):
    read = read_csv(csv_file(tmp_path, f"a\n{text}\n".encode(encoding)))
    assert read.findings[0].line().startswith(f"some.csv: 文字编码按 {encoding} 读：東")


def test_korean_is_said_not_to_be_told_from_chinese(tmp_path):
    korean = read_csv(csv_file(tmp_path, "a\n서울특별시 종로구 가회동\n".encode("euc-kr")))
    assert "也可能是韩文" in korean.findings[0].line()
    chinese = read_csv(csv_file(tmp_path, "a\n东山街道第一网格文化路小区\n".encode("gb18030")))
    assert not chinese.findings


def test_a_workbook_that_is_called_csv_says_so(tmp_path):
    openpyxl.Workbook().save(tmp_path / "some.csv")
    with pytest.raises(UserError, match="其实是 Excel 工作簿"):
        read_csv(tmp_path / "some.csv")


@pytest.mark.parametrize("kind", ["csv", "parquet", "xlsx"])
def test_characters_that_do_not_show_are_taken_out_and_said(tiny_town, kind):
    rows = households()
    rows[2] = rows[2] | {"household_id": "\u202eH03\u202c", "grid_id": "G1\u200b", "housing": "租\ufeff房"}
    path = tiny_town.write("households", rows, kind)
    read = read_table("households", path)
    third = read.rows.to_pylist()[2]
    assert (third["household_id"], third["grid_id"], third["housing"]) == ("H03", "G1", "租房")
    said = [finding.line() for finding in read.findings]
    assert len(said) == 3 and all("看不见的字符" in one and "第 " in one for one in said)


def test_a_zero_in_a_cell_costs_no_row(tiny_town):
    path = tiny_town.directory / "households.csv"
    path.write_bytes(path.read_bytes().replace(b"H03,G1", b"H03,G\x001"))
    assert read_table("households", path).rows["grid_id"].to_pylist()[2] == "G1"


def test_a_text_that_makes_no_sense_in_any_encoding_is_refused(tmp_path):
    with pytest.raises(UserError, match="CSV UTF-8"):
        read_csv(csv_file(tmp_path, "a,b\n1,Zürich Müller\n".encode("latin-1")))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path, encoding, line_end):
    read = read_csv(csv_file(tmp_path, line_end.join(["a,b", "1,托管"]).encode(encoding)))
    assert read.names == ["a", "b"]
    assert rows_of(read) == [("1", "托管", 2)]


fields = st.text(st.sampled_from('ab,"\n托 '), max_size=6)


@given(st.lists(st.tuples(fields, fields, fields), max_size=12), st.sampled_from(PIECES))
def test_whatever_a_csv_writer_writes_is_read_back_with_its_line(tmp_path_factory, rows, pieces):
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow("xyz")
    expected = []
    for row in rows:
        line = text.getvalue().count("\n") + 1
        writer.writerow(row)
        expected.append((*row, line))
    with patch.multiple(csv_rows, **pieces):
        read = read_csv(csv_file(tmp_path_factory.getbasetemp(), text.getvalue()))
    assert rows_of(read) == expected
    assert read.bad == []


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("requests.csv", b"", "文件是空的"),
        ("requests.csv", b"\n\n", "文件是空的"),
        ("requests.csv", b"\x9d\x9d\x81\x00\xff\xfe\x00" * 9, "CSV UTF-8"),
        ("requests.csv", b"request_id,household_id,need\n", "缺少列 诉求时间（requested_at）"),
        (
            "requests.csv",
            b"request_id,household_id,requested_at\n",
            "缺少列 需求类别（need）或诉求内容（text）",
        ),
        ("requests.csv", b"request_id,household_id,requested_at,need,Need\n", "需求（need） 出现了两次"),
        ("requests.csv", b"request_id;household_id;requested_at;need\n", "“;”隔开，请另存为逗号分隔的 CSV"),
        ("requests.csv", b"request_id\thousehold_id\trequested_at\tneed\n", "制表符隔开"),
        ("requests.csv", "request_id,住家,requested_at,need\n".encode(), "住家.*请改成这些名字"),
        ("requests.parquet", b"PAR1 broken", "parquet"),
        ("requests.xlsx", b"PK broken", "xlsx"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_in_one_line(tmp_path, name, content, match):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=match) as caught:
        read_table("requests", path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_titles_above_the_header_of_a_sheet_are_passed_over(tiny_town):
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    for row in (
        ["西山社区家庭表"],
        [],
        ["Household_ID ", "grid_id", "microgrid_id", "valid_from", None, "children"],
        ["H1", "G1", "G1-1", "2024-01-01", None, 2.0],
    ):
        sheet.append(row)
    workbook.save(tiny_town.directory / "households.xlsx")
    read = read_table("households", tiny_town.directory / "households.xlsx")
    assert read.columns == ["household_id", "grid_id", "microgrid_id", "valid_from"]
    assert read.attributes == ["children"]
    assert rows_of(read) == [("H1", "G1", "G1-1", "2024-01-01", "2", 4)]


def test_the_sheet_named_like_the_table_is_read(tiny_town):
    with pd.ExcelWriter(tiny_town.directory / "workers.xlsx") as workbook:
        pd.DataFrame({"说明": ["请填写下一页"]}).to_excel(workbook, sheet_name="说明", index=False)
        workers = pd.DataFrame({"worker_id": ["W1"], "role": ["steward"]})
        workers.to_excel(workbook, sheet_name="workers", index=False)
    read = read_table("workers", tiny_town.directory / "workers.xlsx")
    assert rows_of(read) == [("W1", "steward", 2)]


def test_files_of_a_directory(tiny_town):
    (tiny_town.directory / "notes.txt").write_text("x")
    (tiny_town.directory / "~$households.xlsx").write_text("x")
    (tiny_town.directory / "truth").mkdir()
    found = find_tables(tiny_town.directory)
    assert list(found.tables) == ["households", "requests", "residents", "outreach", "opt_outs", "workers"]
    assert found.unread == ["notes.txt"]
    (tiny_town.directory / "requests.xlsx").write_text("x")
    with pytest.raises(UserError, match=r"requests\.csv 和 requests\.xlsx 是同一张表"):
        find_tables(tiny_town.directory)
    with pytest.raises(UserError, match="没有这个目录"):
        find_tables(tiny_town.directory / "nowhere")


@pytest.mark.parametrize(
    "name",
    [
        "opt_outs.xls",
        "opt_outs (1).csv",
        "opt_outs - 副本.csv",
        "Households 2.XLSX",
        "requests 2.csv",
        "副本opt_outs.xlsx",
        "optouts.csv",
        "requests_2024.xlsm",
        "residents.ods",
        "拒访名单.xlsx",
        "opt_outs.csv.bak",
    ],
)
def test_a_file_that_looks_like_a_table_and_is_not_read_stops_the_run(tiny_town, name):
    (tiny_town.directory / name).write_text("x")
    with pytest.raises(UserError, match=re.escape(name)) as caught:
        find_tables(tiny_town.directory)
    assert "\n" not in str(caught.value)


def workbook(path, **sheets):
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    return made, path


WORKERS = ["worker_id", "role"]


def test_every_sheet_of_a_workbook_is_read_with_its_own_lines(tiny_town):
    path = tiny_town.directory / "workers.xlsx"
    made, _ = workbook(
        path,
        说明=[["填表说明"]],
        一月=[WORKERS, ["W1", "steward"]],
        二月=[["月报"], ["role", "worker_id", "name"], ["steward", "W2", "甲"]],
        三月=[WORKERS],
        旧=[WORKERS, ["W1", "grid_worker"]],
    )
    made["旧"].sheet_state = "hidden"
    made["二月"]["B3"].font = Font(strike=True)
    made.save(path)
    read = read_table("workers", path)
    rows = [(row["worker_id"], row["role"], *place_of(read, row[LINE])) for row in read.rows.to_pylist()]
    assert rows == [
        ("W1", "grid_worker", "[旧]", 2),
        ("W1", "steward", "[一月]", 2),
        ("W2", "steward", "[二月]", 3),
    ]
    assert any("旧" in finding.what for finding in read.findings) and any(
        "说明" in finding.what for finding in read.findings
    )
    assert any("二月 第 3 行有划掉的格" in finding.what for finding in read.findings)


def test_names_of_columns_are_one_whatever_their_case_and_stand_once_in_a_sheet(tiny_town):
    path = tiny_town.directory / "workers.xlsx"
    made, _ = workbook(
        path, 一月=[WORKERS, ["W1", "steward"]], 二月=[["Worker_ID", "Role"], ["W2", "grid_worker"]]
    )
    made.save(path)
    rows = read_table("workers", path).rows.to_pylist()
    assert [(row["worker_id"], row["role"]) for row in rows] == [("W1", "steward"), ("W2", "grid_worker")]
    made["二月"]["C1"], made["二月"]["C2"] = "role", "steward"
    made.save(path)
    with pytest.raises(UserError, match="工作表 二月 的列 role 出现了两次"):
        read_table("workers", path)


def test_a_sheet_that_is_another_table_stops_the_run(tiny_town):
    path = tiny_town.directory / "workers.xlsx"
    made, _ = workbook(path, workers=[WORKERS, ["W1", "steward"]], opt_outs=[["household_id"], ["H1"]])
    made.save(path)
    with pytest.raises(UserError, match=r"opt_outs\.xlsx"):
        read_table("workers", path)


def test_merged_cells_are_filled_down_and_said(tiny_town):
    path = tiny_town.directory / "workers.xlsx"
    made, _ = workbook(path, workers=[WORKERS, ["W1", "steward"], ["W2", None], ["W3", None]])
    made["workers"].merge_cells("B2:B4")
    made.save(path)
    read = read_table("workers", path)
    assert read.rows["role"].to_pylist() == ["steward"] * 3
    assert any("合并" in finding.what for finding in read.findings)


def test_cells_that_are_merged_to_the_right_are_said(tiny_town):
    path = tiny_town.write("households", households(), "xlsx")
    book = openpyxl.load_workbook(path)
    book.active.merge_cells("E3:F3")
    book.save(path)
    read = read_table("households", path)
    assert any("横向合并" in finding.what for finding in read.findings)


def test_a_hostile_workbook_ends_in_one_line_and_leaves_the_records(tiny_town):
    tiny_town.ingest()
    (tiny_town.directory / "workers.csv").unlink()
    far_cell(tiny_town.directory / "workers.xlsx")
    for read in (check, ingest):
        with pytest.raises(UserError, match=r"workers\.xlsx：太大") as caught:
            read(tiny_town.directory, tiny_town.workspace)
        assert "\n" not in str(caught.value)
    assert len(tiny_town.records().household_ids) == 12


def test_a_parquet_file_of_more_cells_than_can_be_read_is_told_before_it_is_read(tiny_town):
    path = tiny_town.write("households", households(), "parquet")
    with (
        patch.object(files, "MOST_CELLS", 50),
        pytest.raises(UserError, match=r"households\.parquet：超过 50 格"),
    ):
        read_table("households", path)


def test_a_header_of_two_rows_names_what_is_below(tiny_town):
    path = tiny_town.directory / "households.xlsx"
    head = ["household_id", "grid_id", "microgrid_id", "valid_from"]
    made, _ = workbook(
        path,
        Sheet=[
            [*head, "家庭成员", None],
            [None] * 4 + ["children", "elders"],
            ["H1", "G", "M", "2024-01-01", 3, 0],
        ],
    )
    made.save(path)
    read = read_table("households", path)
    assert read.attributes == ["children", "elders"]
    assert rows_of(read) == [("H1", "G", "M", "2024-01-01", "3", "0", 3)]


def test_a_column_without_a_heading_that_holds_something_is_said(tmp_path):
    path = tmp_path / "workers.csv"
    path.write_text("worker_id,role,,\nW1,steward,13900,\n", "utf-8")
    (found,) = read_table("workers", path).findings
    assert "第 3 列" in found.what and found.examples == ("13900",)


@pytest.mark.parametrize("kind", ["parquet", "xlsx"])
def test_a_file_damaged_in_its_middle_is_named_in_one_line(tiny_town, kind):
    path = tiny_town.write("households", households() * 20, kind)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = b"\xff" * 400
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"households.{kind}") as caught:
        read_table("households", path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["households.csv", "households.parquet", "households.xlsx"])
def test_a_pipe_in_the_place_of_a_table_is_told(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(UserError, match=r"读不到|没有这个文件"):
        read_table("households", tmp_path / name)


@pytest.mark.parametrize(
    "word", ["合计", "小 计", "合　　计", "总计：24户", "Total", "household_id", "户号", "户ID"]
)
def test_a_sum_and_the_header_once_more_are_no_households(tiny_town, word):
    rows = households()
    tiny_town.write("households", [*rows, {**rows[0], "household_id": word}])
    report = tiny_town.ingest()
    assert f"是合计或又一行表头，不是记录：第 {len(rows) + 2} 行" in "\n".join(report.lines())
    assert report.tables["households"].quarantined == 1


def test_another_header_further_down_stops_the_run(tiny_town):
    rows = households()
    names = [*rows[0]]
    swapped = [names[0], names[2], names[1], *names[3:]]
    assert swapped != names
    tiny_town.write("households", [*rows, dict(zip(names, swapped, strict=True)), rows[0]])
    with pytest.raises(
        UserError, match=f"households.csv：第 {len(rows) + 2} 行 又是一个表头，列与前面的不同"
    ):
        tiny_town.ingest()


def test_a_directory_with_tables_is_named(tiny_town):
    (tiny_town.directory / "2月").mkdir()
    (tiny_town.directory / "2月" / "requests.csv").write_text("request_id\n", encoding="utf-8")
    assert "没有用到的文件: 2月/" in "\n".join(tiny_town.ingest().lines())


@pytest.mark.parametrize("text", ["想要\ufffd\ufffd托管", "锟斤拷", "????", "东区".encode().decode("gbk")])
def test_texts_that_were_damaged_before_they_came_are_said(tiny_town, text):
    rows = [{**row, "remark": text if number == 1 else ""} for number, row in enumerate(households())]
    tiny_town.write("households", rows)
    assert "households.csv: remark 里有乱码，原来的字已经丢了：第 3 行，共 1 处" in "\n".join(
        tiny_town.ingest().lines()
    )


def test_a_sheet_without_a_header_that_holds_rows_weighs_more_than_a_cover(tiny_town):
    path = tiny_town.directory / "workers.xlsx"
    made, _ = workbook(
        path,
        说明=[["填表说明"]],
        一月=[WORKERS, ["W1", "steward"]],
        二月=[["W2", "steward"], ["W3", "steward"]],
    )
    made.save(path)
    found = {finding.what: finding for finding in read_table("workers", path).findings}
    assert found["工作表 说明 没有表头，没有读"].weight == Weight.NOTE
    lost = found["工作表 二月 没有表头，没有读"]
    assert (lost.weight, lost.rows) == (Weight.LOST, 2)


def test_a_hidden_list_to_choose_from_is_no_lost_sheet(tiny_town):
    path = tiny_town.directory / "workers.xlsx"
    made, _ = workbook(path, 一月=[WORKERS, ["W1", "steward"]], _角色=[["steward"], ["grid_worker"]])
    made["_角色"].sheet_state = "hidden"
    made.save(path)
    read = read_table("workers", path)
    assert len(read.rows) == 1 and not read.findings


@pytest.mark.parametrize("pieces", PIECES)
def test_rows_that_a_missing_quote_would_join_stay_apart(tmp_path, pieces):
    lines = ['R1,"要', '第二行,好"', 'R2,"送餐', "R3,助餐", 'R4,助餐"', "R5,助餐"]
    with patch.multiple(csv_rows, **pieces):
        read = read_csv(csv_file(tmp_path, "\n".join(["id,text", *lines])))
    assert read.rows["id"].to_pylist() == ["R1", "R3", "R4", "R5"]
    assert [row.line for row in read.bad] == [4]


def test_every_household_refuses_whose_row_a_missing_quote_would_join_to_another(tiny_town):
    text = 'household_id,from,备注\nH05,2024-02-01,"本人\nH06,2024-02-01,说\nH07,2024-02-01,电话"\n'
    (tiny_town.directory / "opt_outs.csv").write_text(text, encoding="utf-8")
    tiny_town.ingest()
    records = tiny_town.records()
    assert {str(records.household_ids[one]) for one in records.opt_outs.household} == {"H05", "H06", "H07"}


def test_texts_marked_for_a_spreadsheet_are_plain_and_failed_formulas_are_empty_and_told(tiny_town):
    rows = [{**row, "children": f"'{row['children']}"} for row in households()]
    rows[0] = {**rows[0], "household_id": '="H01"'}
    rows[1] = {**rows[1], "grid_id": "#NAME?"}
    rows[2] = {**rows[2], "household_id": '="H"&"03"'}
    rows[3] = {**rows[3], "children": "#DIV/0!"}
    tiny_town.write("households", rows)
    report = tiny_town.ingest()
    said = "\n".join(report.lines())
    assert "households.csv: 缺少 网格（grid_id）：第 3 行" in said
    assert "户号（household_id） 是没有结果的公式，不是编号：" in said
    assert (
        "有公式出错的格，当空的：网格（grid_id） #NAME?（第 3 行）、children #DIV/0!（第 5 行），共 2 处"
        in said
    )
    records = tiny_town.records()
    ids = [*map(str, records.household_ids)]
    assert ids[0] == "H01" and "H02" not in ids and "H03" not in ids
    assert records.households.attributes["children"].at(0) == "0"
