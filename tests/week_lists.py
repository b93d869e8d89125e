"""A small week's lists for tests: a plan of a made-up town, described and written as a workbook."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
from make_records import make_community, make_records
from openpyxl.worksheet.worksheet import Worksheet

from features.point_in_time.records import Known, day_of, known_before
from service.lists.script import script
from service.lists.visit_rows import describe
from service.lists.workbook import ID_HEADER, workbook
from service.planning.planner import plan

AS_OF = date(2025, 9, 1)
NEEDS = (
    {"id": "childcare", "name": {"zh": "暑期托管", "en": "Summer childcare"}, "severity": 2},
    {
        "id": "meals",
        "name": {"zh": "老年助餐", "en": "Meals"},
        "severity": 3,
        "ask": "现在怎么吃饭？要送餐吗？",
    },
    {"id": "mediation", "name": {"zh": "矛盾调解", "en": "Mediation"}, "severity": 3, "sensitive": True},
)
PROGRAMMES = (
    {
        "id": "canteen",
        "name": "幸福食堂",
        "needs": ["meals"],
        "seats": 40,
        "opens": "01-01",
        "closes": "12-31",
    },
    {
        "id": "summer",
        "name": "爱心教室",
        "needs": ["childcare"],
        "seats": 9,
        "opens": "07-05",
        "closes": "08-20",
    },
)


def make_known(contacts: tuple = (), requests: tuple = (), feedback: tuple = ()) -> Known:
    """Twelve households in one grid with two micro-grids, an address each, and an elder in h00."""
    households = [
        {
            "household_id": f"h{index:02}",
            "microgrid_id": f"m{index % 2}",
            "地址": f"=西山路{index}号",
            "size": 3,
        }
        for index in range(12)
    ]
    return known_before(
        make_records(
            households,
            requests,
            residents=[{"resident_id": "p1", "household_id": "h00", "birth_year": 1950}],
            outreach=contacts,
            feedback=feedback,
            community=make_community(NEEDS, programmes=PROGRAMMES, outreach={"visits_per_worker": 4}),
        ),
        day_of(AS_OF),
    )


def make_visits(known: Known) -> pd.DataFrame:
    """Described visits of a plan from random scores."""
    draw = np.random.default_rng(5)
    pairs = [(home, need["id"]) for home in known.records.household_ids for need in NEEDS]
    scores = pd.DataFrame(pairs, columns=["household_id", "need"])
    scores = scores.assign(p_need=draw.random(len(pairs)), model_version="3")
    visits = plan(scores, known).visits
    return describe(
        visits.assign(
            reason="孩子8岁，去年6月申请过暑托",
            why="①孩子8岁〔居民登记 2023-01-01〕\n②去年6月申请过暑托〔2024-06-12 申请（R7）〕",
            reason_kinds="residents,history",
        ),
        known,
    )


def write_lists(known: Known, visits: pd.DataFrame, path: Path) -> Path:
    """The visits as one workbook."""
    path.write_bytes(workbook("西山社区 · 网格 g1", script(known.community), visits, AS_OF))
    return path


def change(path: Path, how: Callable[[Worksheet], None], sheet: int = 0) -> Path:
    """Open a workbook, change a sheet as a user would, and save it."""
    book = openpyxl.load_workbook(path)
    how(book.worksheets[sheet])
    book.save(path)
    return path


def columns_of(sheet: Worksheet) -> tuple[int, dict[str, int]]:
    """Header row and columns (from one) of a list."""
    for row in sheet.iter_rows(min_row=1, max_row=10):
        titles = {str(cell.value): cell.column for cell in row if cell.value}
        if ID_HEADER in titles:
            return row[0].row, titles
    raise AssertionError("no header")


def fill(sheet: Worksheet, outcomes: list[str], when: object = None) -> None:
    """Fill in the outcomes of the first rows."""
    header, columns = columns_of(sheet)
    for offset, outcome in enumerate(outcomes, start=1):
        sheet.cell(header + offset, columns["结果"], outcome or None)
        if when is not None and outcome:
            sheet.cell(header + offset, columns["走访日期"], when)
