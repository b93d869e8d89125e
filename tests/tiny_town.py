"""A dozen households in three grids, as a directory of the contract that can be checked by hand."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from features.contract.tables import TABLES
from features.ingest.ingest import ingest
from features.ingest.ingest_report import IngestReport
from features.point_in_time.records import Records
from features.store.reader import read_records

Row = dict[str, Any]

SETTINGS: dict[str, Any] = {
    "community": {"name": "西山社区", "timezone": "Asia/Shanghai", "language": "zh-CN"},
    "needs": [
        {
            "id": "childcare",
            "name": {"zh": "暑期托管", "en": "Summer childcare"},
            "horizon_weeks": 8,
            "who": "children > 0",
            "keywords": ["托管", "暑假班"],
        },
        {
            "id": "meals",
            "name": {"zh": "老年助餐", "en": "Meals for the elderly"},
            "horizon_weeks": 4,
            "severity": 3,
            "keywords": ["助餐", "送饭"],
        },
    ],
}


def households() -> list[Row]:
    """H01 to H12, four in each of the grids G1 to G3 and two in each micro-grid; H01 has a second row."""
    rows = []
    for number in range(12):
        grid, part = number // 4 + 1, number // 2 % 2 + 1
        rows.append(
            {
                "household_id": f"H{number + 1:02d}",
                "grid_id": f"G{grid}",
                "microgrid_id": f"G{grid}-{part}",
                "valid_from": "2023-01-01",
                "children": number % 3,
                "low_income": number % 4 == 0,
                "housing": ("商品房", "回迁房", "租房")[number % 3],
            }
        )
    return [*rows, {**rows[0], "valid_from": "2024-03-01", "children": 1}]


def requests() -> list[Row]:
    """Eight requests from 2023-06 to Thursday 2024-06-06; R5 came as text, R8 was recorded two days late."""
    rows = [
        ("R1", "H02", "2023-06-05 09:00", "childcare", "", "2023-06-05 09:00", "2023-06-20 12:00", 5),
        ("R2", "H02", "2024-05-20 10:30", "childcare", "", "2024-05-20 10:30", "", ""),
        ("R3", "H03", "2024-05-21 08:00", "childcare", "", "2024-05-21 08:00", "", ""),
        ("R4", "H05", "2024-01-15 16:45", "meals", "", "2024-01-15 16:45", "2024-01-16 10:00", 4),
        ("R5", "H06", "2024-04-02 11:00", "", "想给老人订助餐，最好送饭上门", "2024-04-02 11:00", "", ""),
        ("R6", "H09", "2023-12-24 23:59", "meals", "", "2023-12-24 23:59", "", ""),
        ("R7", "H12", "2024-02-10 00:00", "meals", "", "2024-02-10 00:00", "2024-02-12 09:00", 2),
        ("R8", "H08", "2024-06-04 19:00", "childcare", "", "2024-06-06 09:00", "", ""),
    ]
    names = ("request_id", "household_id", "requested_at", "need", "text", "recorded_at", "resolved_at")
    return [dict(zip((*names, "satisfaction"), row, strict=True)) | {"channel": "phone"} for row in rows]


def residents() -> list[Row]:
    """Two adults and a child in H02, an elder each in H05 and H09."""
    rows = [
        ("P1", "H02", 1988, ""),
        ("P2", "H02", 1990, ""),
        ("P3", "H02", "", "2016-09-01"),
        ("P4", "H05", 1941, ""),
        ("P5", "H09", "", "1938-02-03"),
    ]
    names = ("resident_id", "household_id", "birth_year", "birth_date")
    return [dict(zip(names, row, strict=True)) | {"valid_from": "2023-01-01"} for row in rows]


def outreach() -> list[Row]:
    """Two targeted and two random visits in spring 2024."""
    rows = [
        ("O1", "H03", "childcare", "2024-05-13 10:00", "targeted", "needed", ""),
        ("O2", "H05", "meals", "2024-05-14 10:00", "targeted", "not_needed", ""),
        ("O3", "H10", "meals", "2024-05-14 15:00", "random", "not_reached", 0.05),
        ("O4", "H07", "childcare", "2024-05-15 09:30", "random", "", 0.05),
    ]
    names = ("outreach_id", "household_id", "need", "contacted_at", "arm", "outcome", "propensity")
    return [dict(zip(names, row, strict=True)) | {"worker_id": "W1"} for row in rows]


def opt_outs() -> list[Row]:
    """H11 refuses since April 2024."""
    return [{"household_id": "H11", "from": "2024-04-01", "until": ""}]


def workers() -> list[Row]:
    """A worker for each grid."""
    return [
        {
            "worker_id": f"W{n}",
            "name": f"网格员{n}",
            "role": "grid_worker",
            "grid_id": f"G{n}",
            "weekly_visits": 6,
        }
        for n in (1, 2, 3)
    ]


@dataclass
class TinyTown:
    """The directory with the contract's files, and the workspace that it is read into."""

    directory: Path
    workspace: Path

    def write(self, table: str, rows: Sequence[Row], kind: str = "csv", encoding: str = "utf-8") -> Path:
        """Write one table's file anew: ``csv``, ``parquet`` or ``xlsx`` (those two with typed cells)."""
        for path in self.directory.glob(f"{table}.*"):
            path.unlink()
        path = self.directory / f"{table}.{kind}"
        names = list(dict.fromkeys(name for row in rows for name in row)) or list(TABLES[table].columns)
        if kind == "csv":
            with path.open("w", encoding=encoding, newline="") as file:
                writer = csv.DictWriter(file, names)
                writer.writeheader()
                writer.writerows(rows)
            return path
        frame = pd.DataFrame([{name: _typed(table, name, row.get(name)) for name in names} for row in rows])
        if kind == "parquet":
            frame.to_parquet(path)
        else:
            frame.to_excel(path, index=False)
        return path

    def write_settings(self, **sections: Any) -> None:
        """Write community.yaml; ``sections`` replace or add to the usual ones."""
        content = yaml.safe_dump(SETTINGS | sections, allow_unicode=True, sort_keys=False)
        (self.directory / "community.yaml").write_text(content, encoding="utf-8")

    def ingest(self) -> IngestReport:
        """Ingest the directory into the workspace."""
        return ingest(self.directory, self.workspace)

    def records(self) -> Records:
        """The workspace's records."""
        return read_records(self.workspace)


TABLE_ROWS = {
    "households": households,
    "requests": requests,
    "residents": residents,
    "outreach": outreach,
    "opt_outs": opt_outs,
    "workers": workers,
}


def make_tiny_town(directory: Path, workspace: Path) -> TinyTown:
    """Write the whole town into ``directory``; nothing is ingested yet."""
    directory.mkdir(parents=True, exist_ok=True)
    town = TinyTown(directory, workspace)
    for table, rows in TABLE_ROWS.items():
        town.write(table, rows())
    town.write_settings()
    return town


def _typed(table: str, name: str, value: Any) -> Any:
    """Times as date-times, as a database or a spreadsheet has them; empty cells as None."""
    if value == "" or value is None:
        return None
    column = TABLES[table].columns.get(name)
    return datetime.fromisoformat(value) if column and column.kind in ("time", "day") else value
