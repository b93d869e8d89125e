"""Write what people have to decide: records that may mean several households, and households that stand twice."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from features.atomic import write_atomically
from features.language import joined_names, say
from features.linking.mentioned import EVIDENCE, texts_of
from features.store.register_changes import Kind
from service.lists.sheet import in_arial, line_height, on_a4
from service.lists.workbook import FORMATS, OPTIONS

CHOICES = 5
BETWEEN = "｜"  # behind the id of a household in a candidate's cell
LINKS, DUPLICATES = ("待核对住户", "households to decide"), ("疑似重复", "possible duplicates")
DECISION = ("决定", "decision")
ADDRESS, PERSON, PHONE = ("地址", "address"), ("姓名", "person"), ("电话", "telephone")
KEEP, DROP, WHAT = ("保留", "keep"), ("并入", "merge into it"), ("类别", "kind")
KINDS: dict[Kind, tuple[str, str]] = {"household": ("住户", "household"), "person": ("居民", "person")}

Column = tuple[str, float]  # title, width in characters


def review_workbook(
    records: pd.DataFrame, links: pd.DataFrame, register: pd.DataFrame, sources: Sequence[str] = ()
) -> bytes:
    """Write the records that nobody could link for sure.

    records: address, person and phone, as ``features.linking.link.link`` took them.
    links: what it returned for them; rows with the verdicts review and unknown are written.
    register: as it took it, for the doors and people of the candidates.
    sources: where each record stands (file, sheet and row), and what else helps to decide; none: left out.

    Returns the content of a workbook with a column for the decision: a candidate's number, a household's id, or 无 for
    nobody.
    """
    open_rows = [place for place, verdict in enumerate(links["verdict"]) if verdict in ("review", "unknown")]
    described = _described(register)
    columns: list[Column] = [
        ("#", 5),
        (say("出处", "source"), 18),
        *((say(*names), 18) for names in (ADDRESS, PERSON, PHONE)),
        (say("线索", "evidence"), 22),
        (say("把握", "chance"), 7),
        *((say(f"候选{number}", f"candidate {number}"), 24) for number in range(1, CHOICES + 1)),
        (say(*DECISION), 14),
    ]
    texts = [texts_of(records, column) for column in EVIDENCE]
    rows = []
    for number, place in enumerate(open_rows, 1):
        evidence = [sources[place] if len(sources) else "", *(column[place] for column in texts)]
        rows.append([str(number), *evidence, *_proposed(links.iloc[place], described), ""])
    note = say(
        "“决定”写候选的序号（1-5）、户号，或“无”（登记表里没有这户）；空着就留到下次。"
        "填好后运行 xianying review 这个文件",
        "decision: a candidate's number (1-5), a household's id, or none (not in the register); leave empty to decide"
        " later. Then run xianying review on this file",
    )
    return _book(say(*LINKS), note, columns, rows)


def _proposed(link: pd.Series, described: Mapping[str, str]) -> list[str]:
    """Return why a record could not be linked, how likely the first candidate is, and the candidates."""
    candidates = [f"{home}{BETWEEN}{described.get(home, '')}" for home in link["candidates"][:CHOICES]]
    chance = f"{link['chance']:.0%}" if candidates else ""
    return [link["reason"], chance, *candidates, *[""] * (CHOICES - len(candidates))]


def write_review(
    path: Path,
    records: pd.DataFrame,
    links: pd.DataFrame,
    register: pd.DataFrame,
    sources: Sequence[str] = (),
) -> None:
    """Write ``review_workbook`` to a file, whose directory is made; the arguments are the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, review_workbook(records, links, register, sources))


def duplicates_workbook(pairs: pd.DataFrame, register: pd.DataFrame) -> bytes:
    """Write pairs that may be the same.

    ``pairs``: kind (household or person), keep, drop, chance and reason. ``register``: as ``read_register`` returns it.
    """
    described = _described(register)
    columns: list[Column] = [
        ("#", 5),
        (say(*WHAT), 8),
        (say(*KEEP), 14),
        (say("情况", "what is known"), 34),
        (say(*DROP), 14),
        (say("情况 ", "what is known "), 34),
        (say("线索", "evidence"), 26),
        (say("把握", "chance"), 7),
        (say(*DECISION), 10),
    ]
    rows = []
    row: Any
    for number, row in enumerate(pairs.itertuples(), 1):
        chance = f"{row.chance:.0%}" if row.chance == row.chance else ""
        both = [row.keep, described.get(row.keep, ""), row.drop, described.get(row.drop, "")]
        rows.append([str(number), say(*KINDS[row.kind]), *both, row.reason, chance, ""])
    note = say(
        "“决定”写“是”（合并，历史并到保留的一方）、“换”（保留另一方）或“否”（不是同一个，以后不再问）；空着就留到下次",
        "decision: yes (merge into the one kept), swap (keep the other one), or no (not the same; never asked again)",
    )
    return _book(say(*DUPLICATES), note, columns, rows)


def _described(register: pd.DataFrame) -> dict[str, str]:
    """Say of each household its door, and whom the register names there."""
    described = {}
    for household, rows in register.groupby("household_id"):
        doors, persons, phones = (
            list(dict.fromkeys(text for text in texts_of(rows, column) if text)) for column in EVIDENCE
        )
        shown = [*doors[:1], joined_names(persons[:4]), *phones[:1]]
        described[str(household)] = " ".join(text for text in shown if text)
    return described


def _book(title: str, note: str, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> bytes:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, OPTIONS) as book:
        formats = {
            name: book.add_format(FORMATS[name])
            for name in ("title", "script", "header", "next_text", "next_fill")
        }
        sheet = book.add_worksheet(title)
        on_a4(sheet, len(columns) - 1, len(rows) + 2)
        sheet.write(0, 0, title, formats["title"])
        sheet.merge_range(1, 0, 1, len(columns) - 1, note, formats["script"])
        sheet.set_row(1, 34)
        for column, (name, width) in enumerate(columns):
            sheet.set_column(column, column, in_arial(width))
            sheet.write(2, column, name, formats["header"])
        for place, row in enumerate(rows, 3):
            _write_row(sheet, place, columns, row, formats)
        sheet.freeze_panes(3, 0)
        sheet.repeat_rows(2)
    return content.getvalue()


def _write_row(
    sheet: Worksheet, place: int, columns: Sequence[Column], row: Sequence[str], formats: dict[str, Format]
) -> None:
    sheet.set_row(place, line_height([(text, width) for text, (_, width) in zip(row, columns, strict=True)]))
    for column, text in enumerate(row):
        sheet.write_string(
            place, column, text, formats["next_fill" if column == len(row) - 1 else "next_text"]
        )
