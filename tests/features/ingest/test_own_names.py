"""Messages name tables and columns as the office's own files do, and what stands around a table is no record."""

from pathlib import Path

import pytest
from openpyxl import Workbook
from tiny_town import TinyTown, households, make_tiny_town, requests

from features.language import UserError, speaking

HEAD = "诉求编号,户号,诉求时间,需求类别"


@pytest.fixture
def town(tmp_path: Path) -> TinyTown:
    """A town of which only households are there, under English names."""
    town = make_tiny_town(tmp_path / "export", tmp_path / "workspace")
    for path in town.directory.glob("*.csv"):
        path.unlink()
    town.write("households", households())
    return town


def hand_in(town: TinyTown, *lines: str, name: str = "诉求") -> str:
    (town.directory / f"{name}.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return "\n".join(town.ingest().lines())


def test_a_line_names_the_column_of_the_office_s_header_with_cell_and_line(town: TinyTown) -> None:
    said = hand_in(town, HEAD, "R1,H01,三月,暑期托管", "R2,,2024-03-01,暑期托管", "R3,H01,2024-03-01,A01")
    assert "诉求.csv: 诉求时间 读不懂：三月（第 2 行），共 1 处" in said
    assert "诉求.csv: 缺少 户号：第 3 行，共 1 处" in said
    assert "community.yaml 里没有这个需求：A01（第 4 行），共 1 处" in said
    (kept,) = (town.workspace / "quarantine").glob("*.csv")
    assert "诉求时间 读不懂：三月" in kept.read_text("utf-8-sig")


def test_a_column_with_the_contract_s_own_name_has_both_and_english_stays(town: TinyTown) -> None:
    town.write("requests", [{**requests()[0], "requested_at": "三月"}])
    report = town.ingest()
    assert "requests.csv: 诉求时间（requested_at） 读不懂：三月（第 2 行）" in "\n".join(report.lines())
    with speaking("en"):
        assert "requests.csv: requested_at cannot be read: 三月 (line 2)" in "\n".join(town.ingest().lines())


def test_titles_above_and_signatures_below_a_csv_are_no_records(town: TinyTown) -> None:
    said = hand_in(
        town,
        "2024年3月诉求登记表,,,",
        HEAD,
        "R1,H01,2024-03-01,暑期托管",
        "填表人：张三,,审核：李四,",
        "第1页,,,",
        "注：每月上报,,,",
    )
    assert "诉求：读 4 行，新增 1" in said
    assert "是落款、页码或说明，不是记录：第 4、5、6 行，共 3 处" in said
    assert "缺少" not in said


def test_a_remark_below_a_list_of_refusals_that_may_refuse_is_no_signature(town: TinyTown) -> None:
    hand_in(town, HEAD, "R1,H01,2024-03-01,暑期托管")
    said = hand_in(town, "户号,谢绝日期", "H01,2024-03-01", "填表人：张三,", "注：H02也拒访,", name="谢绝")
    assert "没有这一户：注：H02也拒访（第 4 行）" in said and "不是记录：第 3 行" in said


@pytest.mark.parametrize("day", ["1900-01-01", "1970-01-01 08:00"])
def test_a_day_with_which_programs_write_none_is_no_request_s(town: TinyTown, day: str) -> None:
    said = hand_in(town, HEAD, f"R1,H01,{day},暑期托管", "R2,H01,2024-03-01,暑期托管")
    assert f"诉求时间 不可能是这一天：{day}（第 2 行）" in said


def test_a_letter_in_the_place_of_a_digit_is_told_with_the_household_that_it_may_mean(town: TinyTown) -> None:
    assert "HO1 ≈ H01" in hand_in(town, HEAD, "R1,HO1,2024-03-01,暑期托管", "R2,H01,2024-03-01,暑期托管")


def test_a_refusal_that_seems_withdrawn_holds_and_is_told(town: TinyTown) -> None:
    hand_in(town, HEAD, "R1,H01,2024-03-01,暑期托管")
    rows = ["H01,2024-03-01,作废", "H02,2024-03-01,本人不同意上门", "H03,2024-03-01,4月起可以上门了"]
    said = hand_in(town, "户号,谢绝日期,备注", *rows, name="谢绝")
    assert (
        "谢绝照样有效：作废（第 2 行）、4月起可以上门了（第 4 行），共 2 处；要恢复走访的，请填 到哪天止"
        in said
    )
    assert len(town.records().opt_outs) == 3


def test_a_refusal_that_finds_its_household_by_name_is_told_where_its_day_cannot_be_read(
    town: TinyTown,
) -> None:
    town.write("households", [{**row, "户主": f"张{row['household_id']}"} for row in households()])
    hand_in(town, HEAD, "R1,H01,2024-03-01,暑期托管")
    said = hand_in(town, "户号,谢绝日期,姓名", ",三月初,张H02", name="谢绝")
    assert "谢绝日期 读不懂：三月初（第 2 行）" in said and len(town.records().opt_outs) == 1


def test_two_persons_with_one_number_are_not_called_the_same_record(town: TinyTown) -> None:
    hand_in(town, HEAD, "R1,H01,2024-03-01,暑期托管")
    rows = [
        "P1,H01,2023-01-01,张三",
        "P1,H02,2023-01-01,李四",
        "P2,H03,2023-01-01,王五",
        "P2,H03,2023-01-01,王武",
    ]
    said = hand_in(town, "居民编号,户号,登记日期,姓名", *rows, name="居民")
    assert "编号和后面另一户的相同，只读了后面的" in said and "同一条记录在后面又出现" in said


@pytest.mark.parametrize("name", ["诉求 - 副本.csv", "诉求2024年3月.csv", "住户(新).xlsx"])
def test_a_copy_or_month_of_a_table_stops_the_run(town: TinyTown, name: str) -> None:
    (town.directory / name).write_text("户号\nH01\n", "utf-8")
    with pytest.raises(UserError, match=r"像是(诉求|住户)表，但没有读|是同一张表|不是完整的"):
        hand_in(town, HEAD, "R1,H01,2024-03-01,暑期托管")


def test_a_table_in_a_format_that_is_not_read_is_named(town: TinyTown) -> None:
    (town.directory / "诉求.xls").write_bytes(b"x")
    with pytest.raises(UserError, match=r"诉求\.xls：这种文件读不了"):
        town.ingest()


def test_an_archive_is_told_as_not_opened(town: TinyTown) -> None:
    (town.directory / "导出.zip").write_bytes(b"PK")
    assert "导出.zip: 压缩包没有打开" in hand_in(town, HEAD, "R1,H01,2024-03-01,暑期托管")


@pytest.mark.parametrize(("shape", "shown"), [("000", "001"), ('"H"00', "H01"), ("0", "1"), ("0.00", "1")])
def test_a_number_is_read_with_the_zeros_that_its_cell_shows(town: TinyTown, shape: str, shown: str) -> None:
    book = Workbook()
    book.active.append(["户号", "网格", "微网格", "登记日期"])
    book.active.append([1, "G1", "1", "2023-01-01"])
    book.active.append([None, None, None, None])
    book.active["A2"].number_format = shape
    (town.directory / "households.csv").unlink()
    book.save(town.directory / "住户.xlsx")
    hand_in(town, HEAD, f"R1,{shown},2024-03-01,暑期托管")
    assert [*map(str, town.records().household_ids)] == [shown]
