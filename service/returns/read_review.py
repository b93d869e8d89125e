"""Read what people decided in workbooks of unsure links and possible duplicates."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from features.contract.spoken_values import FALSE, TRUE, plain
from features.contract.workbook_cells import SheetCells, read_sheets
from features.findings import shown_cells
from features.language import UserError, say, say_line
from features.linking.decisions import COLUMNS
from features.store.register_changes import Kind
from service.lists.review_workbook import ADDRESS, BETWEEN, DECISION, DROP, KEEP, KINDS, PERSON, PHONE, WHAT

_NOBODY = FALSE | {"都不是", "不是", "none", "nobody", "查无此人", "查无", "没有这户", "不在册", "0"}
_SWAP = frozenset(("换", "对调", "swap", "反过来"))
_NUMBER = re.compile(r"(?:候选|candidate)?\s*([1-5])(?:号|\.0)?")
_CANDIDATE = re.compile(r"(?:候选|candidate )([1-5])")


@dataclass
class Review:
    """What a workbook decides.

    ``decisions``: address, person, phone, household_id ("": nobody), for ``keep_decisions``. ``same``, ``other``: (kind,
    keep, drop) of pairs that are the same, or aren't. ``undecided``: rows without a decision. ``refused``: lines on cells
    that cannot be read.
    """

    decisions: pd.DataFrame
    same: list[tuple[Kind, str, str]] = field(default_factory=list)
    other: list[tuple[Kind, str, str]] = field(default_factory=list)
    undecided: int = 0
    refused: list[str] = field(default_factory=list)


def read_review(path: Path, households: Collection[str]) -> Review:
    """Read a workbook of ``review_workbook`` or ``duplicates_workbook`` that was filled in.

    path: the workbook; rows may have been sorted, left out or added.
    households: ids in the register.

    Raises UserError when no sheet has a column for decisions.
    """
    review, links = Review(pd.DataFrame(columns=list(COLUMNS))), []
    read = False
    for sheet in read_sheets(path):
        header = _header(sheet)
        if header is None:
            continue
        read = True
        line, columns = header
        for number, cells in enumerate(sheet.rows[line + 1 :], line + 2):
            row = {title: str(cells[at] if at < len(cells) else "").strip() for title, at in columns.items()}
            if not any(row.values()):
                continue
            where = f"{path.name} {sheet.name} {say(f'第 {number} 行', f'row {number}')}"
            decide = _decide_pair if _at(row, KEEP) else _decide_link
            links += decide(row, households, review, where)
    if not read:
        raise UserError(f"{path}：没有“决定”这一列", f"{path}: no column “decision”")
    review.decisions = pd.DataFrame(links, columns=list(COLUMNS))
    return review


def _header(sheet: SheetCells) -> tuple[int, dict[str, int]] | None:
    """Return the line of the header among the first ten, and the position of each title."""
    for line, cells in enumerate(sheet.rows[:10]):
        titles = [str(cell).strip() for cell in cells]
        if any(title in DECISION for title in titles):
            return line, {title: at for at, title in enumerate(titles) if title}
    return None


def _at(row: dict[str, Any], titles: tuple[str, str]) -> str:
    return next((row[title] for title in titles if row.get(title)), "")


def _decide_link(
    row: dict[str, str], households: Collection[str], review: Review, where: str
) -> list[tuple[str, str, str, str]]:
    decision = plain(_at(row, DECISION))
    evidence = (_at(row, ADDRESS), _at(row, PERSON), _at(row, PHONE))
    if not decision:
        review.undecided += 1
        return []
    if decision in _NOBODY:
        return [(*evidence, "")]
    number = _NUMBER.fullmatch(decision)
    cell = next(
        (
            text
            for title, text in row.items()
            if number and (match := _CANDIDATE.fullmatch(title)) and match[1] == number[1]
        ),
        "",
    )
    household = cell.split(BETWEEN)[0] if cell else _at(row, DECISION)
    if household in households:
        return [(*evidence, household)]
    (shown,) = shown_cells([decision])
    review.refused += say_line(
        f"{where}：决定“{shown}”不是候选序号、登记表里的户号，也不是“无”",
        f"{where}: “{shown}” is no candidate's number, no household of the register, and not “none”",
    )
    return []


def _decide_pair(
    row: dict[str, str], households: Collection[str], review: Review, where: str
) -> list[tuple[str, str, str, str]]:
    decision = plain(_at(row, DECISION))
    kind: Kind = next((kind for kind, words in KINDS.items() if _at(row, WHAT) in words), "household")
    keep, drop = _at(row, KEEP), _at(row, DROP)
    if not decision:
        review.undecided += 1
    elif decision in TRUE | {"合并", "同一户", "同一人", "merge", "same"}:
        review.same.append((kind, keep, drop))
    elif decision in _SWAP:
        review.same.append((kind, drop, keep))
    elif decision in FALSE | {"不是同一户", "不同"}:
        review.other.append((kind, keep, drop))
    else:
        (shown,) = shown_cells([decision])
        review.refused += say_line(
            f"{where}：决定“{shown}”不是“是”“换”或“否”",
            f"{where}: “{shown}” is not yes, swap or no",
        )
    return []
