"""A workbook of each shape, written from a made-up town with noise, comes back as the same records."""

import csv
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_town import (
    LedgerTown,
    ledger_town,
    write_days,
    write_register,
    write_requests,
    write_status,
    write_visits,
    write_warnings,
)
from openpyxl import Workbook
from openpyxl.styles import Font
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from features.contract.workbook_cells import SheetCells
from features.language import UserError
from features.linking.doors import read_door
from features.mapping.ledger_sheets import read_ledger, sheet_table
from features.mapping.mapping_file import (
    Mapping,
    file_pattern,
    mapping_for,
    mapping_path,
    mappings_of,
    read_mapping,
    with_earlier,
    write_mapping,
)
from features.mapping.propose import Proposal, propose
from features.mapping.take_rows import take_rows

ZONE = "Asia/Shanghai"


def mapped(path: Path) -> tuple[Proposal, pd.DataFrame]:
    """Propose a mapping, keep it, read it again, and read the ledger by it."""
    proposal = propose(path, read_ledger(path), ZONE)
    write_mapping(mapping_path(path), proposal.mapping)
    kept = read_mapping(mapping_path(path))
    assert kept == proposal.mapping
    return proposal, take_rows(path, kept, ZONE)


def door(address: str) -> tuple[str, ...]:
    found = read_door(address)
    assert found, address
    return found.building, found.unit, found.room


def used(records: pd.DataFrame) -> pd.DataFrame:
    return records[records["aside"] == ""].reset_index(drop=True)


def said(town: LedgerTown) -> list[tuple[Any, ...]]:
    return sorted((event.day, door(event.home.door), event.said) for event in town.events)


def read(records: pd.DataFrame) -> list[tuple[Any, ...]]:
    rows = used(records)
    return sorted(
        (when.date(), door(address), text.replace(",", "，"))
        for when, address, text in zip(rows["happened_at"], rows["address"], rows["text"], strict=True)
    )


@pytest.mark.parametrize(
    ("name", "write", "shape"),
    [("12345工单2025.csv", write_requests, "requests"), ("走访登记表.xlsx", write_visits, "visits")],
)
def test_a_row_a_request_and_a_row_a_visit(
    tmp_path: Path, name: str, write: Callable[..., None], shape: str
) -> None:
    town = ledger_town()
    write(town, tmp_path / name)
    proposal, records = mapped(tmp_path / name)
    assert [layout.shape for layout in proposal.mapping.layouts] == [shape]
    assert read(records) == said(town)
    rows = used(records)
    assert sorted(rows["person"]) == sorted(event.home.head[0] for event in town.events)
    assert sorted(rows["phone"]) == sorted(event.home.head[3] for event in town.events)


def test_a_row_a_day_with_many_doors_in_a_cell_on_a_sheet_a_month(tmp_path: Path) -> None:
    town = ledger_town()
    write_days(town, tmp_path / "民情日记.xlsx")
    proposal, records = mapped(tmp_path / "民情日记.xlsx")
    (layout,) = proposal.mapping.layouts
    assert layout.shape == "days" and layout.sheets == ("3月", "4月", "5月")
    rows = used(records)
    found = sorted(
        (when.date(), door(address)) for when, address in rows[["happened_at", "address"]].to_numpy()
    )
    assert found == [(day, home) for day, home, _ in said(town)]
    for when, address, text in rows[["happened_at", "address", "text"]].to_numpy():
        words = [
            one.replace("，", ",")
            for day, home, one in said(town)
            if (day, home) == (when.date(), door(address))
        ]
        assert any(one[-6:] in text for one in words)  # the person's name may stand before it


def test_a_row_a_person_with_the_householder_only_in_the_first(tmp_path: Path) -> None:
    town = ledger_town()
    write_register(town, tmp_path / "人口登记表.xlsx")
    proposal, records = mapped(tmp_path / "人口登记表.xlsx")
    (layout,) = proposal.mapping.layouts
    assert layout.shape == "persons" and set(layout.carried_down) == {"户主姓名", "家庭住址"}
    rows = used(records)
    people = [(home, person) for home in town.homes for person in home.people]
    assert rows["person"].tolist() == [person[0] for _, person in people]
    assert rows["address"].tolist() == [home.door for home, _ in people]
    assert rows["tags"].tolist() == [
        "、".join(home.tags) if person is home.head else "" for home, person in people
    ]
    assert set(rows["attributes"].map(lambda one: one["文化程度"])) <= {"小学", "初中", "大学"}


def test_a_state_instead_of_a_day_counts_at_the_end_of_its_month(tmp_path: Path) -> None:
    town = ledger_town()
    write_status(town, tmp_path / "诉求台账.xlsx")
    proposal, records = mapped(tmp_path / "诉求台账.xlsx")
    (layout,) = proposal.mapping.layouts
    assert layout.day_of_month == "last" and layout.columns["是否解决"] == "status"
    last = {3: date(2025, 3, 31), 4: date(2025, 4, 30), 5: date(2025, 5, 31)}
    expected = sorted((last[day.month], home, words) for day, home, words in said(town))
    assert read(records) == expected


def test_a_list_of_warnings(tmp_path: Path) -> None:
    town = ledger_town()
    homes = write_warnings(town, tmp_path / "预警名单.xlsx")
    proposal, records = mapped(tmp_path / "预警名单.xlsx")
    assert [layout.shape for layout in proposal.mapping.layouts] == ["warnings"]
    rows = used(records)
    assert rows["address"].tolist() == [home.door for home in homes]
    assert set(rows["warned_of"]) == {"医疗自付支出较大"} and rows["deadline"].notna().all()


CELL = st.one_of(
    st.just(""),
    st.sampled_from(
        ["合计", "3幢2单元501", "张三", "备注：无", "〃", "3月5日", "2025-13-40", "想订助餐", "是"]
    ),
    st.text(alphabet="张三五幢单元 1234.、-", max_size=8),
)


@settings(max_examples=40)
@given(rows=st.lists(st.lists(CELL, min_size=5, max_size=5), max_size=12))
def test_every_row_that_holds_something_ends_as_a_record(
    rows: list[list[Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    header = ["序号", "日期", "姓名", "住址", "诉求内容"]
    path = tmp_path_factory.getbasetemp() / "诉求台账.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    proposal = propose(
        path,
        read_ledger(path),
        ZONE,
        {"日期": "happened_at", "住址": "address", "诉求内容": "text", "姓名": "person"},
    )
    records = take_rows(path, proposal.mapping, ZONE)
    filled = {at for at, row in enumerate(rows, start=2) if any(str(value).strip(" '") for value in row)}
    assert set(records["source_row"]) == filled
    once = used(records)
    assert once["happened_at"].notna().all() and (once["text"] != "").all()


def test_next_months_file_is_read_by_the_same_mapping_and_a_changed_layout_stops(tmp_path: Path) -> None:
    town = ledger_town()
    write_visits(town, tmp_path / "走访台账2025年3月.xlsx")
    mapped(tmp_path / "走访台账2025年3月.xlsx")
    april = tmp_path / "走访台账2025年4月.xlsx"
    write_visits(town, april)
    mapping = mapping_for(april, mappings_of(tmp_path))
    assert mapping and len(take_rows(april, mapping, ZONE)) == 62
    book = Workbook()
    book.active.append(["序号", "走访日期", "姓名", "家庭住址", "电话", "走访情况", "走访人", "是否走访"])
    book.active.append([1, "4月2日", "赵建国", "1幢1单元101", "", "想订助餐", "赵敏", "是"])
    book.save(april)
    with pytest.raises(
        UserError, match=r"第 1 行：列和以前不一样.*少了 走访对象/姓名.*多了 姓名、家庭住址、电话.*map"
    ):
        take_rows(april, mapping, ZONE)


def test_a_column_renamed_next_month_is_mapped_beside_the_old_one_and_a_csv_beside_a_workbook(
    tmp_path: Path,
) -> None:
    paths = [tmp_path / name for name in ("诉求3月.csv", "诉求4月.csv", "诉求3月.xlsx")]
    for path, what in zip(paths, ("诉求内容", "反映问题", "问题描述"), strict=True):
        rows = [["时间", "姓名", "地址", what], ["2025-03-05", "张三", "3-2-501", "想订助餐"]]
        book = Workbook()
        for row in rows:
            book.active.append(row)
        if path.suffix == ".csv":
            path.write_text("\n".join(map(",".join, rows)), "utf-8")
        else:
            book.save(path)
        place, mapping = with_earlier(mapping_path(path), propose(path, read_ledger(path), ZONE).mapping)
        write_mapping(place, mapping)
    for path in paths:
        mapping = mapping_for(path, mappings_of(tmp_path))
        assert mapping and take_rows(path, mapping, ZONE)["text"].tolist() == ["想订助餐"]


def test_the_order_of_columns_does_not_matter(tmp_path: Path) -> None:
    paths = tmp_path / "诉求3月.xlsx", tmp_path / "诉求4月.xlsx"
    header = ["时间", "姓名", "地址", "诉求内容"]
    row = [datetime(2025, 3, 5), "张三", "3-2-501", "想订助餐"]
    for path, order in zip(paths, ((0, 1, 2, 3), (3, 2, 1, 0)), strict=True):
        book = Workbook()
        book.active.append([header[at] for at in order])
        book.active.append([row[at] for at in order])
        book.save(path)
    _, first = mapped(paths[0])
    mapping = mapping_for(paths[1], mappings_of(tmp_path))
    assert mapping
    second = take_rows(paths[1], mapping, ZONE)
    same = ["person", "address", "text", "happened_at"]
    assert first[same].to_numpy().tolist() == second[same].to_numpy().tolist()


@pytest.mark.parametrize(
    ("header", "row", "shape", "fields"),
    [
        (
            ["留言编号", "留言用户", "留言主题", "留言时间", "留言详情", "门牌"],
            ["20201", "A0001", "路灯", "2020/1/2 10:11", "西湖路的路灯坏了很久没人修", "3-2-501"],
            "requests",
            {"留言详情": "text", "留言时间": "happened_at", "留言主题": "title"},
        ),
        (
            ["日期", "走访户", "民情内容", "处理结果", "记录人"],
            ["2025.3.5", "3幢2单元501", "老人独居，想订送餐", "已联系食堂", "赵敏"],
            "visits",
            {"走访户": "address", "处理结果": "result", "记录人": "worker"},
        ),
        (
            ["楼栋", "单元", "门牌", "户主", "人口数", "困难类型", "手机号码"],
            [3, 2, 501, "张三", 4, "低保", "13800001111"],
            "households",
            {
                "楼栋": "building",
                "门牌": "room",
                "户主": "householder",
                "人口数": "attribute",
                "困难类型": "tags",
            },
        ),
        (
            ["户编号", "姓名", "关系", "小区/村", "组/楼栋", "单元", "门牌"],
            ["3301", "张三", "户主", "双喜村", "3组", "", "15号"],
            "persons",
            {"小区/村": "estate", "组/楼栋": "building", "门牌": "room"},
        ),
        (
            ["姓名", "性别", "证件号码", "现住址", "户籍地址", "人员标签"],
            ["张三", "男", "330102198001011234", "3幢2单元501", "外省", "党员、退役军人"],
            "persons",
            {"证件号码": "id_card", "现住址": "address", "人员标签": "tags"},
        ),
        (
            ["户主", "身份证号", "家庭地址", "风险类型", "下发时间", "反馈截止日期"],
            ["张三", "330102198001011234", "3幢2单元501", "因病致贫", "2025-04-01", "2025-04-20"],
            "warnings",
            {"风险类型": "warned_of", "反馈截止日期": "deadline"},
        ),
        (
            ["姓名", "家庭住址", "预警类型", "预警下发时间", "核查截止日期"],
            ["张三", "3幢2单元501", "大额医疗支出", "2025-11-20", "20251210"],
            "warnings",
            {"预警类型": "warned_of", "预警下发时间": "happened_at", "核查截止日期": "deadline"},
        ),
        (
            ["月", "日", "心愿人", "所在村组", "走访了解的情况", "认领人", "到访日期"],
            ["", "", "张三", "双喜村3组15号", "老人独居吃饭不方便，想订送餐", "李红", "2025.3.5"],
            "visits",
            {"心愿人": "person", "走访了解的情况": "text", "认领人": "ignored"},
        ),
        (
            ["走访日期", "户主", "住址", "走访情况", "是否愿意继续走访"],
            ["2025-03-05", "张三", "3-2-501", "老人独居，想订送餐", "愿意"],
            "visits",
            {"是否愿意继续走访": "refusal"},
        ),
        (
            ["姓名", "身份证号", "残疾类别", "家庭住址", "发证日期"],
            ["张三", "330102198001011234", "肢体", "3-2-501", "2020-01-01"],
            "persons",
            {"残疾类别": "attribute", "发证日期": "attribute"},
        ),
        (
            ["序号", "日期", "来访人", "住址", "联系电话", "来访事由", "办理情况", "接待人"],
            [1, "2025.3.5", "张三", "3-2-501", "", "修水管", "已答复", "小李"],
            "requests",
            {"来访人": "person", "来访事由": "text", "接待人": "worker"},
        ),
        (
            ["上报编号", "上报时间", "手机号", "上报位置", "问题描述", "现场照片", "状态"],
            [
                "S0001",
                "2025-03-05 10:11",
                "13800001111",
                "3-2-501",
                "水管漏水",
                "https://a.cn/1.jpg",
                "处理中",
            ],
            "requests",
            {"上报编号": "record_id", "上报位置": "address", "现场照片": "ignored"},
        ),
        (
            ["序号", "提交答卷时间", "1、您的姓名", "2、您的住址", "3、您家需要哪些服务（多选题）"],
            [1, "2025/3/5 10:11:12", "张三", "3-2-501", "A.助餐┋C.陪诊"],
            "requests",
            {"2、您的住址": "address", "3、您家需要哪些服务（多选题）": "text"},
        ),
        (
            ["红管家", "联系楼栋", "单元", "房号", "户主", "需要的服务", "登记日期", "是否落实"],
            ["刘红", "3幢", 2, 501, "张三", "送餐、陪诊", "20240606", "否"],
            "requests",
            {"需要的服务": "text", "登记日期": "happened_at", "是否落实": "status", "红管家": "worker"},
        ),
    ],
)
def test_headings_of_other_offices(
    tmp_path: Path, header: list[str], row: list[Any], shape: str, fields: dict[str, str]
) -> None:
    book = Workbook()
    book.active.append(header)
    book.active.append(row)
    book.save(tmp_path / "表.xlsx")
    proposal, records = mapped(tmp_path / "表.xlsx")
    (layout,) = proposal.mapping.layouts
    assert layout.shape == shape
    assert {name: layout.columns[name] for name in fields} == fields
    assert records["aside"].tolist() == [""]


def book_of(path: Path, *rows: list[Any]) -> Path:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def test_tables_side_by_side_on_a_sheet_are_read_apart(tmp_path: Path) -> None:
    path = book_of(
        tmp_path / "帮扶.xlsx",
        ["低保户", "", "", "", "来电登记"],
        ["序号", "户主", "住址", "", "序号", "姓名", "住址", "时间", "诉求"],
        [1, "张三", "3-2-501", "", 1, "李四", "4-1-101", "2025-03-05", "想订助餐"],
        [2, "王五", "5-1-202", "", 2, "赵六", "4-1-102", "2025-03-06", "水管漏水"],
        ["小计", "", "", "", 3, "孙七", "4-1-103", "2025-03-07", "找工作"],
    )
    homes, calls = read_ledger(path)
    assert (homes.title, calls.title) == ("低保户", "来电登记")
    assert [row[1:3] for row in homes.rows[:2]] == [["张三", "3-2-501"], ["王五", "5-1-202"]]
    _, records = mapped(path)
    asked = used(records[records["shape"] == "requests"])
    assert asked[["person", "text", "source_row"]].to_numpy().tolist() == [
        ["李四", "想订助餐", 3],
        ["赵六", "水管漏水", 4],
        ["孙七", "找工作", 5],
    ]


@pytest.mark.parametrize("names", ["需要的服务:{}", "3(A.{})", "需求/{}"])
def test_answers_that_are_ticked_in_a_column_each_are_what_was_asked(tmp_path: Path, names: str) -> None:
    head = ["提交时间", "姓名", "住址", *map(names.format, ("助餐", "陪诊", "托管"))]
    rows = [["2025-03-05", "张三", "3-2-501", 1, 0, 1], ["2025-03-06", "李四", "3-2-502", "", "√", ""]]
    _, records = mapped(
        book_of(tmp_path / "问卷.xlsx", head, *rows, ["2025-03-07", "王五", "3-2-503", 0, 0, 0])
    )
    assert records["text"].tolist() == ["助餐。托管", "陪诊", ""]
    assert records["aside"].tolist() == ["", "", "没有内容"]


def test_a_register_with_buildings_and_doors_within_them_is_one_of_households(tmp_path: Path) -> None:
    heads = ["户号", "网格", "楼栋", "门牌", "户主姓名", "联系电话", "其中：老人"]
    rows = [
        [
            f"{number:03}",
            "一网格",
            f"{number // 3 + 1}栋",
            f"1单元{number % 3 + 1}01",
            "王伟",
            13800000000 + number,
            1,
        ]
        for number in range(12)
    ]
    path = book_of(tmp_path / "台账.xlsx", heads, *rows)
    proposal, records = mapped(path)
    assert proposal.mapping.layouts[0].shape == "households"
    assert used(records)["address"].tolist()[:4] == [
        "1栋1单元101",
        "1栋1单元201",
        "1栋1单元301",
        "2栋1单元101",
    ]


def test_doors_whose_number_is_a_part_of_the_buildings_stay_apart(tmp_path: Path) -> None:
    """Shops 1 and 2 of building 12 are two, though 12幢 holds both digits."""
    heads = ["小区", "楼栋", "门牌", "户主姓名", "联系电话", "其中：老人"]
    doors = [*(f"1单元{floor}01" for floor in range(1, 10)), 1, 2, 12]
    rows = [
        ["西山花园", building, door, "王伟", 13800000000 + building * 100 + number, 1]
        for building in (12, 21)
        for number, door in enumerate(doors)
    ]
    _, records = mapped(book_of(tmp_path / "台账.xlsx", heads, *rows))
    found = used(records)["address"].tolist()
    assert len(set(found)) == len(rows) and found[0] == "西山花园12幢1单元101"


def test_an_undated_list_of_those_who_get_aid_is_a_register_and_an_amount_no_tags(tmp_path: Path) -> None:
    head = ["序号", "户主", "家庭住址", "月保障金", "类别"]
    rows = [[at, f"张{at}", f"{at}-1-101", "1,200元", "低保" if at % 2 else "低边"] for at in range(1, 5)]
    proposal, records = mapped(book_of(tmp_path / "低保花名册.xlsx", head, *rows))
    assert proposal.mapping.layouts[0].shape == "households"
    assert records["attributes"].iloc[0] == {"月保障金": "1,200元", "类别": "低保"}


def test_a_list_of_persons_of_whom_nobody_knows_a_householder_carries_no_address_down(tmp_path: Path) -> None:
    head = ["姓名", "身份证号", "残疾等级", "家庭住址"]
    rows = [
        [f"张{at}", f"33010219500101100{at}", "二级", f"{at}-1-101" if at != 3 else ""] for at in range(5)
    ]
    _, records = mapped(book_of(tmp_path / "残疾人名单.xlsx", head, *rows))
    assert records["address"].tolist() == ["0-1-101", "1-1-101", "2-1-101", "", "4-1-101"]


def test_a_sheet_without_a_header_goes_on_with_that_of_the_sheet_before(tmp_path: Path) -> None:
    book = Workbook()
    book.active.title = "1月"
    february, cover, sums = book.create_sheet("2月"), book.create_sheet("说明"), book.create_sheet("汇总")
    for row in (["日期", "姓名", "住址", "诉求内容"], ["1月3日", "张三", "3-2-501", "水管漏水"]):
        book.active.append(row)
    for row in (["2月4日", "李四", "4-1-101", "想订助餐"], ["2月5日", "王五", "4-1-102", "找工作"]):
        february.append(row)
    cover.append(["请每月填写", "谢谢"])
    sums.append(["月份", "人次", "已办结", "占比"])
    sums.append(["1月", 2, 1, "50%"])
    book.save(tmp_path / "来访2025.xlsx")
    _, records = mapped(tmp_path / "来访2025.xlsx")
    kept, aside = records[records["aside"] == ""], records[records["aside"] != ""]
    found = kept[["source_sheet", "source_row", "person", "text"]].to_numpy().tolist()
    assert found == [
        ["1月", 2, "张三", "水管漏水"],
        ["2月", 1, "李四", "想订助餐"],
        ["2月", 2, "王五", "找工作"],
    ]
    assert kept["happened_at"].dt.month.tolist() == [1, 2, 2]
    assert aside[["source_sheet", "source_row", "aside"]].to_numpy().tolist() == [
        ["说明", 1, "工作表 说明 没有读：没有找到表头"],
        ["汇总", 1, "工作表 汇总 没有读：没有找到表头"],
        ["汇总", 2, "工作表 汇总 没有读：没有找到表头"],
    ]


def test_every_row_of_a_sheet_that_is_not_read_is_set_aside(tmp_path: Path) -> None:
    book = Workbook()
    numbers = book.create_sheet("电话")
    for row in (["日期", "姓名", "住址", "诉求内容"], ["2025-01-03", "张三", "3-2-501", "水管漏水"]):
        book.active.append(row)
    for row in (["部门", "电话"], ["物业", "87001234"], [], ["水务", "87005678"]):
        numbers.append(row)
    book.save(tmp_path / "来访.xlsx")
    _, records = mapped(tmp_path / "来访.xlsx")
    aside = records[records["aside"] != ""]
    assert len(records) == 3
    assert aside[["source_sheet", "source_row", "aside"]].to_numpy().tolist() == [
        ["电话", 2, "工作表 电话 没有读：map 时没有选它"],
        ["电话", 4, "工作表 电话 没有读：map 时没有选它"],
    ]


def test_a_sheet_that_is_ticked_off_by_day_is_no_register(tmp_path: Path) -> None:
    head = ["序号", "姓名", "住址", *map(str, range(1, 29)), "合计"]
    path = book_of(tmp_path / "用餐登记.xlsx", head, [1, "张三", "3-2-501", *["√"] * 28, 28])
    with pytest.raises(UserError, match="一天一列"):
        propose(path, read_ledger(path), ZONE)


def test_a_ledger_of_unknown_words_that_names_homes_again_and_again_is_no_register(tmp_path: Path) -> None:
    rows = [[f"2025-03-{day:02}", f"{day % 4 + 1}-2-501", "小李"] for day in range(1, 29)]
    path = book_of(tmp_path / "台账.xlsx", ["日期", "住址", "值守"], *rows)
    with pytest.raises(UserError, match="看不出是哪种台账"):
        propose(path, read_ledger(path), ZONE)


def test_marks_of_web_pages_and_answers_that_say_nothing_are_no_text(tmp_path: Path) -> None:
    path = book_of(
        tmp_path / "随手拍.xlsx",
        ["时间", "住址", "问题描述"],
        ["2025-03-05", "3-2-501", "&nbsp;水管漏水&lt;br/&gt;请修 https://a.cn/1.jpg?x=1&amp;y=2"],
        ["2025-03-06", "3-2-501", "<p>无</p>"],
        ["2025-03-07", "3-2-501", "(空)"],
        ["本月合计", "", "3件"],
    )
    _, records = mapped(path)
    assert used(records)["text"].tolist() == ["水管漏水 请修"]
    assert records["aside"].str[:4].tolist() == ["", "没有内容", "没有内容", "不是记录"]


def test_a_month_from_which_a_register_holds_is_read_as_its_first_day(tmp_path: Path) -> None:
    head = ["户主", "家庭住址", "困难类型", "登记日期", "迁出日期"]
    ends = ["2024年5月", "2024.2", ""]
    told = zip(["2023.5", 45000, "不详"], ends, strict=True)
    rows = [[f"张{at}", f"{at}-1-101", "低保", *said] for at, said in enumerate(told, 1)]
    _, records = mapped(book_of(tmp_path / "花名册.xlsx", head, *rows))
    assert records["valid_from"].tolist() == ["2023-05-01", "2023-03-15", "不详"]
    assert records["valid_until"].tolist() == ["2024-05-31", "2024-02-29", ""]


@pytest.mark.parametrize("ending", [".xlsx", ".txt"])
def test_a_chat_copied_into_one_column_is_a_row_a_message(tmp_path: Path, ending: str) -> None:
    chat = [
        "李姐 3月5日 10:20",
        "3-2-501，楼道灯坏了",
        "有人修吗",
        "4-1-302王强 3月5日 下午2:31",
        "想给老人订餐",
    ]
    path = tmp_path / f"居民群2025年3月{ending}"
    book = Workbook()
    for text in chat:
        book.active.append([text])
    book.save(path) if ending == ".xlsx" else path.write_text("\n".join(chat), "utf-8")
    _, records = mapped(path)
    assert records["text"].tolist() == ["3-2-501，楼道灯坏了。有人修吗", "想给老人订餐"]
    assert records["person"].tolist() == ["李姐", "王强"]
    assert records["address"].tolist() == ["", "4-1-302"]
    assert records["happened_at"].tolist() == [datetime(2025, 3, 5, 10, 20), datetime(2025, 3, 5, 14, 31)]


def test_what_a_resident_wants_kept_confidential_is_set_aside(tmp_path: Path) -> None:
    book = Workbook()
    book.active.append(["来电时间", "来电人", "地址", "诉求内容", "是否保密"])
    for secret in ("是", "否", ""):
        book.active.append(["2025-03-05", "张三", "3-2-501", "想申请低保", secret])
    book.save(tmp_path / "12345.xlsx")
    _, records = mapped(tmp_path / "12345.xlsx")
    assert [aside[:6] for aside in records["aside"]] == ["居民要求保密", "", ""]


def test_a_row_that_was_struck_through_is_set_aside(tmp_path: Path) -> None:
    book = Workbook()
    book.active.append(["日期", "姓名", "住址", "诉求内容"])
    for room in (501, 502):
        book.active.append(["2025-03-05", "张三", f"3-2-{room}", "想订助餐"])
    for cell in book.active[2]:
        cell.font = Font(strike=True)
    book.save(tmp_path / "诉求.xlsx")
    _, records = mapped(tmp_path / "诉求.xlsx")
    assert [aside[:6] for aside in records["aside"]] == ["有划掉的格：", ""]


def test_a_formula_without_its_result_is_not_taken_for_a_blank(tmp_path: Path) -> None:
    book = Workbook()
    book.active.append(["序号", "日期", "姓名", "住址", "诉求内容"])
    for day in ("2025-03-05", "", "=DATE(2025,3,9)"):
        book.active.append(["=ROW()-1", day, "张三", "3-2-501", "想订助餐"])
    book.save(tmp_path / "走访.xlsx")
    _, records = mapped(tmp_path / "走访.xlsx")
    assert records["aside"].tolist() == ["", "", "时间看不懂：=DATE(2025,3,9)"]


def test_a_chain_is_a_row_for_each_who_joins_and_none_for_who_posts_it(tmp_path: Path) -> None:
    chain = ["#接龙", "重阳节送餐报名", "例：门牌 姓名", "1. 西苑3-2-501 王芳 两份"]
    chat = [
        *("社区小陈 10月9日 9:00", *chain[:3]),
        *("王芳 10月9日 9:20", *chain),
        *("李姐 10月9日 9:30", *chain, "", "2、李姐 西苑4幢301", "要软一点"),
        *("王强 10月9日 9:40", "楼道灯坏了"),
    ]
    book = Workbook()
    for text in chat:
        book.active.append([text])
    book.save(tmp_path / "居民群2025年.xlsx")
    _, records = mapped(tmp_path / "居民群2025年.xlsx")
    once = used(records)
    assert once["person"].tolist() == ["王芳", "李姐", "王强"]
    assert once["address"].tolist() == ["西苑3-2-501", "西苑4幢301", ""]
    assert once["text"].tolist() == ["重阳节送餐报名：两份", "重阳节送餐报名。要软一点", "楼道灯坏了"]
    assert once["happened_at"].tolist() == [datetime(2025, 10, 9, 9, minute) for minute in (20, 30, 40)]
    assert records["aside"].tolist().count("没有内容") == len(records) - len(once)


def test_a_day_that_cannot_be_told_is_set_aside_with_its_text(tmp_path: Path) -> None:
    book = Workbook()
    book.active.append(["日期", "姓名", "住址", "诉求内容"])
    for day in ("3月5日", 3.1, "去年", "2025-03-05"):
        book.active.append([day, "张三", "3-2-501", "想订助餐"])
    book.save(tmp_path / "诉求.xlsx")
    _, records = mapped(tmp_path / "诉求.xlsx")
    assert records["aside"].tolist() == ["时间看不懂：3月5日", "时间看不懂：3.1", "时间看不懂：去年", ""]


def test_a_title_of_two_years_or_of_several_months_tells_no_row_its_year_or_month(tmp_path: Path) -> None:
    book = Workbook()
    for title, day in (
        ("2024-2025年走访台账", "1月7日"),
        ("2025年1-6月走访台账", "7日"),
        ("2025年12月30日至2026年1月20日走访台账", "2日"),
        ("2025年走访台账", "1月7日上午"),
    ):
        sheet = book.create_sheet(title[:12])
        sheet.append([title])
        sheet.append(["日期", "姓名", "住址", "走访内容"])
        sheet.append([day, "张三", "3-2-501", "想订助餐"])
        sheet.append(["2024-12-31", "张三", "3-2-501", "想订助餐"])
        sheet.title = f"第{len(book.sheetnames)}页"
    book.save(tmp_path / "走访台账.xlsx")
    _, records = mapped(tmp_path / "走访台账.xlsx")
    assert records["aside"].tolist()[::2] == ["时间看不懂：1月7日", "时间看不懂：7日", "时间看不懂：2日", ""]
    assert records["happened_at"].iloc[-2] == datetime(2025, 1, 7)


def test_columns_of_month_and_day_tell_a_day_together(tmp_path: Path) -> None:
    book = Workbook()
    book.active.append(["月", "日", "户主", "住址", "走访情况"])
    for month, day in ((3, 5), ("", 6), ("4月", 1), ("", "")):
        book.active.append([month, day, "张三", "3-2-501", "想订助餐"])
    book.save(tmp_path / "2025年走访记录.xlsx")
    _, records = mapped(tmp_path / "2025年走访记录.xlsx")
    assert records["happened_at"].dt.strftime("%m-%d").tolist() == ["03-05", "03-06", "04-01", "04-01"]


def test_a_day_between_two_dated_ones_has_their_year_where_only_one_fits(tmp_path: Path) -> None:
    days = ("3月1日", "2024-12-30", "12月31日", "1月7日", "2025-02-01", "5月1日", "2026-06-01", "7月1日")
    book = Workbook()
    book.active.append(["日期", "姓名", "住址", "诉求内容"])
    for day in days:
        book.active.append([day, "张三", "3-2-501", "想订助餐"])
    book.save(tmp_path / "诉求.xlsx")
    _, records = mapped(tmp_path / "诉求.xlsx")
    assert used(records)["happened_at"].dt.date.map(str).tolist() == [
        "2024-12-30",
        "2024-12-31",
        "2025-01-07",
        "2025-02-01",
        "2026-06-01",
    ]
    assert [aside for aside in records["aside"] if aside] == [
        "时间看不懂：3月1日",
        "时间看不懂：5月1日",
        "时间看不懂：7月1日",
    ]


def test_what_tells_the_time_in_a_files_name_is_left_out_of_its_pattern() -> None:
    names = ("台账（2025年3月）.xlsx", "台账202503.xlsx", "台账 2025-03-31.xlsx", "台账3月份.xlsx")
    assert {file_pattern(name) for name in names} == {"台账*.xlsx"}


@pytest.mark.parametrize(
    ("files", "name", "fits"),
    [
        ("台账*.xlsx", "台账2025-03-31.xlsx", True),
        ("台账*.xlsx", "台账（附表）.xlsx", False),
        ("*月走访*月报.csv", "3月走访2025年3月报.csv", True),
        ("1*" * 60 + "x", "1" * 200, False),  # would be tried in more ways than there is time for
    ],
)
def test_a_pattern_fits_next_months_file_at_once(files: str, name: str, fits: bool) -> None:
    mapping = Mapping.model_construct(files=files)
    assert (mapping_for(Path(name), [(Path("x"), mapping)]) is mapping) == fits


def test_names_of_a_column_in_two_lines_without_merged_cells() -> None:
    rows = [
        ["序号", "走访对象", "", "走访情况"],
        ["", "姓名", "住址", ""],
        ["1", "张三", "3-2-501", "想订助餐"],
    ]
    table = sheet_table(SheetCells("表", True, rows, []))
    assert table and table.names == ("序号", "走访对象/姓名", "走访对象/住址", "走访情况")
    assert table.lines == [3]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('户号,姓名,事项\n1,李,修灯\n2,王,"漏水' + "很急" * 70_000, "第 3 行.*引号"),
        ("户号,姓名,事项\n" + "1,李,修灯\n" * 300 + "," * 100_000, "第 302 行.*列"),
    ],
    ids=["a quote without end", "a row of many columns"],
)
def test_a_text_file_that_no_computer_can_hold_is_named_with_its_line(
    tmp_path: Path, content: str, words: str
) -> None:
    path = tmp_path / "台账.csv"
    path.write_text(content, "utf-8")
    with pytest.raises(UserError, match=words):
        read_ledger(path)


def test_merged_ranges_over_one_another_are_filled_once() -> None:
    """No program writes them; thousands that each take a whole column would take for ever."""
    head = ["户主姓名", "家庭住址", "走访日期", "走访情况"]
    rows = [["张三", "1幢1单元101室", "2025-03-05", "送餐"], *[["", "", "", "送餐"] for _ in range(9)]]
    table = sheet_table(SheetCells("走访", True, [head, *rows], [((1, 0), (4, 0)), ((3, 0), (8, 0))]))
    assert table and [row[0] for row in table.rows] == ["张三"] * 4 + [""] * 6


@pytest.mark.parametrize("end", ["\r\r\n", "\r", "\n"])
def test_line_ends_may_be_mixed(tmp_path: Path, end: str) -> None:
    rows = ["户主姓名,家庭住址,走访情况\r\n", f"张三,1幢101室,送餐{end}", "李四,1幢102室,托管\r\n"]
    (tmp_path / "走访.csv").write_bytes("".join(rows).encode())
    (table,) = read_ledger(tmp_path / "走访.csv")
    assert [row[0] for row in table.rows] == ["张三", "李四"] and table.lines == [2, 3]


def test_a_text_of_more_columns_than_a_workbook_has_is_told(tmp_path: Path) -> None:
    path = tmp_path / "走访.csv"
    path.write_text(",".join(f"列{at}" for at in range(200_000)) + "\n1\n", "utf-8")
    with pytest.raises(UserError, match="第 1 行：200,000 列"):
        read_ledger(path)


def test_bare_days_of_a_ledger_that_counts_from_1904_are_those_that_were_meant(tmp_path: Path) -> None:
    book = Workbook()
    book.epoch = CALENDAR_MAC_1904
    book.active.append(["日期", "姓名", "住址", "诉求内容"])
    book.active.append([43894, "张三", "3-2-501", "想订助餐"])
    book.active.append([43895, "张三", "3-2-502", "想订助餐"])
    book.active.row_dimensions[3].hidden = True
    book.save(tmp_path / "诉求.xlsx")
    _, records = mapped(tmp_path / "诉求.xlsx")
    assert [str(day)[:10] for day in records["happened_at"]] == ["2024-03-05", "2024-03-06"]
    assert read_ledger(tmp_path / "诉求.xlsx")[0].hidden == {1}
