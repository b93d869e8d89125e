"""An office's own workbook: Chinese file and column names, a title above, needs by their names."""

from pathlib import Path

import openpyxl
import pytest
from tiny_town import TinyTown, make_tiny_town

from features.contract.table_names import COLUMNS, FILES, contract_names
from features.contract.tables import TABLES

ATTRIBUTES = {"children", "elders"}  # that the needs of the catalogue ask for


@pytest.fixture
def town(tmp_path: Path) -> TinyTown:
    return make_tiny_town(tmp_path / "town", tmp_path / "workspace")


def write_workbook(path: Path, title: str, header: list[str], rows: list[list]) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append([title])
    for row in (header, *rows):
        sheet.append(row)
    book.save(path)


def test_an_offices_own_workbooks_are_read_and_it_is_said_how(town: TinyTown) -> None:
    for table in TABLES:
        for path in town.directory.glob(f"{table}.*"):
            path.unlink()
    homes = [
        [f"H{at:02}", "一网格", f"M{at % 2}", "2023-01-01", at % 3, "是" if at % 2 else "否"]
        for at in range(30)
    ]
    write_workbook(
        town.directory / "住户.xlsx",
        "西山社区住户台账",
        ["户号*", "网格", "微网格", "登记日期", "孩子数", "双职工"],
        homes,
    )
    asked = [
        [f"S{at}", f"H{at % 30:02}", "2024-03-05", "老年助餐" if at % 2 else "暑期托管"] for at in range(40)
    ]
    write_workbook(
        town.directory / "诉求.xlsx", "2024年诉求台账", ["诉求编号", "户号", "诉求时间", "需求类别"], asked
    )
    town.write_settings(needs=[{"id": "childcare", "name": "暑期托管"}, {"id": "meals", "name": "老年助餐"}])
    report = town.ingest()
    records = town.records()
    assert len(records.household_ids) == 30 and len(records.requests) == 40
    needs = [need.id for need in records.community.needs]
    assert {needs[need] for need in records.requests.need} == {"childcare", "meals"}
    assert {"children", "双职工"} <= {*records.households.attributes}
    lines = [finding.line() for finding in report.findings]
    assert any(
        "户号*=household_id、网格=grid_id、微网格=microgrid_id、登记日期=valid_from" in line for line in lines
    )
    assert report.tables["requests"].quarantined == 0


def test_the_contracts_own_name_is_never_taken() -> None:
    assert contract_names("households", ["household_id", "户号", "网格"]) == {"网格": "grid_id"}
    assert contract_names("residents", ["编号", "户号"]) == {"编号": "resident_id", "户号": "household_id"}


def test_every_alias_names_a_table_or_column_of_the_contract() -> None:
    assert {*FILES} <= {*TABLES}
    for table, columns in COLUMNS.items():
        assert {*columns} - ATTRIBUTES <= {*TABLES[table].columns}
    names = [name for names in FILES.values() for name in names]
    assert len(names) == len(set(names))
